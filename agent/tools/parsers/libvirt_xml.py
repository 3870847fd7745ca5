"""The XML in which libvirt describes domains, networks, pools and volumes."""

from dataclasses import dataclass
from xml.etree import ElementTree

from agent.errors import InvalidOutput


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of a domain.

    device: "disk", "cdrom", "floppy" or "lun". path: its image, None where it has no file.
    backing: the images under it that libvirt names, which it does for a running domain.
    """

    target: str
    device: str
    path: str | None
    pool: str | None
    volume: str | None
    backing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card of a domain: what it is attached to, and its port on the hypervisor.

    bridge and vlan are known of a running domain alone; before, they are its network's.
    """

    mac: str
    network: str | None
    bridge: str | None
    vlan: int | None
    port: str | None


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain's definition, running or kept. kernel: it boots from a kernel, not a disk."""

    name: str
    uuid: str
    memory_mib: int
    vcpus: int
    kernel: bool
    on_reboot: str
    disks: tuple[Disk, ...]
    interfaces: tuple[Interface, ...]
    console_log: str | None

    @property
    def installs(self) -> bool:
        """Whether it is the form that virt-install boots an installer in."""
        return self.kernel or self.on_reboot == "destroy"


@dataclass(frozen=True, slots=True)
class Network:
    """A network's definition.

    bridge: the bridge that hosts are attached to. tags: its VLAN tags; trunk: all of them
    pass, tagged. openvswitch: the bridge is one of Open vSwitch's.
    """

    name: str
    uuid: str
    bridge: str | None
    openvswitch: bool
    tags: tuple[int, ...]
    trunk: bool

    @property
    def vlan(self) -> int | None:
        """The tag of its access ports, None where they have none."""
        return self.tags[0] if len(self.tags) == 1 and not self.trunk else None


def domain(text: str) -> Domain:
    """`dumpxml`: one domain."""
    root = _root(text, "domain")
    devices = root.find("devices")
    found = devices if devices is not None else ElementTree.Element("devices")
    log = found.find("serial/log")
    return Domain(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        memory_mib=_kib(root, "memory") // 1024,
        vcpus=_integer(root, "vcpu"),
        kernel=root.find("os/kernel") is not None,
        on_reboot=root.findtext("on_reboot", ""),
        disks=tuple(_disk(disk) for disk in found.findall("disk")),
        interfaces=tuple(_interface(interface) for interface in found.findall("interface")),
        console_log=None if log is None else log.get("file"),
    )


def network(text: str) -> Network:
    """`net-dumpxml`: one network."""
    root = _root(text, "network")
    bridge = root.find("bridge")
    port = root.find("virtualport")
    vlan = root.find("vlan")
    return Network(
        name=_text(root, "name"),
        uuid=_text(root, "uuid"),
        bridge=None if bridge is None else bridge.get("name"),
        openvswitch=port is not None and port.get("type") == "openvswitch",
        tags=_tags(vlan),
        trunk=vlan is not None and vlan.get("trunk") == "yes",
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
    at = {} if source is None else source.attrib
    backing = tuple(
        path
        for path in (store.get("file") for store in disk.findall(".//backingStore/source"))
        if path is not None
    )
    return Disk(
        target="" if target is None else target.get("dev", ""),
        device=disk.get("device", "disk"),
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
    tags = _tags(interface.find("vlan"))
    return Interface(
        mac="" if mac is None else mac.get("address", ""),
        network=at.get("network"),
        bridge=at.get("bridge"),
        vlan=tags[0] if len(tags) == 1 else None,
        port=None if port is None else port.get("dev"),
    )


def _tags(vlan: ElementTree.Element | None) -> tuple[int, ...]:
    if vlan is None:
        return ()
    return tuple(int(tag.get("id", "0")) for tag in vlan.findall("tag"))
