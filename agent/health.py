"""Whether what the agent works with answers."""

from collections.abc import Callable
from typing import Any

from agent.errors import AgentError
from agent.hypervisor import Hypervisor


class Health:
    """Asks libvirt, the agent's pool and Open vSwitch, each for itself.

    hypervisor: one whose commands have short limits, since who asks for health waits.
    """

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor

    def report(self) -> dict[str, Any]:
        """The answer of each, and "ok" or "failing" for all of them together."""
        parts = {
            "libvirt": _ask(self._hypervisor.libvirt_version),
            "pool": _ask(self._hypervisor.pool_state),
            "openvswitch": _ask(self._hypervisor.openvswitch_version),
        }
        healthy = all(part["status"] == "ok" for part in parts.values())
        return {"status": "ok" if healthy else "failing", **parts}


def _ask(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return {"status": "ok", **question()}
    except AgentError as error:
        return {"status": "failing", "detail": error.detail, **error.facts()}
