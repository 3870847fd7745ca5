"""The XML in which libvirt describes domains, networks, pools, volumes and snapshots."""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from agent.errors import InvalidOutput
from agent.tools.commands.virsh import BOOT_URI, MEDIA_URI

_MAC = re.compile(r"<mac address='([0-9A-Fa-f:]+)'")


@dataclass(frozen=True, slots=True)
class Vlan:
    """The VLANs of a network or a card.

    tags: all of them, the native one included. trunk: they come tagged. native: of a trunk, the
    VLAN of frames without a tag; native_mode: "untagged" or "tagged", as its own frames leave.
    """

    tags: tuple[int, ...] = ()
    trunk: bool = False
    native: int | None = None
    native_mode: str | None = None

    @property
    def untagged(self) -> int | None:
        """The VLAN whose frames come without a tag, None where there is none."""
        return self.native if self.trunk else next(iter(self.tags), None)

    @property
    def tagged(self) -> tuple[int, ...] | None:
        """The VLANs whose frames come with a tag, None for an access port."""
        if not self.trunk:
            return None
        native = self.native if self.native_mode == "untagged" else None
        return tuple(tag for tag in self.tags if tag != native)


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a domain.

    device: "disk", "cdrom", "floppy" or "lun". path: its image, None where it has no file.
    format: of its image, as "qcow2" or "raw", None where the definition does not say.
    backing: the images under it that libvirt names, which it does for a running domain.
    """

    target: str
    device: str
    path: str | None
    pool: str | None
    volume: str | None
    backing: tuple[str, ...]
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card of a domain: what it is attached to, and its port on the hypervisor.

    bridge and vlan are known of a running domain alone; before, they are its network's.
    """

    mac: str
    network: str | None
    bridge: str | None
    vlan: Vlan | None
    port: str | None


@dataclass(frozen=True, slots=True)
class BootOverride:
    """What a domain is to boot from other than usual, in Redfish's words.

    enabled: "Once" or "Continuous". target: "Pxe", "Hdd" or "Cd". before: what it booted from until
    then, in order.
    """

    enabled: str
    target: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain's definition, running or kept.

    kernel: it boots from a kernel, not a disk. boot: what it boots from, in order: "disk",
    "network" or "cdrom". device_boot: it has that of single devices, and not of kinds.
    media: where the image in its drive was fetched from, and override: what it is to boot from
    otherwise; the agent notes both there. topology: sockets, cores in a socket and threads in a
    core, None where it has none of its own: then each processor is a socket. uefi: it has that in
    place of a BIOS. scsi: the model of its SCSI controller, None without one.
    """

    name: str
    uuid: str
    memory_mib: int
    vcpus: int
    kernel: bool
    on_reboot: str
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...]
    console_log: str | None
    boot: tuple[str, ...] = ()
    device_boot: bool = False
    media: str | None = None
    override: BootOverride | None = None
    arch: str = ""
    topology: tuple[int, int, int] | None = None
    uefi: bool = False
    scsi: str | None = None

    @property
    def installs(self) -> bool:
        """Whether it is the form that virt-install boots an installer in."""
        return self.kernel or self.on_reboot == "destroy"


@dataclass(frozen=True, slots=True)
class Network:
    """A network's definition.

    bridge: the bridge that hosts are attached to. openvswitch: it is one of Open vSwitch's.
    """

    name: str
    uuid: str
    bridge: str | None
    openvswitch: bool
    vlan: Vlan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a domain, and the domain's definition at its time.

    state: the domain's, in virsh's words, or "disk-snapshot" for one of disks alone, which does not
    say. created: in seconds since 1970. external: it is not in the domain's own disks alone.
    """

    name: str
    state: str
    created: int
    external: bool
    domain: Domain


def domain(text: str) -> Domain:
    """`dumpxml`: one domain."""
    return _domain(_root(text, "domain"))


def snapshot(text: str) -> Snapshot:
    """`snapshot-dumpxml`: one snapshot."""
    root = _root(text, "domainsnapshot")
    kept = root.find("domain")
    if kept is None:
        raise InvalidOutput("virsh", text, "no <domain>")
    parts = (*root.findall("memory"), *root.findall("disks/disk"))
    state = _text(root, "state")
    return Snapshot(
        name=_text(root, "name"),
        state=_STATES.get(state, state),
        created=_integer(root, "creationTime"),
        external=any(part.get("snapshot") == "external" for part in parts),
        domain=_domain(kept),
    )


# What libvirt calls states in XML, where virsh prints other words.
_STATES = {
    "nostate": "no state",
    "blocked": "idle",
    "shutdown": "in shutdown",
    "shutoff": "shut off",
}


def macs(text: str) -> frozenset[str]:
    """`dumpxml`, of several as well: the MACs of the domains' cards, in lower case.

    Not by way of `domain`: this is read of every domain before a host is made.
    """
    return frozenset(mac.lower() for mac in _MAC.findall(text))


def _domain(root: ElementTree.Element) -> Domain:
    devices = root.find("devices")
    found = devices if devices is not None else ElementTree.Element("devices")
    log = found.find("serial/log")
    kinds, of_devices = _boot(root, found)
    scsi = found.find("controller[@type='scsi']")
    return Domain(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        memory_mib=_kib(root, "memory") // 1024,
        vcpus=_integer(root, "vcpu"),
        kernel=root.find("os/kernel") is not None,
        on_reboot=root.findtext("on_reboot", ""),
        boot=kinds,
        device_boot=of_devices,
        media=root.findtext(f"metadata/{{{MEDIA_URI}}}image"),
        override=_override(root.find(f"metadata/{{{BOOT_URI}}}override")),
        arch=_attribute(root.find("os/type"), "arch"),
        topology=_topology(root.find("cpu/topology")),
        uefi=root.find("os/loader[@type='pflash']") is not None
        or _attribute(root.find("os"), "firmware") == "efi",
        scsi=None if scsi is None else scsi.get("model", "scsi"),
        disks=tuple(_disk(disk) for disk in found.findall("disk")),
        interfaces=tuple(_interface(interface) for interface in found.findall("interface")),
        console_log=None if log is None else log.get("file"),
    )


def network(text: str) -> Network:
    """`net-dumpxml`: one network."""
    root = _root(text, "network")
    bridge = root.find("bridge")
    port = root.find("virtualport")
    return Network(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        bridge=None if bridge is None else bridge.get("name"),
        openvswitch=port is not None and port.get("type") == "openvswitch",
        vlan=_vlan(root.find("vlan")) or Vlan(),
    )


def network_port(text: str) -> tuple[str, str]:
    """`net-port-dumpxml`: the name of the domain that the port belongs to, and its MAC."""
    root = _root(text, "networkport")
    mac = root.find("mac")
    return _text(root, "owner/name"), "" if mac is None else mac.get("address", "")


def pool_path(text: str) -> str:
    """`pool-dumpxml`: the folder of the pool."""
    return _text(_root(text, "pool"), "target/path")


def volume_backing(text: str) -> tuple[str, ...]:
    """`vol-dumpxml`: the images that the volume is laid over."""
    root = _root(text, "volume")
    return tuple(path.text for path in root.findall("backingStore/path") if path.text)


def _root(text: str, tag: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise InvalidOutput("virsh", text, f"no XML: {error}") from error
    # Nothing but libvirt's own kinds of disk and network devices is expected here.
    if root.tag != tag:
        raise InvalidOutput("virsh", text, f"no <{tag}>")
    return root


def _text(root: ElementTree.Element, path: str) -> str:
    text = root.findtext(path)
    if not text:
        raise InvalidOutput("virsh", ElementTree.tostring(root, "unicode"), f"no <{path}>")
    return text


def _integer(root: ElementTree.Element, path: str) -> int:
    text = _text(root, path)
    if not text.strip().isdigit():
        raise InvalidOutput("virsh", text, f"<{path}> is no number")
    return int(text)


def _kib(root: ElementTree.Element, path: str) -> int:
    element = root.find(path)
    if element is not None and element.get("unit", "KiB") != "KiB":
        raise InvalidOutput("virsh", ElementTree.tostring(element, "unicode"), "not in KiB")
    return _integer(root, path)


def _disk(disk: ElementTree.Element) -> Disk:
    source = disk.find("source")
    target = disk.find("target")
    driver = disk.find("driver")
    at = {} if source is None else source.attrib
    backing = tuple(
        path
        for path in (store.get("file") for store in disk.findall(".//backingStore/source"))
        if path is not None
    )
    return Disk(
        target="" if target is None else target.get("dev", ""),
        device=disk.get("device", "disk"),
        format=None if driver is None else driver.get("type"),
        path=at.get("file") or at.get("dev"),
        pool=at.get("pool"),
        volume=at.get("volume"),
        backing=backing,
    )


def _interface(interface: ElementTree.Element) -> Interface:
    source = interface.find("source")
    at = {} if source is None else source.attrib
    mac = interface.find("mac")
    port = interface.find("target")
    return Interface(
        mac="" if mac is None else mac.get("address", ""),
        network=at.get("network"),
        bridge=at.get("bridge"),
        vlan=_vlan(interface.find("vlan")),
        port=None if port is None else port.get("dev"),
    )


def _vlan(vlan: ElementTree.Element | None) -> Vlan | None:
    if vlan is None:
        return None
    tags = vlan.findall("tag")
    native = next((tag for tag in tags if tag.get("nativeMode")), None)
    return Vlan(
        tags=tuple(int(tag.get("id", "0")) for tag in tags),
        # libvirt makes a trunk of several tags by itself.
        trunk=vlan.get("trunk") == "yes" or len(tags) > 1,
        native=None if native is None else int(native.get("id", "0")),
        native_mode=None if native is None else native.get("nativeMode"),
    )


def _override(note: ElementTree.Element | None) -> BootOverride | None:
    if note is None:
        return None
    before = tuple(note.get("before", "").split())
    return BootOverride(note.get("enabled", ""), note.get("target", ""), before)


def _topology(topology: ElementTree.Element | None) -> tuple[int, int, int] | None:
    if topology is None:
        return None
    sockets, dies, cores, threads = (
        int(topology.get(name, "1")) for name in ("sockets", "dies", "cores", "threads")
    )
    return sockets, dies * cores, threads


def _attribute(element: ElementTree.Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")


# What libvirt boots from, in the words of the API.
_BOOT = {"hd": "disk", "network": "network", "cdrom": "cdrom"}


def _boot(root: ElementTree.Element, devices: ElementTree.Element) -> tuple[tuple[str, ...], bool]:
    """What a domain boots from, in order, and whether that is said of single devices."""
    kinds = [_BOOT.get(boot.get("dev", "")) for boot in root.findall("os/boot")]
    ordered = [
        (int(boot.get("order", "0")), _kind(device))
        for device in devices
        for boot in device.findall("boot")
    ]
    kinds += [kind for _, kind in sorted(ordered, key=lambda each: each[0])]
    return tuple(dict.fromkeys(kind for kind in kinds if kind is not None)), bool(ordered)


def _kind(device: ElementTree.Element) -> str | None:
    if device.tag == "interface":
        return "network"
    if device.tag == "disk":
        return {"disk": "disk", "lun": "disk", "cdrom": "cdrom"}.get(device.get("device", "disk"))
    return None
