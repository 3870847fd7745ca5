"""Follows installs to their end: starts a host from its disk once its installer has ended.

virt-install boots a form of the domain that ends when the installer reboots, and nobody starts
the domain again. The journal knows each install by its domain's UUID; looking at the domains once
a second tells what each needs. It costs one read while there are installs, whatever became
meanwhile of the agent or of libvirt, and nothing while there are none.
"""

import logging
import threading
from collections.abc import Callable

from agent.errors import AgentError
from agent.hypervisor.hypervisor import Hypervisor
from agent.installs.finisher import Finisher
from agent.operations import leftovers
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.operation import RUNNING
from agent.operations.steps import Steps
from agent.plans.plan import Plan

_log = logging.getLogger("agent.install")

_LOOK_SECONDS = 1.0


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
        self._journal = journal
        self._finisher = Finisher(hypervisor, steps, journal, locks, start_plan)
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
        ended = [self._finisher.proceed(each, looks.get(each["domain"])) for each in installs]
        return not all(ended)
