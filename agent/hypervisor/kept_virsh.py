"""A few virsh processes that stay connected and answer reads: starting one costs 20 ms."""

import itertools
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.config import Config
from agent.errors import CommandTimeout, Interrupted, OutOfReach, command_failure
from agent.hypervisor.conversation import Conversation, Late, Lost
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

T = TypeVar("T")


@dataclass(slots=True)
class _Idle:
    conversation: Conversation
    since: float


class Warm:
    """Runs batches of reads in virsh processes that are kept.

    Whatever is odd about an answer, the process is killed, the answer thrown away, and the
    same command run in a virsh of its own, whose answer or failure it is then. A libvirtd
    that answered before and is out of reach is asked again for a few seconds: it may only
    be restarting.

    idle_seconds: how long a process that nobody needs is kept. patience_seconds: how long a
    libvirtd that answered before is asked again.
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
        self._argv = ("virsh", f"--connect={config.libvirt_uri}")
        self._most = config.warm_virsh
        # A new one each time, of which nobody can know the beginning.
        self._marks = itertools.count()
        self._secret = f"{secrets.token_hex(5)}."
        self._idle_seconds = idle_seconds
        self._patience_seconds = patience_seconds
        # By which the next agent finds those of one that was killed.
        self.token = f"virsh of {config.state_dir}"
        lock = threading.RLock()
        self._condition = threading.Condition(lock)
        # Apart, so that a process that is free wakes somebody who waits for one.
        self._freed = threading.Condition(lock)
        self._idle: list[_Idle] = []
        self._busy = 0
        self._reaper: threading.Thread | None = None
        self._closed = False
        self._in_reach = False
        self._patient_until = 0.0

    def run(self, argv: Sequence[str], stdin: str | None = None) -> Result:
        """Run a batch of reads, as `Virsh.batch` makes it; it raises what `Runner.run` does."""
        while True:
            result = self._ask(argv) if self._suits(argv, stdin) else None
            if result is None:
                result = self._runner.run(argv, stdin)
            # A read that somebody killed is as good as one that found no libvirt.
            if result.exit_code >= 0 and not _out_of_reach(argv, result):
                with self._condition:
                    self._in_reach = True
                return result
            if not self._is_patient():
                return result

    def together(
        self, asked: Sequence[tuple[Sequence[str], Callable[[Result], T]]]
    ) -> list[T] | None:
        """Run reads at the same time, in a process each, and read each as soon as it is there.

        asked: the argv of each, whose last is a line for virsh, and what reads its answer; best
        with the one that takes longest at the end.
        None when so many processes are not to be had at once, or one cannot be relied on:
        then `run` is to be asked. Raises what `run` and those who read the answers do.
        """
        if not all(self._suits(argv, None) for argv, _ in asked):
            return None
        # Not while libvirt is away: whoever asks then would start that many for nothing.
        left = self._take(len(asked)) if self._in_reach else []
        if not left:
            return None
        began = time.monotonic()
        told = []
        try:
            # What is read last is sent first: it is what takes longest.
            for conversation, (argv, _) in reversed([*zip(left, asked, strict=True)]):
                self._send(conversation, argv[-1])
            for argv, read in asked:
                result = self._hear(left.pop(0), argv, began)
                if result is None:
                    return None
                told.append(read(result))
        finally:
            for conversation in left:
                self._give_back(conversation, good=False)
        return told

    def close(self) -> None:
        """End the processes; from now on every batch has a virsh of its own."""
        with self._condition:
            self._closed = True
            ended, self._idle = self._idle, []
            self._condition.notify_all()
            self._freed.notify_all()
        for idle in ended:
            idle.conversation.close()

    def _suits(self, argv: Sequence[str], stdin: str | None) -> bool:
        *before, text = argv
        return tuple(before) == self._argv and stdin is None and bool(_PLAIN.fullmatch(text))

    def _is_patient(self) -> bool:
        """Whether to ask a libvirtd again that is out of reach; waits a little if so."""
        with self._condition:
            now = time.monotonic()
            if self._in_reach:
                self._in_reach = False
                self._patient_until = now + self._patience_seconds
            if self._closed or now >= self._patient_until:
                return False
            self._condition.wait_for(lambda: self._closed, _AGAIN_SECONDS)
            return True

    def _ask(self, argv: Sequence[str]) -> Result | None:
        """Ask one of the processes; None when none is to be had, or it cannot be relied on.

        Raises CommandTimeout, Interrupted.
        """
        with self._condition:
            self._freed.wait_for(lambda: self._closed or self._busy < self._most, _BUSY_SECONDS)
        taken = self._take(1)
        if not taken:
            return None
        began = time.monotonic()
        self._send(taken[0], argv[-1])
        return self._hear(taken[0], argv, began)

    def _send(self, conversation: Conversation, text: str) -> None:
        conversation.send(text, f"{self._secret}{next(self._marks)}")

    def _hear(self, conversation: Conversation, argv: Sequence[str], began: float) -> Result | None:
        """The answer to what was sent, with which the process is given back; as `_ask`."""
        limit = self._runner.limit("virsh")
        good = False
        interrupted = False
        outcome = "lost"
        try:
            stdout, stderr = conversation.receive(began + limit)
            result = Result(tuple(argv), 0, stdout, stderr, time.monotonic() - began)
            good = not _DISCONNECTED.search(stderr) and not _out_of_reach(argv, result)
            outcome = "ok" if good else "lost"
        except Late as late:
            outcome = "timeout"
            _log.warning("past its limit of %g s, killed: %s", limit, argv)
            raise CommandTimeout(argv, limit, late.stderr) from late
        except Lost as lost:
            _log.info("a kept virsh is replaced: %s", lost.detail)
        finally:
            interrupted = self._give_back(conversation, good)
            # virsh says 0 when its input ends, whatever came of what it was asked.
            code = 0 if good else None
            self._runner.ended(argv, began, "interrupted" if interrupted else outcome, code)
        if interrupted:
            raise Interrupted(argv, None, "")
        return result if good else None

    def _take(self, count: int) -> list[Conversation]:
        """Processes of one's own until `_give_back`, idle ones or new; none if too few are free."""
        with self._condition:
            if self._closed or self._most - self._busy < count:
                return []
            self._busy += count
            kept = min(count, len(self._idle))
            taken = [self._idle.pop().conversation for _ in range(kept)]
        try:
            while len(taken) < count:
                taken.append(Conversation(self._runner, self._argv, self.token, _ENVIRONMENT))
        except BaseException:
            for conversation in taken:
                self._give_back(conversation, good=True)
            for _ in range(count - len(taken)):
                self._free()
            raise
        return taken

    def _give_back(self, conversation: Conversation, good: bool) -> bool:
        """Keep a process, or kill it; answers whether it was killed since the agent stops."""
        kept = False
        with self._condition:
            self._in_reach = self._in_reach or good
            if good and not self._closed:
                kept = True
                self._idle.append(_Idle(conversation, time.monotonic()))
                if self._reaper is None:
                    self._reaper = threading.Thread(target=self._reap, name="virsh", daemon=True)
                    self._reaper.start()
        try:
            return not kept and conversation.close()
        finally:
            self._free()

    def _free(self) -> None:
        with self._condition:
            self._busy -= 1
            self._freed.notify()

    def _reap(self) -> None:
        """End processes that nobody has needed for a while, until there are none."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed, self._idle_seconds)
                oldest = time.monotonic() - self._idle_seconds
                ended = [idle for idle in self._idle if idle.since <= oldest]
                self._idle = [idle for idle in self._idle if idle.since > oldest]
                if self._closed or not (self._idle or self._busy):
                    self._reaper = None
            for idle in ended:
                idle.conversation.close()
            with self._condition:
                if self._reaper is not threading.current_thread():
                    return


def _out_of_reach(argv: Sequence[str], result: Result) -> bool:
    return type(command_failure(argv, result.exit_code, result.stderr)) is OutOfReach
