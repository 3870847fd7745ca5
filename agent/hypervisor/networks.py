"""Reads the facts about networks: libvirt's own, and whose the ports on the bridges are."""

from collections.abc import Sequence

from agent.errors import NotFound
from agent.hypervisor.facts import NetworkRow
from agent.hypervisor.openvswitch import OpenVswitch
from agent.hypervisor.reads import Reads
from agent.tools.commands.virsh import NETWORK_OFF, NO_NETWORK
from agent.tools.parsers import libvirt_xml
from agent.tools.parsers import virsh as read


class NetworkReads:
    """Reads libvirt's networks and their ports. Every method asks anew.

    Raises OutOfReach when a daemon does not answer, CommandTimeout past a limit,
    InvalidOutput for what it cannot read.
    """

    def __init__(self, reads: Reads, openvswitch: OpenVswitch) -> None:
        self._reads = reads
        self._openvswitch = openvswitch

    def rows(self) -> list[NetworkRow]:
        """All networks, active or not, in libvirt's order."""
        everything, active, autostart, persistent = (
            read.names(reply.text)
            for reply in self._reads.batch(
                ("net-list", "--all", "--name"),
                ("net-list", "--name"),
                ("net-list", "--all", "--name", "--autostart"),
                ("net-list", "--all", "--name", "--persistent"),
            )
        )
        return [
            NetworkRow(
                name,
                "active" if name in active else "inactive",
                *("yes" if name in those else "no" for those in (autostart, persistent)),
            )
            for name in everything
        ]

    def definitions(self) -> dict[str, libvirt_xml.Network]:
        """The definition of every network, by its name."""
        return self.defined(read.uuids(self._reads.one("net-list", "--all", "--uuid")))

    def defined(self, uuids: Sequence[str]) -> dict[str, libvirt_xml.Network]:
        """The networks of these UUIDs, by their names; those that are gone are missing."""
        texts = self._reads.texts_unless((NO_NETWORK,), (("net-dumpxml", uuid) for uuid in uuids))
        found = (libvirt_xml.network(text) for text in texts if text is not None)
        return {network.name: network for network in found}

    def hosts(self, uuid: str) -> list[dict[str, str | None]]:
        """The hosts that run on a network now: host, mac, and port on the bridge."""
        (listed,) = self._reads.batch(("net-port-list", uuid))
        # libvirt fails for one that is not active, which has no ports.
        text = listed.text_unless(NO_NETWORK, NETWORK_OFF)
        ports = read.port_uuids(text) if text is not None else []
        replies = self._reads.batch(*(("net-port-dumpxml", uuid, port) for port in ports))
        if not replies:
            return []
        by_mac = {
            interface.external_ids.get("attached-mac"): interface.name
            for interface in self._openvswitch.interfaces()
        }
        found = []
        for reply in replies:
            if reply.stderr:
                continue  # it left between the two reads
            host, mac = libvirt_xml.network_port(reply.stdout)
            found.append({"host": host, "mac": mac, "port": by_mac.get(mac)})
        return found

    def stale_ports(self) -> list[str]:
        """The ports that libvirt made for domains that run no more.

        They are left by a crash, keep their VLAN tag, and libvirt before 10.3 hands them
        with that tag to the next domain that gets their name.
        """
        # First the ports: one that comes after is not taken for that of a domain which is not
        # among those that run yet.
        interfaces = self._openvswitch.interfaces()
        running = read.uuids(self._reads.one("list", "--uuid"))
        return sorted(
            interface.name
            for interface in interfaces
            if interface.external_ids.get("vm-id") not in (None, *running)
        )


def no_network(name: str) -> NotFound:
    """The error for a network that is not there."""
    return NotFound(f"there is no network {name!r}")
