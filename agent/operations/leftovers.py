"""Clears away what an operation's commands left when the agent, or they, were killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from agent.errors import AgentError
from agent.tools.run import OPERATION_VARIABLE

# virt-install takes back what it has fetched on SIGINT, for which it gets this long.
_GRACE_SECONDS = 5.0
_PROC = Path("/proc")
# Where virt-install keeps a kernel and an initrd until the domain has read them.
_FETCHED = Path("/var/lib/libvirt/boot")


def end(operation: str) -> list[int]:
    """End every process that was started for an operation; returns their ids.

    They are known by their environment, so that no id is taken for that of another process.
    Raises AgentError when one cannot be ended.
    """
    found = _processes(operation)
    limit = time.monotonic() + _GRACE_SECONDS
    _signal(found, signal.SIGINT)
    left = found
    while left and time.monotonic() < limit:
        time.sleep(0.05)
        left = _processes(operation)
    limit = time.monotonic() + _GRACE_SECONDS
    while left:
        if time.monotonic() > limit:
            # One that waits for a disk that is gone cannot be ended until that comes back.
            raise AgentError(f"operation {operation} left processes that cannot be ended: {left}")
        _signal(left, signal.SIGKILL)
        time.sleep(0.05)
        left = _processes(operation)
    return found


def remove_fetched(since: float) -> list[Path]:
    """Remove what virt-installs that were killed had fetched; returns the files.

    since: seconds since the epoch, before which files are none of an operation's.
    Their names say nothing of whose they are. A virt-install that ends by itself removes its
    own, so while none runs, by whomever, every file there is a dead one's.
    """
    if any(b"virt-install" in command for command in _command_lines()):
        return []
    found = []
    for file in _FETCHED.glob("virtinst-*"):
        with contextlib.suppress(OSError):
            if file.stat().st_mtime >= since:
                file.unlink()
                found.append(file)
    return found


def _command_lines() -> Iterator[bytes]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                yield (folder / "cmdline").read_bytes()


def _processes(operation: str) -> list[int]:
    wanted = f"{OPERATION_VARIABLE}={operation}".encode()
    found = []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        # Another user's process cannot be ours, and one that is gone is of no interest.
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _signal(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
