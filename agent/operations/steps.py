"""Runs the steps of plans, each command written down before it begins and after it ended."""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable
from typing import BinaryIO

from agent.errors import AgentError, CommandFailed, Interrupted, JournalFailed, command_failure
from agent.operations.journal import Journal
from agent.operations.operation import DONE, Outcome
from agent.plans.plan import Plan
from agent.tools.command import Command
from agent.tools.run import Runner

_log = logging.getLogger("agent.operation")

_MOST_PRINTED = 1 << 20


class Steps:
    """Runs commands of plans with a runner, and keeps a journal of them."""

    def __init__(self, runner: Runner, journal: Journal) -> None:
        self._runner = runner
        self._journal = journal
        self._cut_off = threading.Event()
        # What virt-install has printed so far, by operation, and what curl fetches into.
        self._outputs: dict[str, BinaryIO] = {}
        self._fetched: dict[str, str] = {}
        self._lock = threading.Lock()

    def cut_off(self) -> None:
        """Begin no more steps, and stop those that run; undo commands are still run."""
        self._cut_off.set()
        self._runner.interrupt()

    def phase(self, operation: str) -> str | None:
        """What the command of an operation that runs now is at, None where it does not say."""
        fetched = self._fetched.get(operation)
        if fetched is not None:
            with contextlib.suppress(OSError):
                return f"fetched {os.stat(fetched).st_size / (1 << 20):.1f} MB"
        # It must not be closed meanwhile.
        with self._lock:
            output = self._outputs.get(operation)
            printed = b"" if output is None else os.pread(output.fileno(), _MOST_PRINTED, 0)
        lines = printed.decode("utf-8", "replace").split("\n")[:-1]
        phases = [re.split(r"\s{2,}|\r", line.strip())[0] for line in lines]
        return next(filter(None, reversed(phases)), None)

    def run(
        self,
        operation: str,
        plan: Plan,
        done: Collection[int] = (),
        on_begin: Callable[[int], None] = lambda index: None,
    ) -> None:
        """Run the steps of a plan, in order, and write down that its operation is done.

        done: the steps that are not to be run, by their place in the plan, from 0. on_begin:
        called with the place of each that is.
        Raises the failure of a step, after which no more are run, JournalFailed, and Interrupted
        after `cut_off`.
        """
        for index, step in enumerate(plan.steps):
            if index not in done:
                if self._cut_off.is_set():
                    raise Interrupted(step.command.argv, None, "")
                on_begin(index)
                self._run(operation, index, step.command, undo=False)
        self._journal.end(operation, DONE)

    def carry_out(self, operation: str, plan: Plan) -> None:
        """Run the steps of a plan, or have every one that began taken back.

        Raises as `run` does; the error's `left_behind` holds the undo commands that failed, too.
        """
        began: set[int] = set()
        try:
            self.run(operation, plan, (), began.add)
        except BaseException as error:
            left = self.undo(operation, plan, began, twice=was_killed(error))
            if isinstance(error, AgentError):
                error.left_behind = left
            raise

    def undo(
        self, operation: str, plan: Plan, began: Iterable[int], *, twice: bool
    ) -> tuple[str, ...]:
        """Take steps back, newest first; returns the commands that did not succeed.

        began: the steps, by their place in the plan, from 0.
        twice: a command was killed, and the daemon behind it may have gone on with what it
            asked for until now; what is gone already is not missed by the second pass.
        """
        commands = [
            (index, command)
            for index in sorted(began, reverse=True)
            for command in plan.steps[index].undo
        ]
        left: list[str] = []
        for _ in range(2 if twice else 1):
            left = [
                str(command)
                for index, command in commands
                if not self._undo(operation, index, command)
            ]
        return tuple(left)

    def _undo(self, operation: str, index: int, command: Command) -> bool:
        try:
            try:
                self._run(operation, index, command, undo=True)
            except Interrupted:
                # `cut_off` stops what runs once; what it hit here has to be run all the same.
                self._run(operation, index, command, undo=True)
        except Exception as error:
            _log.error("operation %s: an undo failed: %s: %s", operation, command, error)
            return False
        return True

    def _run(self, operation: str, index: int, command: Command, *, undo: bool) -> None:
        """Run one command of a step; raises its failure, unless it is one that it tolerates."""
        number = None
        try:
            number = self._journal.begin_step(operation, index, command, undo)
        except JournalFailed as error:
            if not undo:
                raise
            # Better taken back and not written down than left behind.
            _log.error("operation %s: %s", operation, error.detail)
        try:
            outcome = self._outcome(operation, command)
        except CommandFailed as error:
            # It never ran, or was killed.
            outcome = Outcome(0.0, None, False, "", error.stderr, error.detail)
            self._end(operation, number, outcome)
            raise
        self._end(operation, number, outcome)
        if not outcome.ok:
            told = outcome.error or outcome.stderr
            raise command_failure(command.argv, outcome.exit_code or 0, told)

    def _end(self, operation: str, number: int | None, outcome: Outcome) -> None:
        if number is None:
            return
        try:
            self._journal.end_step(operation, number, outcome)
        except JournalFailed as error:
            if outcome.ok:
                raise
            # The command's own failure comes first.
            _log.error("operation %s: %s", operation, error.detail)

    def _outcome(self, operation: str, command: Command) -> Outcome:
        if command.argv[0] == "virt-install":
            # In memory: the service may write to few folders.
            with open(os.memfd_create("virt-install stdout"), "w+b") as output:
                self._outputs[operation] = output
                try:
                    result = self._runner.run(command.argv, command.stdin, operation, output)
                finally:
                    with self._lock:
                        del self._outputs[operation]
        elif "--output" in command.argv:
            self._fetched[operation] = command.argv[command.argv.index("--output") + 1]
            try:
                result = self._runner.run(command.argv, command.stdin, operation)
            finally:
                del self._fetched[operation]
        else:
            result = self._runner.run(command.argv, command.stdin, operation)
        ok = command.succeeded(result)
        error = None
        if not ok and result.exit_code == 0:
            error = f"it printed {result.stdout.strip()!r}, not {command.expects!r}"
        return Outcome(result.seconds, result.exit_code, ok, result.stdout, result.stderr, error)


def was_killed(error: BaseException) -> bool:
    """Whether the daemon behind a command may still be at work on what it asked for."""
    return isinstance(error, CommandFailed) and error.exit_code is None
