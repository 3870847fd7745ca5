"""Runs the commands of plans, each written down before it begins and after it ended."""

import logging
import re
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from typing import Any

from agent.errors import (
    CommandFailed,
    Interrupted,
    JournalFailed,
    command_failure,
)
from agent.operations import leftovers
from agent.operations.journal import Journal
from agent.operations.operation import Outcome
from agent.operations.ownership import Ownership
from agent.plans.plan import Plan
from agent.tools.command import Command
from agent.tools.commands.virsh import makes_volume
from agent.tools.records import Records
from agent.tools.run import Runner

_log = logging.getLogger("agent.operation")

_UNHEARD = "the agent ended before it did; this is what it said"


class Steps:
    """Runs commands of plans with a runner, and keeps a journal of them.

    records: where those that make what goes by its name alone say how they end.
    """

    def __init__(self, runner: Runner, journal: Journal, records: Records | None = None) -> None:
        self._runner = runner
        self._journal = journal
        self._records = records
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
            outcome = self._outcome(operation, command, number)
        except CommandFailed as error:
            # It never ran, or was killed.
            ended = Outcome(0.0, None, False, "", error.stderr, error.detail)
            self._end(operation, number, ended)
            raise
        if outcome.ok:
            self._end(operation, number, outcome)
        else:
            # The command's own failure says what may be undone: it comes first.
            try:
                self._end(operation, number, outcome)
            except JournalFailed as error:
                _log.error("operation %s: %s", operation, error.detail)
            raise command_failure(command.argv, outcome.exit_code or 0, outcome.stderr)

    def keep_records(self, operations: Collection[str]) -> None:
        """Forget what commands of all other operations said."""
        if self._records is not None:
            self._records.keep_only(operations)

    def let_end(self, operation: str) -> None:
        """Give the commands of the agent before this one a moment, if they are to say their end."""
        records = self._records
        if records is not None and records.awaited(operation):
            leftovers.let_end(operation, lambda: records.awaited(operation))

    def recall(self, found: dict[str, Any]) -> dict[str, Any]:
        """Write down how commands ended that the agent before this one did not live to hear.

        found: an operation as the journal has it, of which nothing runs any more. Answers it as
        the journal has it then.
        """
        if self._records is None:
            return found
        operation = found["id"]
        for number, command in enumerate(found["commands"]):
            out, err = self._records.said(operation, number)
            if command["ok"] is None and (out or err):
                # A virsh that failed says nothing but a newline on stdout.
                ended = Outcome(0.0, None, bool(out.strip()), out, err, _UNHEARD)
                self._journal.end_step(operation, number, ended)
            self._records.forget(operation, number)
        return self._journal.get(operation) or found

    def ownership(self, found: dict[str, Any], *, seen: bool) -> Ownership:
        """Tells what recovery may delete of an operation, as the journal has it.

        seen: this agent has run it, and saw libvirt hang where it did.
        """
        seconds = None if seen else self._runner.limit("virsh")
        return Ownership(self._runner, found["commands"], found["began"], seconds)

    def undo(
        self,
        operation: str,
        plan: Plan,
        began: Iterable[int],
        *,
        twice: bool,
        spares: Callable[[int, Command], bool] = lambda index, command: False,
    ) -> tuple[str, ...]:
        """Take steps back, newest first; answers the commands that did not succeed.

        began: the steps, by their place in the plan, from 0.
        twice: a command was killed, and the daemon behind it may have gone on with what it
            asked for until now; what is gone already is not missed by the second pass.
        spares: told a step and a command of its undo, whether that must not run.
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
                if not self._undo(operation, index, command, spares)
            ]
        return tuple(left) if commands else ()

    def _undo(
        self, operation: str, index: int, command: Command, spares: Callable[[int, Command], bool]
    ) -> bool:
        try:
            if spares(index, command):
                return True
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

    def _end(self, operation: str, number: int, outcome: Outcome) -> None:
        self._journal.end_step(operation, number, outcome)
        if self._records is not None:
            self._records.forget(operation, number)

    def _outcome(self, operation: str, command: Command, number: int | None = None) -> Outcome:
        def on_line(line: str) -> None:
            phase = re.split(r"\s{2,}|\r", line.strip())[0]
            if phase:
                self._phases[operation] = phase

        # virt-install alone has something to say before its end.
        watch = on_line if command.argv[0] == "virt-install" else None
        recorded = (
            self._records.open(operation, number)
            if self._records is not None and number is not None and makes_volume(command)
            else nullcontext()
        )
        try:
            with recorded as record:
                result = self._runner.run(command.argv, command.stdin, operation, watch, record)
        finally:
            self._phases.pop(operation, None)
        ok = result.exit_code == 0 or command.tolerated(result.stderr)
        return Outcome(result.seconds, result.exit_code, ok, result.stdout, result.stderr)
