"""All hosts and networks at once, as far as somebody wants to see them side by side."""

from typing import Any

from agent.compute.hosts import shown_install, shown_interface
from agent.errors import JournalFailed
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations.journal import Journal


class Overview:
    """What there is on one hypervisor. journal: knows the hosts' installs."""

    def __init__(self, hypervisor: Hypervisor, journal: Journal) -> None:
        self._hypervisor = hypervisor
        self._journal = journal

    def read(self) -> dict[str, Any]:
        """Every host and network, the bridges, the memory, and the ports that a crash left behind.

        However many hosts there are, it is a few commands.
        """
        rows = self._hypervisor.domains()
        definitions = self._hypervisor.definitions_now([row.uuid for row in rows])
        reads = self._hypervisor.networks
        networks = reads.definitions()
        states = {row.name: row.state for row in reads.rows()}
        try:
            installs = self._journal.latest_installs()
        except JournalFailed:
            installs = {}  # the hosts are there all the same
        return {
            "hosts": [
                {
                    "id": row.uuid,
                    "name": row.name,
                    "state": row.state,
                    "memory": definition.memory_mib,
                    "vcpus": definition.vcpus,
                    "interfaces": [
                        shown_interface(card, networks) for card in definition.interfaces
                    ],
                    "install": shown_install(installs.get(row.uuid)),
                }
                for row in rows
                if (definition := definitions.get(row.uuid)) is not None
            ],
            "networks": [
                {
                    "id": network.uuid,
                    "name": network.name,
                    "state": states.get(network.name, "inactive"),
                    "bridge": network.bridge,
                    "vlan": network.vlan.untagged,
                    "trunk": network.vlan.tagged,
                }
                for network in networks.values()
            ],
            "bridges": list(self._hypervisor.openvswitch.bridges()),
            "memory": self._hypervisor.memory_mib(),
            "stale_ports": reads.stale_ports(),
        }
