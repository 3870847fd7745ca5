"""Hosts: what is shown of them, and the changes that make and remove them."""

import re
import uuid as uuids
from collections.abc import Callable, Sequence
from typing import Any

from agent.config import Config
from agent.errors import JournalFailed, NotFound, WrongState
from agent.hypervisor.facts import DomainDetails, PowerFacts
from agent.hypervisor.hypervisor import Hypervisor, no_host
from agent.operations.journal import Journal
from agent.operations.locks import Claim
from agent.operations.operation import DONE, RUNNING, WAITING, Change
from agent.plans import boot_override
from agent.plans import hosts as host_plans
from agent.plans import media as media_plans
from agent.plans import power as power_plans
from agent.plans import snapshots as snapshot_plans
from agent.plans.cards import derived_macs
from agent.plans.disks import (
    disks_to_delete,
    has_media,
    images_of_unknown_backing,
    is_made,
    pool_volume,
)
from agent.plans.hosts import HostRequest
from agent.plans.installs import InstallRequest, install_again
from agent.plans.plan import Plan
from agent.tools.parsers import libvirt_xml

_GIB = 1 << 30
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Redfish's kinds of ComputerSystem.Reset: those that are a verb, and all.
RESETS_AS_VERBS = {
    "On": "start",
    "ForceOff": "stop",
    "GracefulShutdown": "shutdown",
    "GracefulRestart": "reboot",
}
RESETS = (*RESETS_AS_VERBS, "ForceRestart", "PushPowerButton", "Nmi")


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
        return self._show(self._hypervisor.domain_named(name))

    def system(self, uuid: str) -> tuple[dict[str, Any], DomainDetails]:
        """The host of that UUID as it is shown, and what was read of it.

        Raises NotFound, for another spelling of the UUID as well.
        """
        # virsh would take a domain's name, and its number, for it.
        details = self._details(uuid) if _UUID.fullmatch(uuid) else None
        if details is None or details.definition.uuid != uuid:
            raise no_host(uuid)
        return self._show(details), details

    def _show(self, details: DomainDetails) -> dict[str, Any]:
        networks: dict[str, libvirt_xml.Network] = {}
        if any(card.network and not card.bridge for card in details.definition.interfaces):
            # A domain that is off does not say where its networks lead.
            networks = {found.name: found for found in self._hypervisor.networks.definitions()}
        return _shown(details, networks, shown_install(self._install_of(details.definition.uuid)))

    def usage(self, name: str) -> dict[str, Any]:
        """What a host has used since it started; raises NotFound, and WrongState when it is off."""
        found = self._hypervisor.usage(name)
        if found.state == "shut off":
            raise WrongState(f"host {name!r} is shut off, and has no usage until it is started")
        used = found.usage
        if used.cpu_ns is None or used.rss_kib is None:
            # libvirt waits half a minute for what QEMU is busy with, and leaves out the rest.
            raise WrongState(
                f"libvirt cannot report the usage of host {name!r} while it is busy, such as with a"
                " snapshot; try again"
            )
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
        """The plan that starts the host of that UUID as usual; raises NotFound, WrongState."""
        return power_plans.power("start", self._power_facts(uuid), self._config)

    def power(self, name: str, verb: str) -> Change:
        """The change that a power verb is."""
        return self._change(name, lambda uuid: self._power_plan(self._power_facts(uuid), verb))

    def _power_plan(self, facts: PowerFacts, verb: str) -> Plan:
        if verb == "start":
            # As the power button of a physical machine does, it uses up what is set for once.
            return boot_override.start(facts, self._config)
        ends = verb in power_plans.ENDS_INSTALLER and facts.definition.installs
        if ends and self._is_installing(facts.definition.uuid):
            raise power_plans.would_end_installer(verb, facts)
        return power_plans.power(verb, facts, self._config)

    def reset(self, name: str, id_: str, kind: str) -> Change:
        """The change that Redfish's ComputerSystem.Reset of a kind is.

        id_: its UUID; another host of that name is left alone. kind: one of RESETS.
        """

        def plan(uuid: str) -> Plan:
            facts = self._power_facts(uuid)
            if kind in RESETS_AS_VERBS:
                return self._power_plan(facts, RESETS_AS_VERBS[kind])
            if kind == "PushPowerButton":
                return self._power_plan(facts, "start" if facts.state == "shut off" else "shutdown")
            if kind == "Nmi":
                return power_plans.nmi(facts, self._config)
            install = self._install_that_runs(uuid) if facts.definition.installs else None
            # Of a boot for once, which is followed like an install, nothing is left undone.
            if install is not None and not install["override"]:
                raise power_plans.would_end_installer(kind, facts)
            return boot_override.restart(facts, self._details(uuid).kept, self._config)

        return self._change(name, plan, id_=id_)

    def set_override(
        self,
        name: str,
        id_: str,
        enabled: str,
        target: str,
        see: Callable[[dict[str, Any], DomainDetails], None],
    ) -> Change:
        """The change of what a host boots from next, as `boot_override.set_override` has it.

        id_: its UUID, as of `reset`. see: raises, given what `system` returns when nothing else
        can change the host, unless it is the one that the client means to change.
        """

        def plan(uuid: str) -> Plan:
            shown, details = self.system(uuid)
            see(shown, details)
            return boot_override.set_override(enabled, target, details.kept, self._config)

        return self._change(name, plan, id_=id_)

    def set_boot(self, name: str, boot: Sequence[str]) -> Change:
        """The change of what a host boots from, in order."""
        return self._change(
            name, lambda uuid: power_plans.set_boot(boot, self._details(uuid).kept, self._config)
        )

    def install(self, name: str, request: InstallRequest) -> Change:
        """The change that installs a host again."""

        return self._change(
            name, lambda uuid: install_again(request, self._power_facts(uuid), self._config)
        )

    def insert_media(self, name: str, url: str, id_: str | None = None) -> Change:
        """The change that fetches an image and puts it into a host's drive.

        id_: its UUID, as of `reset`, where the client has told it.
        """

        def plan(uuid: str) -> Plan:
            pool = self._hypervisor.pool_without_volumes()
            return media_plans.insert(url, self._details(uuid), pool, self._config)

        return self._change(name, plan, id_=id_)

    def eject_media(self, name: str, id_: str | None = None) -> Change:
        """The change that takes the media out of a host's drive and deletes it.

        id_: as of `insert_media`.
        """

        def plan(uuid: str) -> Plan:
            return media_plans.eject(self._details(uuid), self._config)

        return self._change(name, plan, id_=id_)

    def snapshots(self, name: str) -> Sequence[dict[str, Any]]:
        """The snapshots of a host: name, state, created; oldest first. Raises NotFound."""
        uuid = self._hypervisor.domain_uuid(name)
        return [_shown_snapshot(found) for found in self._hypervisor.snapshots(uuid)]

    def snapshot(self, name: str, snapshot: str) -> dict[str, Any]:
        """One snapshot of a host; raises NotFound."""
        return _shown_snapshot(self._snapshot(self._hypervisor.domain_uuid(name), name, snapshot))

    def make_snapshot(self, name: str, snapshot: str) -> Change:
        """The change that makes a snapshot of a host."""

        def plan(uuid: str) -> Plan:
            self._see_no_install(name, uuid)
            facts = self._hypervisor.snapshot_facts(uuid)
            return snapshot_plans.create(snapshot, facts, self._config)

        return self._change(name, plan, lambda: self.snapshot(name, snapshot))

    def revert(self, name: str, snapshot: str) -> Change:
        """The change that puts a host back to a snapshot."""

        def plan(uuid: str) -> Plan:
            found = self._snapshot(uuid, name, snapshot)
            self._see_no_install(name, uuid)
            facts = self._hypervisor.snapshot_facts(uuid)
            return snapshot_plans.revert(found, facts, self._config)

        return self._change(name, plan)

    def delete_snapshot(self, name: str, snapshot: str) -> Change:
        """The change that deletes a snapshot of a host."""

        def plan(uuid: str) -> Plan:
            found = self._snapshot(uuid, name, snapshot)
            self._see_no_install(name, uuid)
            facts = self._hypervisor.snapshot_facts(uuid)
            return snapshot_plans.delete(found, facts, self._config)

        return self._change(name, plan, lambda: {"host": name, "name": snapshot})

    def _change(
        self,
        name: str,
        plan: Callable[[str], Plan],
        answer: Callable[[], Any] | None = None,
        id_: str | None = None,
    ) -> Change:
        """A change of the host of that name.

        plan: from its UUID. answer: by default the host. id_: the UUID that it has to have.
        """

        def begin() -> Plan:
            uuid = self._hypervisor.domain_uuid(name)
            if id_ not in (None, uuid):
                raise no_host(str(id_))
            return plan(uuid)

        return Change((Claim("host", name),), begin, answer or (lambda: self.show(name)))

    def _power_facts(self, uuid: str) -> PowerFacts:
        facts = self._hypervisor.power_facts(uuid)
        if facts is None:
            raise no_host(uuid)
        return facts

    def _details(self, uuid: str) -> DomainDetails:
        details = self._hypervisor.domain(uuid)
        if details is None:
            raise no_host(uuid)
        return details

    def _snapshot(self, uuid: str, name: str, snapshot: str) -> libvirt_xml.Snapshot:
        for found in self._hypervisor.snapshots(uuid):
            if found.name == snapshot:
                return found
        raise NotFound(f"host {name!r} has no snapshot {snapshot!r}")

    def _is_installing(self, uuid: str) -> bool:
        return self._install_that_runs(uuid) is not None

    def _install_that_runs(self, uuid: str) -> dict[str, Any] | None:
        install = self._install_of(uuid)
        return install if install is not None and install["status"] in (WAITING, RUNNING) else None

    def _see_no_install(self, name: str, uuid: str) -> None:
        """Raise WrongState while a host is being installed."""
        if self._is_installing(uuid):
            raise WrongState(f"host {name!r} is being installed; snapshots have to wait for that")

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

        networks = sorted({card.network for card in request.networks})
        macs = sorted(
            {
                card.mac or next(iter(derived_macs(request.name, place)))
                for place, card in enumerate(request.networks)
            }
        )
        return Change(
            claims=(
                Claim("host", request.name),
                *(Claim("network", name, shared=True) for name in networks),
                *(Claim("mac", mac) for mac in macs),
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
            pool = self._hypervisor.pool(is_made)
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
        "interfaces": [shown_interface(card, networks) for card in definition.interfaces],
        "boot": list(details.kept.boot),
        "media": {"image": details.kept.media} if has_media(details.kept) else None,
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


def shown_interface(
    card: libvirt_xml.Interface, networks: dict[str, libvirt_xml.Network]
) -> dict[str, Any]:
    network = networks.get(card.network or "")
    vlan = card.vlan or (network.vlan if network is not None else None)
    return {
        "mac": card.mac,
        "network": card.network,
        "bridge": card.bridge or (network.bridge if network is not None else None),
        "vlan": None if vlan is None else vlan.untagged,
        "trunk": None if vlan is None or vlan.tagged is None else list(vlan.tagged),
        "port": card.port,
    }


def _shown_snapshot(snapshot: libvirt_xml.Snapshot) -> dict[str, Any]:
    return {"name": snapshot.name, "state": snapshot.state, "created": snapshot.created}


def shown_install(found: dict[str, Any] | None) -> dict[str, Any] | None:
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
