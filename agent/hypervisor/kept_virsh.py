"""A few virsh processes that stay connected and answer reads: starting one costs 20 ms."""

import contextlib
import fcntl
import logging
import math
import os
import re
import secrets
import select
import subprocess
import threading
import time
from collections.abc import Generator, Sequence

from agent.config import Config
from agent.errors import CommandTimeout, Interrupted, OutOfReach, command_failure
from agent.tools.command import Result
from agent.tools.run import Runner

_log = logging.getLogger("agent.command")

# Text that needs no quoting, nor means anything to the line editor that virsh reads stdin with.
# Anything else, such as the name of a volume that somebody made by hand, is no line for a
# process that others are answered by.
_PLAIN = re.compile(r"[A-Za-z0-9@%+=:,./_; -]+")
# What virsh says by itself, where it goes on.
_DISCONNECTED = re.compile(
    r"^error: (Disconnected from|Reconnected to|Failed to reconnect)", re.MULTILINE
)
_ENVIRONMENT = {
    # virsh writes what it was asked over its user's own history when it ends: to nowhere.
    "XDG_CACHE_HOME": "/dev/null",
    "VIRSH_HISTSIZE": "0",
    # Nor may its user's key bindings have a say in how a line is read.
    "INPUTRC": "/dev/null",
}
# How long a request waits for a process that is busy, before it gets one of its own.
_BUSY_SECONDS = 0.5
_AGAIN_SECONDS = 0.1
# One argument of a process has at most half as much, so that whatever is asked is written at once.
_PIPE_BYTES = 1 << 18
_CHUNK_BYTES = 1 << 16


class Unusable(Exception):
    """No kept process can be relied on for what was asked: a virsh of its own is to be run."""


class Process:
    """One virsh that takes its commands on stdin; it starts when it is asked something.

    It prints a prompt and the command on stdout before each answer, and what it prints on
    stdout and stderr has nothing that tells where an answer ends. So a line of a new mark on
    both comes before and after what is asked. virsh gives up a line at a command that it cannot
    parse, so the last mark has its own line of input.

    Its stdout is a file in memory: it writes each line by itself, and a pipe would wake the
    agent for every one. When the last mark has come on stderr, stdout is whole.

    After `receive` raised it has to be closed. command: its argv. token: see `Runner.open`.
    argv, began: what it was asked last, as a virsh of its own would be, and when, on the
    monotonic clock.
    """

    def __init__(self, runner: Runner, command: Sequence[str], token: str) -> None:
        self._runner = runner
        self._command = command
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        self._stdin = self._stdout = self._stderr = -1
        self._mark = ""
        self._is_sent = False
        self.argv: Sequence[str] = ()
        self.began = 0.0

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not closed since."""
        return self._process is not None

    def close(self) -> bool:
        """Kill it, if it runs; returns whether `Runner.interrupt` did before."""
        process, self._process = self._process, None
        if process is None:
            return False
        os.close(self._stdout)
        return self._runner.close(process)

    def send(self, argv: Sequence[str]) -> None:
        """Give it the commands of another virsh, of which `receive` has the answer.

        argv: its last element is the commands, in printable ASCII. Raises ToolMissing when it
        cannot be started.
        """
        if self._process is None:
            self._start()
        self.argv, self.began = argv, time.monotonic()
        # Short, since virsh reads its input a character at a time.
        mark = self._mark = secrets.token_hex(5)
        # `echo --err` prints an empty line on stdout, which is no part of the answer.
        asked = f"echo --err {mark}+; echo {mark}+; {argv[-1]}; echo {mark}-\necho --err {mark}-\n"
        try:
            self._is_sent = os.write(self._stdin, asked.encode()) == len(asked)
        except OSError:
            self._is_sent = False

    def receive(self, limit: float) -> Result:
        """What the commands printed.

        limit: in seconds since they were sent; raises CommandTimeout past it. Raises Unusable
        when virsh ended, or printed anything on stderr before or after the answer.
        """
        if not self._is_sent:
            raise Unusable("virsh has ended")
        begin, end = f"error: {self._mark}+\n".encode(), f"error: {self._mark}-\n".encode()
        poll = select.poll()
        poll.register(self._stderr, select.POLLIN)
        told = b""
        # Not all of `end`: virsh may say in the middle of it that it has lost libvirt.
        while f"{self._mark}-\n".encode() not in told:
            left = self.began + limit - time.monotonic()
            if left <= 0:
                _log.warning("past its limit of %g s, killed: %s", limit, self.argv)
                raise CommandTimeout(self.argv, limit, _text(told.removeprefix(begin)))
            if poll.poll(left * 1000):
                chunk = os.read(self._stderr, _CHUNK_BYTES)
                if not chunk:
                    raise Unusable("virsh has ended")
                told += chunk
        printed = os.pread(self._stdout, os.fstat(self._stdout).st_size, 0)
        os.ftruncate(self._stdout, 0)
        # The prompt is on stdout; on stderr virsh only ever says by itself what is wrong.
        _, begun, rest = printed.partition(f"\n{self._mark}+\n".encode())
        answer, ended, _ = rest.partition(f"{self._mark}-\n".encode())
        if not (begun and ended and told.startswith(begin) and told.endswith(end)):
            raise Unusable("virsh said something of its own")
        seconds = time.monotonic() - self.began
        errors = _text(told[len(begin) : -len(end)])
        return Result(tuple(self.argv), 0, _text(answer), errors, seconds)

    def _start(self) -> None:
        self._stdout = os.memfd_create("virsh stdout")
        try:
            # Appended to, so that it can be emptied after each answer.
            fcntl.fcntl(self._stdout, fcntl.F_SETFL, os.O_APPEND)
            process = self._runner.open(self._command, self._stdout, self._token, _ENVIRONMENT)
        except BaseException:
            os.close(self._stdout)
            raise
        self._process = process
        if process.stdin is None or process.stderr is None:
            raise ValueError("a process without pipes")
        self._stdin, self._stderr = process.stdin.fileno(), process.stderr.fileno()
        # A user who has very many pipes already gets no larger ones.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._stdin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


class KeptVirsh:
    """Runs batches of reads in virsh processes that are kept.

    Whatever is odd about an answer, the process is killed, the answer thrown away, and the
    same command run in a virsh of its own, whose answer or failure it is then. A libvirtd
    that answered before and is out of reach is asked again for a few seconds: it may only
    be restarting.

    idle_seconds: how long a process that nobody needs is kept. patience_seconds: how long a
    libvirtd that answered before is asked again. most: how many processes are kept.
    """

    def __init__(
        self,
        runner: Runner,
        config: Config,
        idle_seconds: float = 30.0,
        # libvirtd is away for a second or two when it is restarted.
        patience_seconds: float = 8.0,
    ) -> None:
        self._runner = runner
        # By which the next agent finds those of one that was killed.
        self.token = f"virsh of {config.state_dir}"
        self._idle_seconds = idle_seconds
        self._patience_seconds = patience_seconds
        command = ("virsh", f"--connect={config.libvirt_uri}")
        # Those that run are at the end, and taken first.
        self.most = config.warm_virsh
        self._free = [Process(runner, command, self.token) for _ in range(self.most)]
        self._given_back = threading.Condition()
        self._timer: threading.Timer | None = None
        self._closed = threading.Event()
        # Since when libvirt is out of reach, None while it is not.
        self._away_since: float | None = -math.inf

    def run(self, argv: Sequence[str]) -> Result:
        """Run a batch of reads, as `Virsh.batch` makes it; raises what `Runner.run` does."""
        while True:
            try:
                (result,) = self.run_at_once([argv], _BUSY_SECONDS)
            except Unusable:
                result = self._runner.run(argv)
            # A read that somebody killed is as good as one that found no libvirt.
            if result.exit_code >= 0 and not _is_out_of_reach(result):
                self._away_since = None
                return result
            if not self._is_worth_another_try():
                return result

    def run_each(self, argvs: Sequence[Sequence[str]]) -> Generator[Result, None, None]:
        """Run batches of reads, at the same time where that can be; yields what each printed.

        argvs: as of `run_at_once`. Raises what `run` does.
        """
        done = 0
        with (
            contextlib.suppress(Unusable),
            contextlib.closing(self.run_at_once(argvs)) as results,
        ):
            for result in results:
                yield result
                done += 1
        for argv in argvs[done:]:
            yield self.run(argv)

    def run_at_once(
        self, argvs: Sequence[Sequence[str]], seconds: float = 0.0
    ) -> Generator[Result, None, None]:
        """Run batches of reads at the same time, in a process each; yields what each printed.

        argvs: best with the one that takes longest at the end. seconds: how long to wait for so
        many processes. Raises Unusable when they are not to be had, or one cannot be relied on:
        then `run` is to be asked. Raises what that does.
        """
        if not all(_PLAIN.fullmatch(argv[-1]) for argv in argvs):
            raise Unusable("a text that needs quoting")
        # Not while libvirt is away: whoever asks then would start that many for nothing.
        if len(argvs) > 1 and self._away_since is not None:
            raise Unusable("libvirt is out of reach")
        with self._given_back:
            enough = self._given_back.wait_for(lambda: len(self._free) >= len(argvs), seconds)
            if not enough or self._closed.is_set():
                raise Unusable("too few processes are free")
            taken = [self._free.pop() for _ in argvs]
        try:
            # What is read last is sent first: it is what takes longest.
            for process, argv in reversed([*zip(taken, argvs, strict=True)]):
                process.send(argv)
            while taken:
                yield self._receive(taken.pop(0))
        finally:
            for process in taken:
                process.close()
                self._give_back(process)

    def close(self) -> None:
        """End the processes; from now on every batch has a virsh of its own."""
        self._closed.set()
        self._end_idle(0)

    def _receive(self, process: Process) -> Result:
        """The answer to what was sent, with which the process is given back."""
        # Once it is given back, somebody else may ask it something.
        argv, outcome = process.argv, "lost"
        try:
            result = process.receive(self._runner.limit(("virsh",)))
            if _DISCONNECTED.search(result.stderr) or _is_out_of_reach(result):
                raise Unusable("virsh has lost libvirt")
            outcome = "ok"
            self._away_since = None
        except CommandTimeout:
            outcome = "timeout"
            raise
        except Unusable as unusable:
            _log.info("a kept virsh is replaced: %s", unusable)
            raise
        finally:
            if outcome != "ok" and process.close():
                outcome = "interrupted"
            # virsh returns 0 when its input ends, whatever came of what it was asked.
            code = 0 if outcome == "ok" else None
            self._runner.ended(argv, process.began, outcome, code)
            self._give_back(process)
            if outcome == "interrupted":
                raise Interrupted(argv, None, "")
        return result

    def _give_back(self, process: Process) -> None:
        with self._given_back:
            self._free.insert(len(self._free) if process.is_running else 0, process)
            self._given_back.notify()
            self._watch_idle()
        if self._closed.is_set():
            self._end_idle(0)

    def _watch_idle(self) -> None:
        """Have the processes that are free ended in time; with the lock of `_given_back`."""
        if self._timer is None and any(process.is_running for process in self._free):
            arguments = (self._idle_seconds,)
            self._timer = threading.Timer(self._idle_seconds, self._end_idle, arguments)
            self._timer.daemon = True
            self._timer.start()

    def _end_idle(self, seconds: float) -> None:
        """End the processes that nobody has asked anything for so long."""
        with self._given_back:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            limit = time.monotonic() - seconds
            ended = [each for each in self._free if each.is_running and each.began <= limit]
            self._free = [each for each in self._free if each not in ended]
            self._watch_idle()
        for process in ended:
            process.close()
            self._give_back(process)

    def _is_worth_another_try(self) -> bool:
        """Whether to ask a libvirtd again that is out of reach; waits a little if so."""
        now = time.monotonic()
        since = self._away_since
        if since is None:
            since = self._away_since = now
        return now < since + self._patience_seconds and not self._closed.wait(_AGAIN_SECONDS)


def _is_out_of_reach(result: Result) -> bool:
    return type(command_failure(result.argv, result.exit_code, result.stderr)) is OutOfReach


def _text(printed: bytes) -> str:
    return printed.decode("utf-8", "replace")
