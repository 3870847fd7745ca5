"""Runs the commands of plans, each written down before it begins and after it ended."""

import logging
import re
import threading
from collections.abc import Iterable

from agent.errors import (
    CommandFailed,
    Interrupted,
    JournalFailed,
    command_failure,
)
from agent.journal import Journal
from agent.operation import Outcome
from agent.plan import Command, Plan
from agent.run import Runner

_log = logging.getLogger("agent.operation")


class Steps:
    """Runs commands of plans with a runner, and keeps a journal of them."""

    def __init__(self, runner: Runner, journal: Journal) -> None:
        self._runner = runner
        self._journal = journal
        self._cut_off = threading.Event()
        self._phases: dict[str, str] = {}

    def cut_off(self) -> None:
        """Begin no more steps, and stop those that run; undo commands are still run."""
        self._cut_off.set()
        self._runner.interrupt()

    def phase(self, operation: str) -> str | None:
        """What the command of an operation that runs now says that it is at."""
        return self._phases.get(operation)

    def begin(self, operation: str, index: int, command: Command) -> int:
        """Write down that a step begins; answers the number that `run` is given.

        Raises JournalFailed, and Interrupted after `cut_off`: then nothing has begun.
        """
        if self._cut_off.is_set():
            raise Interrupted(command.argv, None, "")
        return self._journal.begin_step(operation, index, command, undo=False)

    def run(self, operation: str, number: int, command: Command) -> None:
        """Run a command that was written down under that number.

        Raises the failure of the command; one that the command tolerates is none.
        """
        try:
            outcome = self._outcome(operation, command)
        except CommandFailed as error:
            # It never ran, or was killed.
            ended = Outcome(0.0, None, False, "", error.stderr, error.detail)
            self._journal.end_step(operation, number, ended)
            raise
        if outcome.ok:
            self._journal.end_step(operation, number, outcome)
        else:
            # The command's own failure says what may be undone: it comes first.
            try:
                self._journal.end_step(operation, number, outcome)
            except JournalFailed as error:
                _log.error("operation %s: %s", operation, error.detail)
            raise command_failure(command.argv, outcome.exit_code or 0, outcome.stderr)

    def undo(
        self, operation: str, plan: Plan, began: Iterable[int], *, twice: bool
    ) -> tuple[str, ...]:
        """Take steps back, newest first; answers the commands that did not succeed.

        began: the steps, by their place in the plan, from 0.
        twice: a command was killed, and the daemon behind it may have gone on with what it
            asked for until now; what is gone already is not missed by the second pass.
        """
        commands = [
            (index, command)
            for index in sorted(began, reverse=True)
            for command in plan.steps[index].undo
        ]
        for _ in range(2 if twice else 1):
            left = [
                str(command)
                for index, command in commands
                if not self._undo(operation, index, command)
            ]
        return tuple(left) if commands else ()

    def _undo(self, operation: str, index: int, command: Command) -> bool:
        try:
            try:
                self._undo_once(operation, index, command)
            except Interrupted:
                # `cut_off` stops what runs once; what it hit here has to be run all the same.
                self._undo_once(operation, index, command)
        except Exception as error:
            _log.error("operation %s: an undo failed: %s: %s", operation, command, error)
            return False
        return True

    def _undo_once(self, operation: str, index: int, command: Command) -> None:
        try:
            number = self._journal.begin_step(operation, index, command, undo=True)
        except JournalFailed as error:
            # Better taken back and not written down than left behind.
            _log.error("operation %s: %s", operation, error.detail)
            outcome = self._outcome(operation, command)
            if not outcome.ok:
                raise command_failure(
                    command.argv, outcome.exit_code or 0, outcome.stderr
                ) from None
            return
        self.run(operation, number, command)

    def _outcome(self, operation: str, command: Command) -> Outcome:
        def on_line(line: str) -> None:
            phase = re.split(r"\s{2,}|\r", line.strip())[0]
            if phase:
                self._phases[operation] = phase

        # virt-install alone has something to say before its end.
        watch = on_line if command.argv[0] == "virt-install" else None
        try:
            result = self._runner.run(command.argv, command.stdin, operation, watch)
        finally:
            self._phases.pop(operation, None)
        ok = result.exit_code == 0 or command.tolerated(result.stderr)
        return Outcome(result.seconds, result.exit_code, ok, result.stdout, result.stderr)
