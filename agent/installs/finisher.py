"""Ends installs: decides what one needs next by how its domain is, and does that."""

import logging
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from agent.errors import AgentError, Busy, Interrupted, JournalFailed, OutOfReach
from agent.hypervisor.facts import InstallLook
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations import trace
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import DONE, FAILED, RUNNING
from agent.operations.steps import Steps
from agent.plans.plan import Plan

_log = logging.getLogger("agent.install")


class Next(Enum):
    """What an install needs next."""

    WAIT = "wait"
    START = "start"
    DONE = "done"
    FAIL = "fail"


def decide(look: InstallLook | None) -> tuple[Next, str]:
    """What an install needs next, and why it failed where it has.

    look: how its domain is, None when there is none.
    """
    if look is None:
        return Next.FAIL, "the host was deleted while its installer ran"
    if look.state == "shut off":
        match look.reason:
            case "shutdown":
                return Next.START, ""
            case "saved":
                # A person put it aside; the installer goes on when they start it again.
                return Next.WAIT, ""
            case "destroyed":
                return Next.FAIL, "the host was stopped by hand while its installer ran"
            case "unknown":
                # It ended while libvirt was not there to see why. An installer ends a host
                # more often than anything else does.
                return Next.START, ""
        return Next.FAIL, f"the host ended with its installer: {look.reason}"
    if look.state == "crashed":
        return Next.FAIL, f"the host crashed with its installer: {look.reason}"
    if look.installing:
        return Next.WAIT, ""
    # It runs in the form that is kept: somebody started it already.
    return Next.DONE, ""


class Finisher:
    """Starts the hosts of installs from their disks, and tells the journal what came of it.

    start_plan: makes the plan that starts the domain of that UUID.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        steps: Steps,
        journal: Journal,
        locks: Locks,
        start_plan: Callable[[str], Plan],
    ) -> None:
        self._hypervisor = hypervisor
        self._steps = steps
        self._journal = journal
        self._locks = locks
        self._start_plan = start_plan

    def proceed(self, install: dict[str, Any], look: InstallLook | None) -> bool:
        """Do what an install needs next; returns whether it has ended."""
        with trace.operation(install["id"]):
            return self._do_next(install, look)

    def _do_next(self, install: dict[str, Any], look: InstallLook | None) -> bool:
        needs, why = decide(look)
        operation = install["id"]
        try:
            match needs:
                case Next.WAIT:
                    return False
                case Next.DONE if install["status"] == RUNNING:
                    return self._carry_on(install)
                case Next.DONE:
                    self._end(install, DONE)
                case Next.FAIL:
                    self._end(install, FAILED, why)
                case Next.START:
                    return self._start(install)
        except Busy:
            return False  # another operation is at work on the host: what comes of it is seen later
        except AgentError as error:
            _log.warning(
                "install of %s: operation %s: %s", install["host"], operation, error.detail
            )
            return False
        except Exception:
            # The others are followed all the same.
            _log.exception("install of %s: operation %s", install["host"], operation)
            return False
        return True

    def _end(self, install: dict[str, Any], status: str, why: str = "") -> None:
        self._journal.end(install["id"], status, {"detail": why} if why else None)
        _log.info("install of %s is %s%s", install["host"], status, f": {why}" if why else "")

    def _start(self, install: dict[str, Any]) -> bool:
        """Start a host from its disk; raises Busy, or what keeps it from being tried."""
        operation, domain = install["id"], install["domain"]
        self._locks.hold([Claim("host", install["host"])], operation)
        try:
            # What held the host until now may have changed what it needs.
            needs, _ = decide(self._hypervisor.installs([domain]).get(domain))
            if needs is not Next.START:
                return False
            plan = self._start_plan(domain)
            self._journal.set_plan(operation, plan)
            self._run(install, plan)
        finally:
            self._locks.release(operation)
        return True

    def _carry_on(self, install: dict[str, Any]) -> bool:
        """Do what is left of a start that was cut off after it had started the host."""
        operation = install["id"]
        self._locks.hold([Claim("host", install["host"])], operation)
        try:
            record = self._journal.get(operation)
            if record is None:
                return True
            plan = Plan.from_json(record["plan"])
            forward = [command for command in record["commands"] if not command["undo"]]
            # Not what comes before the start, which was for a host that is off; and nothing
            # when somebody else has started it.
            starts = [each["step"] for each in forward if plan.steps[each["step"]].undo]
            before = range(min(starts, default=len(plan.steps)))
            self._run(install, plan, {*before, *(each["step"] for each in forward if each["ok"])})
        finally:
            self._locks.release(operation)
        return True

    def _run(self, install: dict[str, Any], plan: Plan, done: Collection[int] = ()) -> None:
        """Run a start, but for the steps that are done, and end its install by what comes of it.

        Raises what says nothing about the host: the agent stops, or a daemon or the journal is
        away. The next look finds how far it came.
        """
        operation = install["id"]
        try:
            self._steps.run(operation, plan, done)
        except (Interrupted, JournalFailed):
            raise
        except AgentError as error:
            if type(error) is OutOfReach:
                raise
            self._steps.undo(operation, plan, range(len(plan.steps)), twice=False)
            self._end(install, FAILED, f"it could not be started: {error.detail}")
        else:
            _log.info("install of %s is done", install["host"])
