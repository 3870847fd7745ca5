"""Carries changes out: a plan is run whole, or what it made is taken back."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import AgentError, CommandFailed, Interrupted, Stopping, command_failure
from agent.locks import Claim, Locks
from agent.plan import Command, Plan, Step
from agent.run import Runner

_log = logging.getLogger("agent.operation")


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a client asks for.

    claims: the names that it needs while it runs.
    plan: reads the facts and builds the plan, or raises because the change cannot be.
    answer: reads what the client is told once the plan has run.
    """

    claims: tuple[Claim, ...]
    plan: Callable[[], Plan]
    answer: Callable[[], Any]


class Executor:
    """Runs changes, at most one for a name at a time."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._locks = Locks()
        self._idle = threading.Condition()
        self._active = 0
        self._closed = False
        self._cut_off = False

    def perform(self, change: Change, operation: str) -> Any:
        """Plan a change, carry it out, and answer what its client is told.

        operation: the id that errors, logs and a second client are given.
        Raises Busy when another operation holds one of its names, Stopping when the agent
        is on its way down, what the plan's facts say against it, or the failure of a step
        once everything that the plan had made was taken back.
        """
        with self._idle:
            if self._closed:
                raise Stopping("the agent is stopping; ask again when it is back")
            self._active += 1
        try:
            with self._locks.hold(change.claims, operation):
                plan = change.plan()
                _log.info("operation %s begins: %s", operation, plan.does)
                self.execute(plan)
                _log.info("operation %s is done: %s", operation, plan.does)
                return change.answer()
        except AgentError as error:
            _log.info("operation %s ends: %s", operation, error.detail)
            raise
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def execute(self, plan: Plan) -> None:
        """Run a plan step by step; on a failure undo every step that began, newest first.

        Raises the failure. Its `left_behind` holds the undo commands that failed as well.
        """
        began: list[Step] = []
        try:
            for step in plan.steps:
                if self._cut_off:
                    raise Interrupted(step.command.argv, None, "")
                began.append(step)
                self._run(step.command)
        except BaseException as error:
            if isinstance(error, CommandFailed) and began and _taken(began[-1], error):
                began.pop()
            left = self._undo(began)
            if isinstance(error, AgentError):
                error.left_behind = left
            raise

    def drain(self, seconds: float) -> bool:
        """Take no more changes, and wait for those that run to end.

        seconds: how long they may go on; then their commands are stopped and what they
            had made is taken back, for which they are given as long again.
        Answers whether all of them ended.
        """
        with self._idle:
            self._closed = True
            if self._active:
                _log.info("waiting for %d operations to end", self._active)
            if self._idle.wait_for(lambda: not self._active, seconds):
                return True
            self._cut_off = True
        _log.warning("operations still run after %g s: taking them back", seconds)
        self._runner.interrupt()
        with self._idle:
            return self._idle.wait_for(lambda: not self._active, seconds)

    def _run(self, command: Command) -> None:
        result = self._runner.run(command.argv, command.stdin)
        _log.info("%.3f s, exit %d: %s", result.seconds, result.exit_code, command)
        if result.exit_code != 0 and not any(t in result.stderr for t in command.tolerates):
            raise command_failure(command.argv, result.exit_code, result.stderr)

    def _undo(self, began: Sequence[Step]) -> tuple[str, ...]:
        """Take the steps back, newest first; answers the commands that did not succeed."""
        left = []
        for command in (command for step in reversed(began) for command in step.undo):
            try:
                try:
                    self._run(command)
                except Interrupted:
                    # `drain` stops what runs once; what it hit here has to be run all the same.
                    self._run(command)
            except Exception as error:
                _log.error("an undo failed and has to be done by hand: %s: %s", command, error)
                left.append(str(command))
        return tuple(left)


def _taken(step: Step, error: CommandFailed) -> bool:
    return any(text in error.stderr for text in step.taken)
