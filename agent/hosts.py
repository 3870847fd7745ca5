"""Hosts: what is shown of them, and the changes that make and remove them."""

import uuid as uuids
from collections.abc import Callable
from typing import Any

from agent.config import Config
from agent.errors import InvalidOutput, JournalFailed, WrongState
from agent.hypervisor.facts import DomainDetails
from agent.hypervisor.hypervisor import Hypervisor, no_host
from agent.operations.journal import Journal
from agent.operations.locks import Claim
from agent.operations.operation import DONE, RUNNING, WAITING, Change
from agent.plans import hosts as host_plans
from agent.plans import power as power_plans
from agent.plans.disks import disks_to_delete, images_of_unknown_backing, pool_volume
from agent.plans.hosts import HostRequest
from agent.plans.plan import Plan
from agent.tools.parsers import libvirt_xml

_GIB = 1 << 30


class Hosts:
    """The hosts of one hypervisor.

    virt_type: returns "kvm" or "qemu", for new ones. new_uuid: makes their UUIDs.
    journal: knows their installs.
    """

    def __init__(
        self,
        hypervisor: Hypervisor,
        config: Config,
        virt_type: Callable[[], str],
        journal: Journal,
        new_uuid: Callable[[], str] | None = None,
    ) -> None:
        self._hypervisor = hypervisor
        self._config = config
        self._virt_type = virt_type
        self._journal = journal
        self._new_uuid = new_uuid or (lambda: str(uuids.uuid4()))

    def list(self) -> list[dict[str, str]]:
        """Every host: id, name, state."""
        return [
            {"id": row.uuid, "name": row.name, "state": row.state}
            for row in self._hypervisor.domains()
        ]

    def show(self, name: str) -> dict[str, Any]:
        """One host with its details; raises NotFound."""
        details = self._hypervisor.domain_named(name)
        networks: dict[str, libvirt_xml.Network] = {}
        if any(card.network and not card.bridge for card in details.definition.interfaces):
            # A domain that is off does not say where its networks lead.
            networks = {found.name: found for found in self._hypervisor.networks.definitions()}
        return _shown(details, networks, _install(self._install_of(details.definition.uuid)))

    def usage(self, name: str) -> dict[str, Any]:
        """What a host has used since it started; raises NotFound, and WrongState when it is off."""
        found = self._hypervisor.usage(name)
        if found.state == "shut off":
            raise WrongState(f"host {name!r} is shut off, and uses nothing until it runs")
        used = found.usage
        if used.cpu_ns is None or used.rss_kib is None:
            raise InvalidOutput("virsh domstats", str(used), "no processor time or no memory")
        return {
            "cpu_seconds": used.cpu_ns / 1e9,
            "memory_bytes": used.rss_kib * 1024,
            "disks": [
                {"target": target, "read_bytes": read, "written_bytes": used.written_bytes[target]}
                for target, read in used.read_bytes.items()
                if target in used.written_bytes
            ],
            # libvirt counts by the port, which is the hypervisor's name of a card.
            "interfaces": [
                {
                    "mac": card.mac,
                    "received_bytes": used.received_bytes[card.port],
                    "sent_bytes": used.sent_bytes[card.port],
                }
                for card in found.definition.interfaces
                if card.port in used.received_bytes and card.port in used.sent_bytes
            ],
        }

    def start_plan(self, uuid: str) -> Plan:
        """The plan that starts the host of that UUID; raises NotFound, WrongState."""
        return self._power_plan(uuid, "start")

    def power(self, name: str, verb: str) -> Change:
        """The change that a power verb is."""
        return Change(
            (Claim("host", name),),
            lambda: self._power_plan(self._hypervisor.domain_uuid(name), verb),
            lambda: self.show(name),
        )

    def _power_plan(self, uuid: str, verb: str) -> Plan:
        facts = self._hypervisor.power_facts(uuid)
        if facts is None:
            raise no_host(uuid)
        if verb in power_plans.ENDS_INSTALLER and facts.definition.installs:
            install = _install(self._install_of(uuid))
            if install is not None and install["state"] == "running":
                raise power_plans.would_end_installer(verb, facts)
        return power_plans.power(verb, facts, self._config)

    def _install_of(self, uuid: str) -> dict[str, Any] | None:
        try:
            return self._journal.install(uuid)
        except JournalFailed:
            return None  # the host is there all the same

    def create(self, request: HostRequest) -> Change:
        """The change that makes a host."""

        def plan() -> Plan:
            facts = self._hypervisor.new_host_facts()
            return host_plans.create(
                request, facts, self._config, self._new_uuid(), self._virt_type()
            )

        networks = sorted(set(request.networks))
        return Change(
            claims=(
                Claim("host", request.name),
                *(Claim("network", name, shared=True) for name in networks),
            ),
            plan=plan,
            answer=lambda: self.show(request.name),
            makes=True,
        )

    def delete(self, name: str) -> Change:
        """The change that removes a host and the disks that were made for it."""
        told: dict[str, Any] = {}

        def plan() -> Plan:
            uuid = self._hypervisor.domain_uuid(name)
            every = self._hypervisor.domain_definitions()
            own = [definition for definition in every if definition.uuid == uuid]
            if not own:
                raise no_host(name)
            others = [definition for definition in every if definition.uuid != uuid]
            pool = self._hypervisor.pool()
            images = images_of_unknown_backing(others, pool)
            disks = disks_to_delete(own, others, pool, self._hypervisor.image_backing(images))
            told.update(
                id=uuid,
                name=name,
                deleted=[disk.volume for disk in disks if disk.kept is None],
                kept=[
                    {"target": disk.target or None, "disk": disk.volume, "reason": disk.kept}
                    for disk in disks
                    if disk.kept is not None
                ],
            )
            return host_plans.delete(own, disks, self._config)

        return Change((Claim("host", name),), plan, lambda: told)


def _shown(
    details: DomainDetails,
    networks: dict[str, libvirt_xml.Network],
    install: dict[str, Any] | None,
) -> dict[str, Any]:
    definition = details.definition
    return {
        "id": definition.uuid,
        "name": definition.name,
        "state": details.state,
        "memory": definition.memory_mib,
        "vcpus": definition.vcpus,
        "autostart": details.autostart,
        "disks": [_shown_disk(disk, details) for disk in definition.disks if disk.device == "disk"],
        "interfaces": [_shown_interface(card, networks) for card in definition.interfaces],
        "install": install,
    }


def _shown_disk(disk: libvirt_xml.Disk, details: DomainDetails) -> dict[str, Any]:
    size = details.capacities.get(disk.target)
    pool = details.pool
    volume = pool_volume(disk, pool) if pool is not None else None
    return {
        "target": disk.target,
        "size": None if size is None else _gib(size),
        "pool": pool.name if pool is not None and volume is not None else disk.pool,
        "volume": volume if volume is not None else disk.volume,
    }


def _shown_interface(
    card: libvirt_xml.Interface, networks: dict[str, libvirt_xml.Network]
) -> dict[str, Any]:
    network = networks.get(card.network or "")
    return {
        "mac": card.mac,
        "network": card.network,
        "bridge": card.bridge or (network.bridge if network is not None else None),
        "vlan": card.vlan or (network.vlan if network is not None else None),
        "port": card.port,
    }


def _install(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """An install as the journal has it, in the words of a host's."""
    if found is None:
        return None
    state = {DONE: "done", WAITING: "running", RUNNING: "running"}.get(found["status"], "failed")
    return {
        "state": state,
        "started": found["began"],
        "finished": found["ended"],
        "location": found["location"],
        "reason": found["error"]["detail"] if found["error"] else None,
    }


def _gib(size: int) -> int | float:
    return size // _GIB if size % _GIB == 0 else round(size / _GIB, 3)
