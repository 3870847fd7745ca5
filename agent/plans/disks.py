"""The disks of a host: what their volumes are called, and which of them go with it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.hypervisor.facts import PoolFacts
from agent.tools.parsers import libvirt_xml
from agent.tools.parsers.virsh import UUID

# What a file's name may have; a host's name is ASCII.
_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class DeletedDisk:
    """A disk of a host that is deleted: its volume goes, or is kept for a reason."""

    target: str
    volume: str
    kept: str | None


def volume_name(host: str, uuid: str, index: int) -> str:
    """The volume of a host's disk; 0 is sda.

    uuid: the host's, which makes the name the host's alone: no undo has to find out whose a
    volume is. The host's name is for people who list the pool, and is cut where the whole
    would pass the 255 bytes of a file's name.
    """
    return _named(host, f".{uuid}.{index}.qcow2")


def media_volume(host: str, uuid: str) -> str:
    """The volume of the image that is put into a host's drive. uuid: the host's."""
    return _named(host, _end_of_media(uuid))


def _end_of_media(uuid: str) -> str:
    return f".{uuid}.media"


def _named(host: str, end: str) -> str:
    return host[: _NAME_BYTES - len(end)] + end


def is_made(volume: str) -> bool:
    """Whether a volume's name says that the agent made it, which it does over nothing else."""
    return re.fullmatch(rf".+\.{UUID}\.(media|[0-9]+\.qcow2)", volume) is not None


def is_media_of(host: libvirt_xml.Domain, disk: libvirt_xml.Disk) -> bool:
    """Whether a disk is the drive that the agent has put media into."""
    return disk.device == "cdrom" and (disk.path or "").endswith(_end_of_media(host.uuid))


def media_drive(host: libvirt_xml.Domain) -> libvirt_xml.Disk | None:
    """The drive of a host that the agent has put media into, None without media."""
    return next((disk for disk in host.disks if is_media_of(host, disk)), None)


def has_media(host: libvirt_xml.Domain) -> bool:
    """Whether a host has media, in its drive or with no more than the note of it left."""
    return media_drive(host) is not None or host.media is not None


def pool_volume(disk: libvirt_xml.Disk, pool: PoolFacts) -> str | None:
    """The volume of the agent's pool that a disk is, None when it is not in that pool."""
    if disk.pool == pool.name:
        return disk.volume
    folder, _, file = (disk.path or "").rpartition("/")
    return file if folder == pool.path and file else None


def images_of_unknown_backing(domains: Sequence[libvirt_xml.Domain], pool: PoolFacts) -> list[str]:
    """The images of domains of which neither libvirt nor the agent's pool says what is under them.

    libvirt names it for a domain that runs, and a pool for its own volumes.
    """
    return sorted(
        {
            disk.path
            for domain in domains
            for disk in domain.disks
            if disk.path is not None
            and not disk.backing
            and pool_volume(disk, pool) not in pool.backing
        }
    )


def disks_to_delete(
    own: Sequence[libvirt_xml.Domain],
    others: Sequence[libvirt_xml.Domain],
    pool: PoolFacts,
    images: Mapping[str, tuple[str, ...]] | None = None,
) -> list[DeletedDisk]:
    """Tell which disks of a host go with it: the volumes that were made for it.

    own, others: the definitions of the host and of all other domains. images: what images of
    the others are laid over, from those of `images_of_unknown_backing`.
    So does the media that was fetched for it, in its drive or not. Kept are other removable media,
    images outside the pool, volumes named for no disk of this host, and volumes that another
    domain, volume or image still needs. Told as kept, too, are volumes of the host's naming that
    are none of its disks, such as those under a snapshot.
    """
    host = own[0]
    found: dict[str, DeletedDisk] = {}
    for disk in (disk for definition in own for disk in definition.disks):
        volume = pool_volume(disk, pool)
        label = volume or disk.path or disk.volume
        if label is None:
            continue  # an empty drive
        kept = why_not_own(host, disk, volume, pool.name)
        if kept is None and volume is not None:
            kept = _why_needed(volume, others, pool, images or {})
        found.setdefault(label, DeletedDisk(disk.target, label, kept))
    for volume in pool.backing:
        if volume in found:
            continue
        if volume.endswith(_end_of_media(host.uuid)):
            # Somebody has taken it out of the drive by hand.
            found[volume] = DeletedDisk("", volume, _why_needed(volume, others, pool, images or {}))
        elif is_named_for(host, volume):
            found[volume] = DeletedDisk("", volume, "no disk of the host is directly on it")
    return list(found.values())


def is_named_for(host: libvirt_xml.Domain, volume: str) -> bool:
    """Whether a volume's name says that it was made for a host.

    Hosts that were made before volumes had UUIDs in their names have `NAME.INDEX.qcow2`.
    """
    number = r"\.(0|[1-9][0-9]*)\.qcow2"
    by_uuid, by_name = rf".+\.{host.uuid}{number}", re.escape(host.name) + number
    return re.fullmatch(f"{by_uuid}|{by_name}", volume) is not None


def why_not_own(
    host: libvirt_xml.Domain, disk: libvirt_xml.Disk, volume: str | None, pool: str
) -> str | None:
    """Why a disk is none that was made for the host, nor its media; None when it is one."""
    media = is_media_of(host, disk)
    if disk.device != "disk" and not media:
        return f"it is in a {disk.device} drive"
    if volume is None:
        return f"it is not in pool {pool}"
    if not (media or is_named_for(host, volume)):
        return "it was not made for this host"
    return None


def _why_needed(
    volume: str,
    others: Sequence[libvirt_xml.Domain],
    pool: PoolFacts,
    images: Mapping[str, tuple[str, ...]],
) -> str | None:
    """Who else needs a volume of the agent's pool, None when nobody does."""
    path = f"{pool.path}/{volume}"
    for other in others:
        for disk in other.disks:
            chain = (disk.path, *disk.backing, *images.get(disk.path or "", ()))
            if path in chain or pool_volume(disk, pool) == volume:
                return f"host {other.name} uses it"
    for overlay, backing in pool.backing.items():
        if path in backing:
            return f"volume {overlay} is laid over it"
    return None
