"""/health: whether libvirt, the pool, Open vSwitch and the journal respond."""

from collections.abc import Callable
from typing import Any

import falcon

from agent.errors import AgentError
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations.journal import Journal
from agent.operations.recovery import Recovery


class Health:
    """Asks libvirt, the agent's pool, Open vSwitch and the journal, each for itself.

    hypervisor: one whose commands have short limits, since who asks for health waits.
    """

    def __init__(self, hypervisor: Hypervisor, journal: Journal, recovery: Recovery) -> None:
        self._hypervisor = hypervisor
        self._journal = journal
        self._recovery = recovery

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return what each says, and "ok" or "failing" for all together; 503 when one fails."""
        parts = {
            "libvirt": _ask(self._hypervisor.libvirt_version),
            "pool": _ask(self._hypervisor.pool_state),
            "openvswitch": _ask(self._hypervisor.openvswitch.version),
            "journal": _ask(self._journal_state),
        }
        healthy = all(part["status"] == "ok" for part in parts.values())
        resp.media = {"status": "ok" if healthy else "failing", **parts}
        resp.status = falcon.HTTP_200 if healthy else falcon.HTTP_503
        resp.cache_control = ["no-store"]

    def _journal_state(self) -> dict[str, Any]:
        self._journal.check()
        unsettled = self._recovery.unsettled()
        if not unsettled:
            return {"unsettled": []}
        which = f"operation{'s' if len(unsettled) > 1 else ''} {', '.join(unsettled)}"
        detail = f"neither completed nor undone yet: {which}"
        return {"status": "failing", "detail": detail, "unsettled": unsettled}


def _ask(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"status": "ok", **question()}
    except AgentError as error:
        return {"status": "failing", "detail": error.detail, **error.facts()}
