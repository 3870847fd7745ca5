"""Follows installs to their end: starts a host from its disk once its installer has ended.

virt-install boots a form of the domain that ends when the installer reboots, and nobody starts
the domain again. The journal knows each install by its domain's UUID, and whether the host is to
stay off then; looking at the domains once a second tells what each needs. It costs one read while
there are installs, whatever became meanwhile of the agent or of libvirt, and nothing while there
are none.
"""

import logging
import threading
from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from agent.errors import AgentError, Busy, Interrupted, JournalFailed, OutOfReach
from agent.hypervisor.facts import InstallLook
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations import leftovers, trace
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import DONE, FAILED, RUNNING
from agent.operations.steps import Steps
from agent.plans.plan import Plan

_log = logging.getLogger("agent.install")

_LOOK_SECONDS = 1.0


class Next(Enum):
    """What an install needs next."""

    WAIT = "wait"
    START = "start"
    DONE = "done"
    FAIL = "fail"


def decide(look: InstallLook | None, after_install: str = "start") -> tuple[Next, str]:
    """What an install needs next, and why it failed where it has.

    look: how its domain is, None when there is none. after_install: "start" it, or leave it "off".
    """
    if look is None:
        return Next.FAIL, "the host was deleted while its installer ran"
    ended = Next.START if after_install == "start" else Next.DONE
    if look.state == "shut off":
        match look.reason:
            case "shutdown":
                return ended, ""
            case "saved":
                # A person put it aside; the installer goes on when they start it again.
                return Next.WAIT, ""
            case "destroyed":
                return Next.FAIL, "the host was stopped by hand while its installer ran"
            case "unknown":
                # It ended while libvirt was not there to see why. An installer ends a host
                # more often than anything else does.
                return ended, ""
            case "daemon":
                # Also when the installer ended the host in just that moment.
                return (
                    Next.FAIL,
                    "libvirtd stopped the host at its own start: it could not reconnect to it",
                )
        return Next.FAIL, f"the host stopped during its install: {look.reason}"
    if look.state == "crashed":
        return Next.FAIL, f"the host crashed during its install: {look.reason}"
    if look.installing:
        return Next.WAIT, ""
    # It runs in the form that is kept: somebody started it already.
    return Next.DONE, ""


class Installs:
    """The installs of one agent.

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
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._woken = False
        self._closed = False

    def start(self) -> None:
        """Go on with the installs that an earlier agent followed."""
        try:
            for install in self._journal.installs():
                if install["status"] == RUNNING:
                    leftovers.end(install["id"])
        finally:
            self.wake()

    def wake(self) -> None:
        """Follow installs from now on, if there are any."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="installs", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Follow no more; the next start of the agent goes on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(5)

    def _work(self) -> None:
        """Look, while there are installs."""
        left = True
        while True:
            with self._condition:
                if left:
                    self._condition.wait_for(lambda: self._woken or self._closed, _LOOK_SECONDS)
                if self._closed or not (left or self._woken):
                    self._thread = None
                    return
                self._woken = False
            left = self._look()

    def _look(self) -> bool:
        """Look at every install and do what it needs; returns whether some are left."""
        try:
            installs = self._journal.installs()
            if not installs:
                return False
            looks = self._hypervisor.installs([install["domain"] for install in installs])
        except AgentError as error:
            _log.warning("installs cannot be looked at: %s", error.detail)
            return True
        except Exception:
            _log.exception("installs cannot be looked at")
            return True
        left = False
        for install in installs:
            with trace.operation(install["id"]):
                left = not self._proceed(install, looks.get(install["domain"])) or left
        return left

    def _proceed(self, install: dict[str, Any], look: InstallLook | None) -> bool:
        """Do what an install needs next; returns whether it has ended."""
        needs, why = decide(look, install["after_install"])
        try:
            match needs:
                case Next.WAIT:
                    return False
                case Next.DONE if install["status"] == RUNNING:
                    self._carry_on(install)
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
                "install of %s: operation %s: %s", install["host"], install["id"], error.detail
            )
            return False
        except Exception:
            # The others are followed all the same.
            _log.exception("install of %s: operation %s", install["host"], install["id"])
            return False
        return True

    def _end(self, install: dict[str, Any], status: str, why: str = "") -> None:
        self._journal.end(install["id"], status, {"detail": why} if why else None)
        _log.info("install of %s is %s%s", install["host"], status, f": {why}" if why else "")

    def _start(self, install: dict[str, Any]) -> bool:
        """Start a host from its disk, unless it needs something else by now; raises Busy.

        Raises what keeps it from being tried as well.
        """
        operation, domain = install["id"], install["domain"]
        with self._locks.held([Claim("host", install["host"])], operation):
            # What held the host until now may have changed what it needs.
            needs, _ = decide(self._hypervisor.installs([domain]).get(domain))
            if needs is not Next.START:
                return False
            plan = self._start_plan(domain)
            self._journal.set_plan(operation, plan)
            self._run(install, plan)
        return True

    def _carry_on(self, install: dict[str, Any]) -> None:
        """Do what is left of a start that was cut off after it had started the host."""
        operation = install["id"]
        with self._locks.held([Claim("host", install["host"])], operation):
            record = self._journal.get(operation)
            if record is None:
                return
            plan = Plan.from_json(record["plan"])
            forward = [command for command in record["commands"] if not command["undo"]]
            # Not what comes before the start, which was for a host that is off; and nothing
            # when somebody else has started it.
            starts = [each["step"] for each in forward if plan.steps[each["step"]].undo]
            before = range(min(starts, default=len(plan.steps)))
            self._run(install, plan, {*before, *(each["step"] for each in forward if each["ok"])})

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
