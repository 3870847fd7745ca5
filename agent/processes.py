"""The process of a command: what it knows of the agent, what it prints, and how it is ended."""

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable

_log = logging.getLogger("agent.command")

# What a command may know of the agent's own environment. Proxies: virt-install fetches
# the installer through them.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_KEPT = ("PATH", "HOME", *_PROXIES, *(name.upper() for name in _PROXIES))
OPERATION_VARIABLE = "STAGING_AGENT_OPERATION"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How long a command may take to clean up after itself once it was told to stop.
GRACE_SECONDS = 3.0


def environment(operation: str | None) -> dict[str, str]:
    """The environment of a command.

    operation: the id that the command and all it starts have in it; None for none.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # C would mangle non-ASCII names in virsh's tables; LANGUAGE would win over LC_ALL in
    # virt-install, so it is not kept. PYTHONUNBUFFERED: virt-install says what it is at as
    # soon as it is.
    told = {"PATH": _DEFAULT_PATH, **kept, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    if operation is not None:
        told[OPERATION_VARIABLE] = operation
    return told


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Signal a process that leads its group, and the whole group, if there still is one."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def communicate(
    process: "subprocess.Popen[bytes]", stdin: str | None, limit: float
) -> tuple[bytes, bytes, bool]:
    """What the process printed, and whether it ended within its limit.

    stdin: text for its standard input, which is closed after it. limit: in seconds; past it the
    process is killed with its group.
    """
    text = None if stdin is None else stdin.encode()
    try:
        out, err = process.communicate(text, timeout=limit)
        return out or b"", err, True
    except subprocess.TimeoutExpired:
        pass
    _log.warning("past its limit of %g s, killed: %s", limit, process.args)
    # SIGINT first: virt-install takes back what it fetched on that and on nothing else.
    signal_group(process, signal.SIGINT)
    try:
        out, err = process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    else:
        signal_group(process, signal.SIGKILL)
        return out or b"", err, False
    signal_group(process, signal.SIGKILL)
    try:
        out, err = process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired as late:
        # A process that left the group still holds the pipes: let it have them.
        out, err = late.stdout or b"", late.stderr or b""
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return out or b"", err, False


class Lines:
    """Reads the stdout of a process in a thread, line by line, in place of `communicate`."""

    def __init__(self, process: "subprocess.Popen[bytes]", on_line: Callable[[str], None]) -> None:
        self._pipe, process.stdout = process.stdout, None
        self._on_line = on_line
        self._thread = threading.Thread(target=self._read, daemon=True)
        self.seen = b""

    def __enter__(self) -> "Lines":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A process that left the group may hold the pipe for ever: it may have it.
        self._thread.join(GRACE_SECONDS)

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe as pipe:
            for line in pipe:
                self.seen += line
                self._on_line(line.decode("utf-8", "replace"))
