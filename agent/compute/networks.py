"""Networks: what is shown of them, and the changes that make and remove them."""

import uuid as uuids
from collections.abc import Callable
from typing import Any

from agent.config import Config
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.networks import no_network
from agent.operations.locks import Claim
from agent.operations.operation import Change
from agent.plans import networks as network_plans
from agent.plans.networks import NetworkRequest
from agent.plans.plan import Plan
from agent.tools.parsers import libvirt_xml


class Networks:
    """The networks of one hypervisor. new_uuid: makes the UUIDs of new ones."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        config: Config,
        new_uuid: Callable[[], str] = lambda: str(uuids.uuid4()),
    ) -> None:
        self._hypervisor = hypervisor
        self._config = config
        self._new_uuid = new_uuid

    def list(self) -> list[dict[str, str]]:
        """Every network: name, state, autostart, persistent."""
        return [row._asdict() for row in self._hypervisor.networks.rows()]

    def show(self, name: str) -> dict[str, Any]:
        """One network with its details; raises NotFound."""
        rows = [row for row in self._hypervisor.networks.rows() if row.name == name]
        if not rows:
            raise no_network(name)
        network = self._definition(name)
        return {
            **rows[0]._asdict(),
            "id": network.uuid,
            "bridge": network.bridge,
            "vlan": network.vlan.untagged,
            "trunk": network.vlan.tagged,
            "ports": self._hypervisor.networks.hosts(network.uuid),
        }

    def create(self, request: NetworkRequest) -> Change:
        """The change that makes a network."""

        def plan() -> Plan:
            return network_plans.create(
                request,
                {row.name for row in self._hypervisor.networks.rows()},
                self._hypervisor.openvswitch.bridges(),
                self._config,
                self._new_uuid(),
            )

        claim = Claim("network", request.name)
        return Change((claim,), plan, lambda: self.show(request.name), makes=True)

    def delete(self, name: str) -> Change:
        """The change that removes a network that no host uses."""
        told: dict[str, str] = {}

        def plan() -> Plan:
            network = self._definition(name)
            told.update(id=network.uuid, name=name)
            domains = self._hypervisor.domain_definitions()
            return network_plans.delete(network, domains, self._config)

        return Change((Claim("network", name),), plan, lambda: told)

    def _definition(self, name: str) -> libvirt_xml.Network:
        network = self._hypervisor.networks.definitions().get(name)
        if network is None:
            raise no_network(name)
        return network
