"""The plans that put an image into a host's drive and take it out. Pure: facts in, a plan out."""

from itertools import count, product
from string import ascii_lowercase
from xml.etree import ElementTree

from agent.config import Config
from agent.errors import NotFound, WrongState
from agent.hypervisor.facts import DomainDetails, PoolFacts
from agent.plans.disks import has_media, media_drive, media_volume
from agent.plans.plan import Plan, Step
from agent.tools.commands import curl, files
from agent.tools.commands.virsh import MEDIA_URI, Virsh

_GIB = 1 << 30


def insert(url: str, host: DomainDetails, pool: PoolFacts, config: Config) -> Plan:
    """Plan to fetch an image and put it into a drive of a host, whether that runs or not.

    Raises WrongState when there is one in it already.
    """
    name, uuid = host.kept.name, host.kept.uuid
    if has_media(host.kept):
        source = f", from {host.kept.media}" if host.kept.media else ""
        raise WrongState(f"host {name!r} has media already{source}; take it out first")
    virsh = Virsh(config.libvirt_uri)
    volume = media_volume(name, uuid)
    image = f"{pool.path}/{volume}"
    # Not into the pool at once, which libvirt alone may write to.
    fetched = f"{config.state_dir}/{uuid}.media"
    return Plan(
        f"put media into host {name}",
        (
            Step(
                f"make volume {volume}",
                virsh.vol_create_empty(pool.name, volume),
                (virsh.vol_delete(pool.name, volume),),
            ),
            Step(
                f"fetch {url}",
                curl.fetch(url, fetched, config.media_gb * _GIB),
                (files.delete(fetched),),
            ),
            Step("copy it into the volume", virsh.vol_upload(pool.name, volume, fetched)),
            Step("delete what was fetched", files.delete(fetched)),
            Step(
                "note where it is from",
                virsh.note_media(uuid, url),
                (virsh.forget(uuid, MEDIA_URI),),
            ),
            Step(
                f"put the volume into a drive of domain {name}",
                virsh.attach_device(uuid, drive_xml(image, host)),
                (virsh.detach_disk(uuid, image),),
            ),
        ),
        once=image,
    )


def eject(host: DomainDetails, config: Config) -> Plan:
    """Plan to take the media out of a host and delete it. It can be run again from any point.

    The note goes last: it tells that there is media while any of it is left. Raises NotFound when
    there is none.
    """
    name, uuid = host.kept.name, host.kept.uuid
    if not has_media(host.kept):
        raise NotFound(f"host {name!r} has no media")
    virsh = Virsh(config.libvirt_uri)
    drive = media_drive(host.kept)
    image = "" if drive is None else drive.path or ""
    volume = image.rpartition("/")[2] or media_volume(name, uuid)
    steps = []
    if drive is not None:
        does = f"take the drive out of domain {name}"
        steps.append(Step(does, virsh.detach_disk(uuid, image)))
    steps += [
        Step(f"delete volume {volume}", virsh.vol_delete(config.pool, volume)),
        Step("forget where it is from", virsh.forget(uuid, MEDIA_URI)),
    ]
    return Plan(f"take media out of host {name}", tuple(steps))


def drive_xml(image: str, host: DomainDetails) -> str:
    """The definition of a drive with an image in it, in a place that a host has free.

    On the controller of the host's disks, and like each of them a target of its own: SATA has no
    hot plug, and what QEMU has on USB is a hard disk to the BIOS and to the guest.
    """
    place, name = _free_place(host)
    disk = ElementTree.Element("disk", type="file", device="cdrom")
    ElementTree.SubElement(disk, "driver", name="qemu", type="raw")
    ElementTree.SubElement(disk, "source", file=image)
    ElementTree.SubElement(disk, "target", dev=name, bus="scsi")
    ElementTree.SubElement(disk, "readonly")
    address = {"controller": "0", "bus": "0", "target": str(place), "unit": "0"}
    ElementTree.SubElement(disk, "address", {"type": "drive", **address})
    ElementTree.indent(disk)
    return ElementTree.tostring(disk, "unicode") + "\n"


def _free_place(host: DomainDetails) -> tuple[int, str]:
    """The first name for a disk, of sda, sdb and so on, that no disk has, and its place from 0."""
    used = {disk.target for form in (host.definition, host.kept) for disk in form.disks}
    names = (
        f"sd{''.join(letters)}"
        for length in count(1)
        for letters in product(ascii_lowercase, repeat=length)
    )
    return next((place, name) for place, name in enumerate(names) if name not in used)
