"""Follows installs to their end: starts a host from its disk once its installer has ended.

virt-install boots a form of the domain that ends when the installer reboots, and nobody starts
the domain again. The journal knows each install by its domain's UUID. libvirt's lifecycle events
tell when to look; looking tells what is so, so that an event missed is only an event late.
"""

import logging
import threading
import time
from collections.abc import Callable

from agent.config import Config
from agent.errors import AgentError
from agent.hypervisor.hypervisor import Hypervisor
from agent.installs.finisher import Finisher
from agent.operations import leftovers
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.operation import RUNNING
from agent.operations.steps import Steps
from agent.plans.plan import Plan
from agent.tools.commands.virsh import Virsh
from agent.tools.run import Runner

_log = logging.getLogger("agent.install")

# When to look after the event command has begun, which does not say when it hears: what
# happened before is seen by then. After that now and then, in case an event was lost.
_FIRST_LOOKS_SECONDS = (0.0, 0.5, 2.0, 10.0)
_LOOK_SECONDS = 60.0
# After an event: libvirt tells of the end a little before it is over.
_SETTLE_SECONDS = 0.2
# How long to wait before the event command is begun again, and a look that failed repeated.
_AGAIN_SECONDS = 1.0


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
        self._journal = journal
        self._finisher = Finisher(hypervisor, steps, journal, locks, start_plan)
        self._events = Virsh(config.libvirt_uri).lifecycle_events()
        # Two agents must not end each other's event command.
        self._token = f"events of {config.state_dir}"
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
        """Look when it is due, until the event command ends; returns whether installs are left."""
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
        """Look at every install; returns whether some are left, and whether to look again soon."""
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
            ended = self._finisher.proceed(install, looks.get(install["domain"]))
            left = left or not ended
            again = again or ended is None
        return left, again
