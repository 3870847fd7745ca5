"""The plans that make, revert to and delete snapshots of hosts. Pure: facts in, a plan out."""

from collections.abc import Sequence
from dataclasses import replace

from agent.config import Config
from agent.errors import AlreadyExists, WrongState
from agent.hypervisor.facts import PoolFacts, StartFacts
from agent.plans import ports
from agent.plans.disks import is_media_of, pool_volume, why_not_own
from agent.plans.plan import Plan, Step
from agent.tools.commands.virsh import Virsh
from agent.tools.parsers import libvirt_xml


def create(
    name: str, names: Sequence[str], host: libvirt_xml.Domain, pool: PoolFacts, config: Config
) -> Plan:
    """Plan a snapshot of a host: of all its disks, and of its memory where it runs.

    names: of its snapshots, in virsh's order.
    Raises AlreadyExists, and WrongState for a disk that a snapshot cannot be in or is not the
    host's alone.
    """
    domain, uuid = host.name, host.uuid
    if name in names:
        raise AlreadyExists(f"host {domain!r} has a snapshot {name!r} already")
    _see_disks(host, pool)
    virsh = Virsh(config.libvirt_uri)
    return Plan(
        f"make snapshot {name} of host {domain}",
        (
            # One of this name that came since, by hand or by this plan, must not be taken back.
            Step("see which snapshots there are", virsh.snapshot_list(uuid, names)),
            Step(
                f"make snapshot {name} of domain {domain}",
                virsh.snapshot_create_as(uuid, name),
                (virsh.snapshot_delete(uuid, name),),
            ),
        ),
    )


def revert(
    snapshot: libvirt_xml.Snapshot, facts: StartFacts, pool: PoolFacts, config: Config
) -> Plan:
    """Plan to put a host back to a snapshot.

    It is stopped first: then libvirt starts it from the snapshot's own definition, and needs not
    find that of the host which runs to be like it. Raises WrongState for a snapshot that is not
    in the host's own disks, and with media in the drive, which would be left behind.
    """
    host = facts.host.definition
    domain, uuid = host.name, host.uuid
    _see_own(snapshot, domain)
    if facts.host.saved:
        # libvirt would want --force, and have the memory go with another disk.
        raise WrongState(
            f"host {domain!r} has a saved state; start it, or forget that with:"
            f" virsh managedsave-remove {uuid}"
        )
    _see_disks(host, pool)
    virsh = Virsh(config.libvirt_uri)
    stop = virsh.destroy(uuid)
    does = f"put domain {domain} back to snapshot {snapshot.name}"
    steps: tuple[Step, ...] = (Step(does, virsh.snapshot_revert(uuid, snapshot.name)),)
    if snapshot.state != "shut off":
        start = replace(steps[0], undo=(stop,))
        steps = ports.around_start([start], snapshot.domain, facts, config)
    return Plan(
        f"revert host {domain} to snapshot {snapshot.name}",
        (Step(f"stop domain {domain}", stop), *steps),
    )


def delete(snapshot: libvirt_xml.Snapshot, host: libvirt_xml.Domain, config: Config) -> Plan:
    """Plan the end of a snapshot. It can be run again from any point.

    Raises WrongState for one that is not in the host's own disks: libvirt 9.0 cannot delete it.
    """
    domain, uuid, name = host.name, host.uuid, snapshot.name
    _see_own(snapshot, domain)
    command = Virsh(config.libvirt_uri).snapshot_delete(uuid, name)
    return Plan(
        f"delete snapshot {name} of host {domain}",
        (Step(f"delete snapshot {name} of domain {domain}", command),),
    )


def _see_own(snapshot: libvirt_xml.Snapshot, domain: str) -> None:
    if snapshot.external:
        raise WrongState(f"snapshot {snapshot.name!r} of host {domain!r} is not in its own disks")


def _see_disks(host: libvirt_xml.Domain, pool: PoolFacts) -> None:
    """Raise WrongState unless snapshots can be in all disks of a host, which are its own."""
    disks = [disk for disk in host.disks if disk.device != "cdrom" or is_media_of(host, disk)]
    for disk in disks:
        volume = pool_volume(disk, pool)
        why = why_not_own(host, disk, volume, pool.name)
        if why is None and disk.format != "qcow2":
            why = f"its format is {disk.format}, and snapshots are in qcow2 only"
        if why is not None:
            label = volume or disk.path or disk.volume or disk.target
            raise WrongState(f"disk {label} of host {host.name!r} cannot be in a snapshot: {why}")
    if not disks:
        raise WrongState(f"host {host.name!r} has no disk that a snapshot could be in")
