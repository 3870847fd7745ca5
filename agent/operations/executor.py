"""Carries changes out: a plan is run whole, or what it made is taken back."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from agent.errors import AgentError, Interrupted, JournalFailed, Stopping
from agent.operations import leftovers, trace
from agent.operations.admission import Admission
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.operation import (
    FAILED,
    RUNNING,
    UNDONE,
    UNSETTLED,
    WAITING,
    Change,
    Request,
    error_json,
)
from agent.operations.steps import Steps, was_killed
from agent.plans.plan import Plan
from agent.tools.masking import masked_error

_log = logging.getLogger("agent.operation")

# Each that nobody waits for has a thread of its own and, with a host, a virt-install.
_MOST_SUBMITTED = 64


class Executor:
    """Runs changes, at most one for a name at a time.

    locks: shared with whoever settles operations.
    unsettled: called with the id of an operation that could not be taken back, or not be
        written down as such; its names stay held.
    installs: called when an install goes on after an operation.
    admission: lets them in, and bounds how many make something at once.
    """

    def __init__(
        self,
        steps: Steps,
        journal: Journal,
        locks: Locks,
        unsettled: Callable[[str], None],
        installs: Callable[[], None],
        admission: Admission,
    ) -> None:
        self._steps = steps
        self._journal = journal
        self._locks = locks
        self._unsettled = unsettled
        self._installs = installs
        self._admission = admission

    def perform(self, change: Change, operation: str, request: Request) -> Any:
        """Plan a change, carry it out, and return what its client is told.

        operation: the id that the journal, errors, logs and a second client are given.
        Raises Busy when another operation holds one of its names, TooMany when too many wait
        for their turn, Stopping when the agent is on its way down, JournalFailed when it cannot
        be written down, what the facts say against it, or the failure of a step once everything
        that the plan had made was taken back.
        """
        with trace.operation(operation):
            plan, waits = self._begin(change, operation, request)
            try:
                self._run(operation, plan, waits)
                try:
                    return change.answer()
                except AgentError as error:
                    # It is done all the same, and a failure would tell its client that it is not.
                    _log.warning("operation %s is done, but not shown: %s", operation, error.detail)
                    return {"name": change.claims[0].name, "operation": operation}
                finally:
                    # Not before: what the client is told is what its own change came to.
                    self._locks.release(operation)
            finally:
                self._admission.leave(operation)

    def submit(self, change: Change, operation: str, request: Request) -> None:
        """Plan a change and have it carried out by a thread; raises as `perform` does before.

        What comes of it is in the journal.
        """
        with trace.operation(operation):
            plan, waits = self._begin(change, operation, request, _MOST_SUBMITTED)
            # For the log to say what the thread is at work for.
            context = contextvars.copy_context()

        def run() -> None:
            try:
                self._run(operation, plan, waits)
                self._locks.release(operation)
            except AgentError:
                pass  # it is in the journal and in the log
            except Exception:
                _log.exception("operation %s: unexpected error", operation)
            finally:
                self._admission.leave(operation)

        try:
            name = f"operation {operation}"
            threading.Thread(target=context.run, args=(run,), name=name).start()
        except RuntimeError as error:
            self._end_failed(operation, plan, error)
            self._admission.leave(operation)
            raise

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
        Returns whether all of them ended.
        """
        self._admission.suspend(Stopping("the agent is stopping; try again when it is back"))
        if active := self._admission.active:
            _log.info("waiting for %d operations to end", active)
        if self._admission.idle(seconds):
            return True
        _log.warning("operations still run after %g s: taking them back", seconds)
        self._steps.cut_off()
        return self._admission.idle(seconds)

    def _begin(
        self, change: Change, operation: str, request: Request, most: int | None = None
    ) -> tuple[Plan, bool]:
        """Acquire the names, make the plan and write it down.

        Returns the plan, and whether it has to wait for its turn. Before that has come: what is
        refused is refused at once, and who waits can be seen.
        """
        self._locks.acquire(change.claims, operation)
        try:
            waits = self._admission.enter(operation, change.makes, most)
            try:
                plan = change.plan()
                self._journal.begin(operation, request, plan, WAITING if waits else RUNNING)
            except BaseException:
                self._admission.leave(operation)
                raise
        except BaseException:
            self._locks.release(operation)
            raise
        _log.info("operation %s %s: %s", operation, "waits" if waits else "begins", plan.does)
        return plan, waits

    def _run(self, operation: str, plan: Plan, waits: bool) -> None:
        """Run a plan in its turn; its names stay held, unless it failed and was taken back.

        Raises the failure.
        """
        began = time.time()
        try:
            if waits:
                self._admission.wait(operation)
                self._journal.run(operation)
                _log.info("operation %s begins, its turn has come", operation)
            self._steps.carry_out(operation, plan)
        except BaseException as error:
            self._end_failed(operation, plan, error)
            if was_killed(error):
                leftovers.remove_fetched(began)
            raise
        if plan.install is not None:
            self._installs()
        _log.info("operation %s is done: %s", operation, plan.does)

    def _end_failed(self, operation: str, plan: Plan, error: BaseException) -> None:
        """Write down how an operation ended that failed, and release its names if it is settled."""
        left = error.left_behind if isinstance(error, AgentError) else ()
        if left:
            status = UNSETTLED
        elif any(step.undo for step in plan.steps):
            status = UNDONE
        elif isinstance(error, Interrupted) and not plan.leave:
            # The next start carries a delete on that this one's end cut off.
            status = UNSETTLED
        else:
            status = FAILED
        settled = not left
        try:
            self._journal.end(operation, status, error_json(error))
        except JournalFailed as failure:
            # The next start would take it back once more: until the journal knows that it
            # ended, nobody else may make anything of that name.
            settled = False
            _log.error("operation %s: %s", operation, failure.detail)
        if settled:
            self._locks.release(operation)
        else:
            self._unsettled(operation)
        _log.info("operation %s is %s: %s", operation, status, masked_error(error))
