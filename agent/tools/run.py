"""Runs one command. The only place in the server that does."""

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO

from agent.errors import CommandTimeout, Interrupted, ToolMissing
from agent.tools.command import Result

_log = logging.getLogger("agent.command")

# What came of a command. "lost": a kept virsh went away, and another is asked the same.
OUTCOMES = ("ok", "failed", "timeout", "interrupted", "missing", "lost")
# What a command may know of the agent's own environment. Proxies: virt-install fetches
# the installer through them.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_KEPT = ("PATH", "HOME", *_PROXIES, *(name.upper() for name in _PROXIES))
OPERATION_VARIABLE = "STAGING_AGENT_OPERATION"
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How long a command may take to clean up after itself once it was told to stop.
GRACE_SECONDS = 3.0


class Runner:
    """Runs commands, each bounded in time and in a process group of its own.

    limits: seconds that a command of each tool may take, by the tool's name, or by that and
        what it does ("virsh vol-upload"); the empty name is for every other tool.
    on_end: called with the argv of each command that has ended, its seconds, and which of
        OUTCOMES came of it.
    """

    def __init__(
        self,
        limits: Mapping[str, float],
        on_end: Callable[[Sequence[str], float, str], None] = lambda argv, seconds, outcome: None,
    ) -> None:
        self._limits = dict(limits)
        self._on_end = on_end
        self._lock = threading.Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._interrupted: set[subprocess.Popen[bytes]] = set()
        self._opened: set[subprocess.Popen[bytes]] = set()
        self._interrupts = 0

    def run(
        self,
        argv: Sequence[str],
        stdin: str | None = None,
        operation: str | None = None,
        output: BinaryIO | None = None,
    ) -> Result:
        """Run one command to its end, whatever its exit code is.

        stdin: text for its standard input, which is closed after it, and at once for None.
        operation: the id that the command and all it starts have in their environment, by
            which they are found when they outlive the agent.
        output: an empty file that gets its stdout, for whoever looks before it ends.
        Raises ToolMissing when it cannot be started, CommandTimeout when it had to be
        killed at its time limit, Interrupted when `interrupt` killed it.
        """
        limit = self.limit(argv)
        began = time.monotonic()
        interrupts = self._interrupts
        try:
            process = _start(
                argv,
                operation,
                subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                subprocess.PIPE if output is None else output,
            )
        except ToolMissing:
            self.ended(argv, began, "missing", change=operation is not None)
            raise
        with self._lock:
            self._running.add(process)
            if interrupts != self._interrupts:
                # `interrupt` came before it was among those that run.
                self._interrupted.add(process)
                signal_group(process, signal.SIGKILL)
        try:
            out, err, ended = communicate(process, stdin, limit)
        finally:
            with self._lock:
                self._running.discard(process)
                interrupted = process in self._interrupted
                self._interrupted.discard(process)
                self._lock.notify_all()
        if output is not None:
            output.seek(0)
            out = output.read()
        if interrupted or not ended:
            code, outcome = None, "interrupted" if interrupted else "timeout"
        else:
            code = process.returncode
            outcome = "failed" if code else "ok"
        seconds = self.ended(argv, began, outcome, code, change=operation is not None)
        stderr = err.decode("utf-8", "replace")
        if interrupted:
            raise Interrupted(argv, None, stderr)
        if not ended:
            raise CommandTimeout(argv, limit, stderr)
        return Result(
            tuple(argv), process.returncode, out.decode("utf-8", "replace"), stderr, seconds
        )

    def open(
        self, argv: Sequence[str], stdout: int, operation: str, more: Mapping[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Start a command that is talked to over its pipes, which do not block, until `close`.

        stdout: the open file that it writes to. operation: as for `run`. more: environment
        variables beside those of every command.
        Raises ToolMissing when it cannot be started.
        """
        process = _start(argv, operation, subprocess.PIPE, stdout, more=more)
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
        with self._lock:
            self._opened.add(process)
        return process

    def close(self, process: "subprocess.Popen[bytes]") -> bool:
        """Kill what `open` started; returns whether `interrupt` did before."""
        if process.poll() is None:
            signal_group(process, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                pipe.close()
        with self._lock:
            self._opened.discard(process)
            interrupted = process in self._interrupted
            self._interrupted.discard(process)
        return interrupted

    def ended(
        self,
        argv: Sequence[str],
        began: float,
        outcome: str,
        exit_code: int | None = None,
        *,
        change: bool = False,
    ) -> float:
        """Log and count a command that has ended; returns the seconds that it took.

        began: on the monotonic clock. outcome: one of OUTCOMES. exit_code: None when it did
        not end by itself. change: whether it is an operation's. Those of reads are logged as
        debugging: a line for each would be most of the log of an agent that is polled.
        """
        seconds = time.monotonic() - began
        self._on_end(argv, seconds, outcome)
        level = logging.INFO if change else logging.DEBUG
        if _log.isEnabledFor(level):
            how = outcome if exit_code is None else f"exit {exit_code}"
            fields = {
                "command": list(argv),
                "seconds": round(seconds, 6),
                "outcome": outcome,
                "exit_code": exit_code,
            }
            text = "%.3f s, %s: %s"
            _log.log(level, text, seconds, how, shlex.join(argv), extra={"fields": fields})
        return seconds

    def set_limits(self, limits: Mapping[str, float]) -> None:
        """Have commands that begin from now on bounded by other limits."""
        self._limits = dict(limits)

    def limit(self, argv: Sequence[str]) -> float:
        """The seconds that a command may take."""
        names = (*(f"{argv[0]} {word}" for word in argv[1:3]), argv[0], "")
        return next(self._limits[name] for name in names if name in self._limits)

    def interrupt(self) -> None:
        """Stop every command that runs now; each raises Interrupted where it was run."""
        with self._lock:
            self._interrupts += 1
            # They only read, and have nothing to clean up.
            self._interrupted |= self._opened
            for process in self._opened:
                signal_group(process, signal.SIGKILL)
            stopped = set(self._running)
            self._interrupted |= stopped
            for process in stopped:
                signal_group(process, signal.SIGINT)
            self._lock.wait_for(lambda: not stopped & self._running, GRACE_SECONDS)
            for process in stopped & self._running:
                signal_group(process, signal.SIGKILL)


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


def _start(
    argv: Sequence[str],
    operation: str | None,
    stdin: int,
    stdout: int | BinaryIO,
    more: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a command in a process group of its own; raises ToolMissing."""
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env={**environment(operation), **(more or {})},
            cwd="/",
            process_group=0,
        )
    except OSError as error:
        raise ToolMissing(argv, None, f"{argv[0]}: {error.strerror}") from error


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
        return out or b"", err or b"", False
    signal_group(process, signal.SIGKILL)
    try:
        out, err = process.communicate(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired as late:
        # A process that left the group still holds the pipes: let it have them.
        out, err = late.stdout or b"", late.stderr or b""
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    return out or b"", err or b"", False
