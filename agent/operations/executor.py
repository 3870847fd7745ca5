"""Carries changes out: a plan is run whole, or what it made is taken back."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from agent.errors import AgentError, CommandFailed, Interrupted, JournalFailed, Stopping, TooMany
from agent.operations import leftovers, trace
from agent.operations.admission import Admission
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.operation import (
    DONE,
    FAILED,
    RUNNING,
    UNDONE,
    UNSETTLED,
    WAITING,
    Asked,
    Change,
    told,
)
from agent.operations.steps import Steps
from agent.operations.turns import Ticket, Turns
from agent.plans.plan import Plan

_log = logging.getLogger("agent.operation")

# Each that is asked for with respond-async has a thread and, with a host, a virt-install.
_MOST_AT_ONCE = 64


class Executor:
    """Runs changes, at most one for a name at a time, and settles those that were cut off.

    locks: shared with whoever settles operations.
    unsettled: called with the id of an operation that could not be taken back, or not be
        written down as such; its names stay held.
    installs: called when an install goes on after an operation.
    turns: of the changes that make something; None for no bound.
    """

    def __init__(
        self,
        steps: Steps,
        journal: Journal,
        locks: Locks,
        unsettled: Callable[[str], None],
        installs: Callable[[], None],
        turns: Turns | None = None,
    ) -> None:
        self._steps = steps
        self._journal = journal
        self._locks = locks
        self._unsettled = unsettled
        self._installs = installs
        self._turns = turns or Turns(_MOST_AT_ONCE, _MOST_AT_ONCE)
        self._admission = Admission()

    def perform(self, change: Change, operation: str, asked: Asked) -> Any:
        """Plan a change, carry it out, and answer what its client is told.

        operation: the id that the journal, errors, logs and a second client are given.
        Raises Busy when another operation holds one of its names, TooMany when too many wait
        for their turn, Stopping when the agent is on its way down, JournalFailed when it cannot
        be written down, what the facts say against it, or the failure of a step once everything
        that the plan had made was taken back.
        """
        with trace.operation(operation), self._admission.admitted():
            plan, turn = self._begin(change, operation, asked)
            self._carry_out(operation, plan, turn)
            try:
                return change.answer()
            except AgentError as error:
                # It is done all the same, and a failure would tell its client that it is not.
                _log.warning("operation %s is done, but not shown: %s", operation, error.detail)
                return {"name": change.claims[0].name, "operation": operation}
            finally:
                # Not before: what the client is told is what its own change came to.
                self._locks.release(operation)

    def submit(self, change: Change, operation: str, asked: Asked) -> None:
        """Plan a change and have it carried out by a thread; raises as `perform` does before.

        What comes of it is in the journal.
        """
        self._admission.enter()
        try:
            if self._admission.active > _MOST_AT_ONCE:
                raise TooMany(f"{_MOST_AT_ONCE} operations run already; ask again later")
            with trace.operation(operation):
                plan, turn = self._begin(change, operation, asked)
                # For the log to say what the thread is at work for.
                context = contextvars.copy_context()
        except BaseException:
            self._admission.leave()
            raise

        def run() -> None:
            try:
                self._carry_out(operation, plan, turn)
                self._locks.release(operation)
            except AgentError:
                pass  # it is in the journal and in the log
            except Exception:
                _log.exception("operation %s: unforeseen error", operation)
            finally:
                self._admission.leave()

        try:
            name = f"operation {operation}"
            threading.Thread(target=context.run, args=(run,), name=name).start()
        except RuntimeError:
            self._locks.release(operation)
            self._leave_turn(turn)
            self._admission.leave()
            raise

    def suspend(self, refusal: AgentError) -> None:
        """Take no more changes until `resume`: each is refused with that error."""
        self._admission.suspend(refusal)

    def resume(self) -> None:
        """Take changes again after `suspend`; after `drain` none are taken any more."""
        self._admission.resume()

    def phase(self, operation: str) -> str | None:
        """What an operation that runs now is at, in its command's own words."""
        return self._steps.phase(operation)

    @property
    def active(self) -> int:
        """How many changes are being planned or carried out."""
        return self._admission.active

    def drain(self, seconds: float) -> bool:
        """Take no more changes, and wait for those that run to end.

        seconds: how long they may go on; then their commands are stopped and what they
            had made is taken back, for which they are given as long again.
        Answers whether all of them ended.
        """
        self._admission.suspend(Stopping("the agent is stopping; ask again when it is back"))
        self._turns.close("the agent is stopping, and nothing was done; ask again when it is back")
        if active := self._admission.active:
            _log.info("waiting for %d operations to end", active)
        if self._admission.idle(seconds):
            return True
        _log.warning("operations still run after %g s: taking them back", seconds)
        self._steps.cut_off()
        return self._admission.idle(seconds)

    def _begin(self, change: Change, operation: str, asked: Asked) -> tuple[Plan, Ticket | None]:
        """Hold the names, make the plan and write it down; answers it, and its ticket to a turn.

        Before its turn has come: what is refused is refused at once, and who waits can be seen.
        """
        self._locks.hold(change.claims, operation)
        turn = None
        try:
            turn = self._turns.enter() if change.makes else None
            plan = change.plan()
            waits = turn is not None and turn.waited
            self._journal.begin(operation, asked, plan, WAITING if waits else RUNNING)
        except BaseException:
            self._leave_turn(turn)
            self._locks.release(operation)
            raise
        _log.info("operation %s %s: %s", operation, "waits" if waits else "begins", plan.does)
        return plan, turn

    def _wait(self, operation: str, turn: Ticket) -> None:
        """Wait for the turn of an operation; raises Stopping, JournalFailed."""
        self._turns.wait(turn)
        self._journal.run(operation)
        _log.info("operation %s begins, its turn has come", operation)

    def _leave_turn(self, turn: Ticket | None) -> None:
        if turn is not None:
            self._turns.leave(turn)

    def _carry_out(self, operation: str, plan: Plan, turn: Ticket | None = None) -> None:
        """Run a plan in its turn, and give that to the next one; raises as `_run` does."""
        try:
            self._run(operation, plan, turn)
        finally:
            self._leave_turn(turn)

    def _run(self, operation: str, plan: Plan, turn: Ticket | None) -> None:
        """Run a plan step by step; on a failure undo every step that began, newest first.

        Its names stay held when it was run whole, and are let go when it was taken back.
        Raises the failure. Its `left_behind` holds the undo commands that failed as well.
        """
        began = 0
        since, started = time.time(), time.monotonic()
        try:
            if turn is not None and turn.waited:
                self._wait(operation, turn)
                since, started = time.time(), time.monotonic()
            for index, step in enumerate(plan.steps):
                number = self._steps.begin(operation, index, step.command)
                began = index + 1
                self._steps.run(operation, number, step.command)
            self._journal.end(operation, DONE)
        except BaseException as error:
            said = error.stderr if isinstance(error, CommandFailed) else ""
            if began and plan.steps[began - 1].found_taken(said):
                began -= 1
            self._take_back(operation, plan, began, error)
            if _was_killed(error):
                # When it began by the clock of then and of now, which may have been set back.
                remove_since = min(since, time.time() - (time.monotonic() - started))
                leftovers.remove_fetched(remove_since)
            raise
        if plan.install is not None:
            self._installs()
        _log.info("operation %s is done: %s", operation, plan.does)

    def _take_back(self, operation: str, plan: Plan, began: int, error: BaseException) -> None:
        left = self._steps.undo(operation, plan, range(began), twice=_was_killed(error))
        if left:
            status = UNSETTLED
        elif any(step.undo for step in plan.steps):
            status = UNDONE
        elif isinstance(error, Interrupted) and not plan.leave:
            # The next start carries a delete on that this one's end cut off.
            status = UNSETTLED
        else:
            status = FAILED
        if isinstance(error, AgentError):
            error.left_behind = left
        settled = not left
        try:
            self._journal.end(operation, status, told(error))
        except JournalFailed as failure:
            # The next start would take it back once more: until the journal knows that it
            # ended, nobody else may make anything of that name.
            settled = False
            _log.error("operation %s: %s", operation, failure.detail)
        if not settled:
            self._unsettled(operation)
        else:
            self._locks.release(operation)
        _log.info("operation %s is %s: %s", operation, status, error)


def _was_killed(error: BaseException) -> bool:
    """Whether the daemon behind a command may still be at work on what it asked for."""
    return isinstance(error, CommandFailed) and error.exit_code is None
