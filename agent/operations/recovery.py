"""Settles operations that did not come to an end: the agent died, or an undo failed.

A create is taken back, unless all that it makes was made and only the steps without an undo
are missing: those are run. A delete is carried on to its end. Everything that this runs may
be run again, so that a crash in the middle changes nothing about the outcome.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from agent.errors import AgentError, Busy, JournalFailed
from agent.operations import leftovers, trace
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import DONE, FAILED, UNDONE, UNSETTLED, WAITING, error_json
from agent.operations.steps import Steps
from agent.plans.plan import Plan

_log = logging.getLogger("agent.operation")

# How long to wait before an operation that could not be settled is tried again.
_FIRST_WAIT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 60.0


class Recovery:
    """Settles operations of the journal, and tries again those that cannot be settled yet.

    Their names are held in `locks` until then.
    installs: called when an install goes on after an operation that was settled.
    """

    def __init__(
        self,
        steps: Steps,
        journal: Journal,
        locks: Locks,
        installs: Callable[[], None] = lambda: None,
    ) -> None:
        self._installs = installs
        self._steps = steps
        self._journal = journal
        self._locks = locks
        self._condition = threading.Condition()
        # Whether each is known to be taken back already, journal or not.
        self._open: dict[str, bool] = {}
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Settle every operation that was cut off; what cannot be is tried again later.

        To be called before requests are answered. Raises JournalFailed without a journal.
        """
        operations = self._journal.unfinished()
        for operation in operations:
            record = self._journal.get(operation)
            if record is not None:
                self._acquire(record)
        # All the names first: with a daemon that hangs the rest may take minutes.
        for operation in operations:
            if not self._try(operation, undoing=False):
                self.add(operation, undoing=False)

    def add(self, operation: str, *, undoing: bool = True) -> None:
        """Try to settle an operation, whose names are held, until it is.

        undoing: it has begun to be taken back, which the journal may not know.
        """
        with self._condition:
            self._open[operation] = undoing
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="recovery", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def unsettled(self) -> list[str]:
        """The operations that could not be settled yet."""
        with self._condition:
            return sorted(self._open)

    def close(self) -> None:
        """Try no more; the next start of the agent does."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _work(self) -> None:
        wait = _FIRST_WAIT_SECONDS
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closed, wait)
                if self._closed or not self._open:
                    self._thread = None
                    return
                operations = sorted(self._open.items())
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            for operation, undoing in operations:
                if self._try(operation, undoing):
                    wait = _FIRST_WAIT_SECONDS
                    with self._condition:
                        self._open.pop(operation, None)

    def _try(self, operation: str, undoing: bool) -> bool:
        """Settle an operation; returns whether it is settled."""
        try:
            with trace.operation(operation):
                record = self._journal.get(operation)
                if record is not None:
                    return self._settle(record, undoing)
                self._locks.release(operation)
                return True
        except AgentError as error:
            _log.warning("operation %s is not settled yet: %s", operation, error.detail)
        except Exception:
            _log.exception("operation %s is not settled yet", operation)
        return False

    def _acquire(self, record: dict[str, Any]) -> None:
        kind = "host" if record["host"] is not None else "network"
        claims = [Claim(kind, record[kind])]
        # The networks of a host that was being made must not go before it is settled.
        if kind == "host":
            cards = (record["request"]["body"] or {}).get("networks", ())
            networks = {card if isinstance(card, str) else card["network"] for card in cards}
            claims += [Claim("network", name, shared=True) for name in sorted(networks)]
        try:
            self._locks.acquire(claims, record["id"])
        except Busy as error:
            # Two of one name cannot both have run; whichever is older holds it for both.
            _log.warning("operation %s: %s", record["id"], error.detail)

    def _settle(self, record: dict[str, Any], undoing: bool) -> bool:
        operation = record["id"]
        plan = Plan.from_json(record["plan"])
        _log.info("operation %s was cut off, and is settled: %s", operation, plan.does)
        ended = leftovers.end(operation)
        if ended:
            _log.info("operation %s: ended what still ran for it: %s", operation, ended)
        if plan.leave:
            # A person who asked for it sees the state that it is in, and can ask again.
            detail = "it was interrupted: the agent ended while it ran; the host is as it was left"
            self._journal.end(operation, FAILED, {"detail": detail})
            status = FAILED
        else:
            leftovers.remove_fetched(record["began"])
            status = self._end(record, plan, undoing)
        if status == UNSETTLED:
            return False
        self._locks.release(operation)
        if plan.install is not None and status == DONE:
            self._installs()
        _log.info("operation %s is %s: %s", operation, status, plan.does)
        return True

    def _end(self, record: dict[str, Any], plan: Plan, undoing: bool) -> str:
        """Carry an operation on or take it back; returns the status that it has then."""
        operation, error = record["id"], record["error"]
        forward = [command for command in record["commands"] if not command["undo"]]
        began = {command["step"] for command in forward}
        ok = {command["step"] for command in forward if command["ok"]}
        makes = {index for index, step in enumerate(plan.steps) if step.undo}
        undoing = undoing or any(command["undo"] for command in record["commands"])
        if not makes or (makes <= ok and not undoing):
            try:
                self._steps.run(operation, plan, ok)
            except JournalFailed:
                raise  # what was made is whole, and is tried again
            except AgentError as failure:
                _log.warning("operation %s: %s", operation, failure)
                error = error_json(failure)
                began = set(range(len(plan.steps)))
            else:
                return DONE
        left = self._steps.undo(operation, plan, began - _unsure(record) | ok, twice=True)
        if error is None:
            did = "waited for its turn" if record["status"] == WAITING else "ran"
            error = {"detail": f"it was interrupted: the agent ended while it {did}"}
        status = UNSETTLED if left or not makes else UNDONE
        self._journal.end(operation, status, error)
        return status


def _unsure(record: dict[str, Any]) -> set[int]:
    """The steps that make a volume which may be somebody else's.

    Such are those of a journal from before volumes had UUIDs in their names: there a step has, as
    `taken`, what virsh says of a name that is in use.
    """
    steps = record["plan"]["steps"]
    return {i for i, step in enumerate(steps) if "exists already" in step.get("taken", ())}
