"""The plans that make and remove networks. Pure: a request and facts in, a plan out."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from agent.config import Config
from agent.errors import AlreadyExists, FieldError, InUse, InvalidRequest
from agent.plans.plan import Plan, Step
from agent.tools.commands.virsh import Virsh
from agent.tools.parsers import libvirt_xml


@dataclass(frozen=True, slots=True)
class NetworkRequest:
    """A network that a client asks for: ports of VLANs on an Open vSwitch bridge.

    vlan: whose frames come without a tag, None for none. trunk: the VLANs that come tagged, empty
    for access ports.
    """

    name: str
    bridge: str
    vlan: int | None
    trunk: tuple[int, ...] = ()


def create(
    request: NetworkRequest,
    names: Collection[str],
    bridges: Collection[str],
    config: Config,
    uuid: str,
) -> Plan:
    """Plan a new network that is there again after a reboot.

    names: of all networks. bridges: those that Open vSwitch has. uuid: of the network that
    will be.
    Raises AlreadyExists, and InvalidRequest for a bridge that is not there: libvirt would
    start the network all the same, and only its hosts would fail.
    """
    if request.name in names:
        raise AlreadyExists(f"there is a network {request.name!r} already")
    if request.bridge not in bridges:
        has = ", ".join(sorted(bridges)) or "none"
        raise InvalidRequest(
            [FieldError("bridge", f"Open vSwitch has no bridge {request.bridge!r}; it has {has}")]
        )
    virsh = Virsh(config.libvirt_uri)
    return Plan(
        f"create network {request.name}",
        (
            Step(
                f"define network {request.name}: {_vlans(request)} on {request.bridge}",
                virsh.net_define(network_xml(request, uuid)),
                (virsh.net_undefine(uuid),),
            ),
            Step("start it", virsh.net_start(uuid), (virsh.net_destroy(uuid),)),
            Step("have it started with the hypervisor", virsh.net_autostart(uuid)),
        ),
    )


def delete(
    network: libvirt_xml.Network, domains: Sequence[libvirt_xml.Domain], config: Config
) -> Plan:
    """Plan the end of a network. It can be run again from any point.

    domains: every definition of every domain. Raises InUse when one has a card on it.
    """
    hosts = sorted(
        {
            domain.name
            for domain in domains
            if any(card.network == network.name for card in domain.interfaces)
        }
    )
    if hosts:
        raise InUse(
            f"network {network.name!r} is used by {_some(hosts)}; delete"
            f" {'it' if len(hosts) == 1 else 'them'} first"
        )
    virsh = Virsh(config.libvirt_uri)
    return Plan(
        f"delete network {network.name}",
        (
            Step(f"stop network {network.name}", virsh.net_destroy(network.uuid)),
            Step(f"undefine network {network.name}", virsh.net_undefine(network.uuid)),
        ),
    )


def network_xml(request: NetworkRequest, uuid: str) -> str:
    """The network's definition for libvirt."""
    root = ElementTree.Element("network")
    ElementTree.SubElement(root, "name").text = request.name
    ElementTree.SubElement(root, "uuid").text = uuid
    ElementTree.SubElement(root, "forward", mode="bridge")
    ElementTree.SubElement(root, "bridge", name=request.bridge)
    ElementTree.SubElement(root, "virtualport", type="openvswitch")
    vlan = ElementTree.SubElement(root, "vlan", {"trunk": "yes"} if request.trunk else {})
    if request.vlan is not None:
        native = {"nativeMode": "untagged"} if request.trunk else {}
        ElementTree.SubElement(vlan, "tag", {"id": str(request.vlan), **native})
    for tag in request.trunk:
        ElementTree.SubElement(vlan, "tag", id=str(tag))
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode") + "\n"


def _vlans(request: NetworkRequest) -> str:
    tagged = f"VLANs {', '.join(map(str, request.trunk))} tagged" if request.trunk else ""
    untagged = f"VLAN {request.vlan}" if request.vlan is not None else ""
    return " and ".join(filter(None, (untagged, tagged)))


def _some(hosts: Sequence[str]) -> str:
    shown = ", ".join(hosts[:5])
    more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
    return f"host{'s' if len(hosts) > 1 else ''} {shown}{more}"
