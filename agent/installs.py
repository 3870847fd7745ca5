"""Follows installs to their end: starts a host from its disk once its installer has ended.

virt-install boots a form of the domain that ends when the installer reboots, and nobody starts
the domain again. The journal knows each install by its domain's UUID. libvirt's lifecycle events
tell when to look; looking tells what is so, so that an event missed is only an event late.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from agent import leftovers, trace
from agent.commands.virsh import Virsh
from agent.config import Config
from agent.errors import AgentError, Busy, Interrupted, JournalFailed, OutOfReach
from agent.facts import InstallLook
from agent.hypervisor import Hypervisor
from agent.journal import Journal
from agent.locks import Claim, Locks
from agent.operation import DONE, FAILED, RUNNING
from agent.plan import Plan
from agent.run import Runner
from agent.steps import Steps

_log = logging.getLogger("agent.install")

# When to look after the event command has begun, which does not say when it hears: what
# happened before is seen by then. After that now and then, in case an event was lost.
_FIRST_LOOKS_SECONDS = (0.0, 0.5, 2.0, 10.0)
_LOOK_SECONDS = 60.0
# After an event: libvirt tells of the end a little before it is over.
_SETTLE_SECONDS = 0.2
# How long to wait before the event command is begun again, and a look that failed repeated.
_AGAIN_SECONDS = 1.0


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


class Installs:
    """The installs of one agent.

    start_plan: makes the plan that starts the domain of that UUID.
    """

    def __init__(
        self,
        runner: Runner,
        hypervisor: Hypervisor,
        steps: Steps,
        journal: Journal,
        locks: Locks,
        config: Config,
        start_plan: Callable[[str], Plan],
    ) -> None:
        self._runner = runner
        self._hypervisor = hypervisor
        self._steps = steps
        self._journal = journal
        self._locks = locks
        self._events = Virsh(config.libvirt_uri).lifecycle_events()
        # Two agents must not end each other's event command.
        self._token = f"events of {config.state_dir}"
        self._start_plan = start_plan
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self._stream_ended = False
        self._closed = False

    def start(self) -> None:
        """Go on with the installs that an earlier agent followed."""
        leftovers.end(self._token)
        try:
            for install in self._journal.installs():
                if install["status"] == RUNNING:
                    leftovers.end(install["id"])
        finally:
            self.wake()

    def wake(self) -> None:
        """Follow installs from now on, if there are any."""
        with self._condition:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="installs", daemon=True)
                self._thread.start()
            self._due = 0.0
            self._condition.notify_all()

    def close(self) -> None:
        """Follow no more; the next start of the agent goes on."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(5)

    def _work(self) -> None:
        """Keep the event command running, and look, while there are installs."""
        while True:
            with self._condition:
                self._stream_ended = False
            with self._runner.stream(self._events.argv, self._token, self._on_line, self._on_end):
                more = self._follow()
            with self._condition:
                if self._closed or (not more and self._due > time.monotonic()):
                    self._thread = None
                    return
                if self._stream_ended:
                    self._condition.wait_for(lambda: self._closed, _AGAIN_SECONDS)

    def _follow(self) -> bool:
        """Look when it is due, until the event command ends; answers whether installs are left."""
        began = time.monotonic()
        dues = [began + seconds for seconds in _FIRST_LOOKS_SECONDS]
        while True:
            with self._condition:
                # What came while it looked, an event or a new install, is due already.
                self._due = min(self._due, *dues, time.monotonic() + _LOOK_SECONDS)
                while not self._closed and not self._stream_ended:
                    seconds = self._due - time.monotonic()
                    if seconds <= 0:
                        break
                    self._condition.wait(seconds)
                if self._closed or (self._stream_ended and self._due > time.monotonic()):
                    return True
                self._due = float("inf")
            dues = [due for due in dues if due > time.monotonic()]
            left, again = self._look()
            if not left:
                return False
            if again:
                dues.append(time.monotonic() + _AGAIN_SECONDS)

    def _on_line(self, line: str) -> None:
        # Any domain's: which it is, is looked at.
        with self._condition:
            self._due = min(self._due, time.monotonic() + _SETTLE_SECONDS)
            self._condition.notify_all()

    def _on_end(self) -> None:
        with self._condition:
            self._stream_ended = True
            self._condition.notify_all()

    def _look(self) -> tuple[bool, bool]:
        """Look at every install; answers whether some are left, and whether to look again soon."""
        try:
            installs = self._journal.installs()
            if not installs:
                return False, False
            looks = self._hypervisor.installs([install["domain"] for install in installs])
        except AgentError as error:
            _log.warning("installs cannot be looked at: %s", error.detail)
            return True, True
        except Exception:
            _log.exception("installs cannot be looked at")
            return True, True
        left = again = False
        for install in installs:
            ended = self._proceed(install, looks.get(install["domain"]))
            left = left or not ended
            again = again or ended is None
        return left, again

    def _proceed(self, install: dict[str, Any], look: InstallLook | None) -> bool | None:
        """Do what an install needs next; answers whether it has ended, None to try again."""
        with trace.operation(install["id"]):
            return self._do_next(install, look)

    def _do_next(self, install: dict[str, Any], look: InstallLook | None) -> bool | None:
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
            return None  # somebody is at work on the host: see what comes of it
        except AgentError as error:
            _log.warning(
                "install of %s: operation %s: %s", install["host"], operation, error.detail
            )
            return None
        except Exception:
            # The others are followed all the same.
            _log.exception("install of %s: operation %s", install["host"], operation)
            return None
        return True

    def _end(self, install: dict[str, Any], status: str, why: str = "") -> None:
        self._journal.end(install["id"], status, {"detail": why} if why else None)
        _log.info("install of %s is %s%s", install["host"], status, f": {why}" if why else "")

    def _start(self, install: dict[str, Any]) -> bool | None:
        """Start a host from its disk; raises Busy, or what keeps it from being tried."""
        operation, domain = install["id"], install["domain"]
        self._locks.hold([Claim("host", install["host"])], operation)
        try:
            # What held the host until now may have changed what it needs.
            needs, _ = decide(self._hypervisor.installs([domain]).get(domain))
            if needs is not Next.START:
                return None
            plan = self._start_plan(domain)
            self._journal.set_plan(operation, plan)
            self._run(install, plan, range(len(plan.steps)))
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
            began = {command["step"] for command in forward}
            ok = {command["step"] for command in forward if command["ok"]}
            # Not what comes before the start, which was for a host that is off; and nothing
            # when somebody else has started it.
            starts = [index for index in began if plan.steps[index].undo]
            first = min(starts, default=len(plan.steps))
            left = [index for index in range(first, len(plan.steps)) if index not in ok]
            self._run(install, plan, left)
        finally:
            self._locks.release(operation)
        return True

    def _run(self, install: dict[str, Any], plan: Plan, indexes: Iterable[int]) -> None:
        """Run steps of a start, and end its install by what comes of them.

        Raises what says nothing about the host: the agent stops, or a daemon or the journal is
        away. The next look finds how far it came.
        """
        operation = install["id"]
        try:
            for index in indexes:
                command = plan.steps[index].command
                self._steps.run(operation, self._steps.begin(operation, index, command), command)
        except (Interrupted, JournalFailed):
            raise
        except AgentError as error:
            if type(error) is OutOfReach:
                raise
            self._steps.undo(operation, plan, range(len(plan.steps)), twice=False)
            self._end(install, FAILED, f"it could not be started: {error.detail}")
        else:
            self._end(install, DONE)
