"""The ports of hosts on Open vSwitch: their names, and the steps that see to their VLANs. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from agent.config import Config
from agent.hypervisor.facts import StartFacts
from agent.plans.plan import Step
from agent.tools.commands.ovs_vsctl import OvsVsctl, Port
from agent.tools.parsers import libvirt_xml


def port_name(uuid: str, index: int) -> str:
    """The port of a host's card, at most 15 characters as the kernel wants it.

    It is the host's own, and not libvirt's next free `vnetN`: a port that a crash left
    behind can then never be taken for it, and its VLANs can be checked by name.
    """
    return f"h{uuid.replace('-', '')[:10]}-{index}"


def port(name: str, network: libvirt_xml.Network) -> Port:
    """What Open vSwitch has of a port on a network."""
    vlan = network.vlan
    if not vlan.trunk:
        return Port(name, vlan.untagged)
    mode = None if vlan.native is None else f"native-{vlan.native_mode}"
    return Port(name, vlan.native, vlan.tags, mode)


def of_domain(
    definition: libvirt_xml.Domain, networks: Mapping[str, libvirt_xml.Network]
) -> list[Port]:
    """The ports that a domain has when it runs, as far as they have names of their own.

    networks: all of them, by name.
    """
    return [
        port(card.port, network)
        for card in definition.interfaces
        # libvirt replaces a name of its own, as the definition of one that runs has it.
        if card.port is not None
        and not card.port.startswith("vnet")
        and (network := networks.get(card.network or "")) is not None
        and network.openvswitch
    ]


def around_start(
    starts: Sequence[Step], definition: libvirt_xml.Domain, facts: StartFacts, config: Config
) -> tuple[Step, ...]:
    """Steps that start a domain, between those that see to it that its ports have their VLANs.

    definition: the form in which it is started.
    """
    return (
        *_without_stale(definition, facts.stale_ports, config),
        *starts,
        *proof(of_domain(definition, facts.networks), config),
    )


def _without_stale(
    definition: libvirt_xml.Domain, stale_ports: Iterable[str], config: Config
) -> list[Step]:
    """The step before a domain's start: no stale port can be taken for one of its own.

    stale_ports: the ports on any bridge of domains that run no more. libvirt names the port of
    a card that has no name of its own after the first free vnetN, and a stale port of that name
    would keep its old tag.
    """
    named = {card.port for card in definition.interfaces}
    stale = [name for name in stale_ports if name in named or name.startswith("vnet")]
    if not stale:
        return []
    does = "remove ports that a crash left behind"
    return [Step(does, OvsVsctl(int(config.ovs_vsctl_seconds)).del_ports(stale))]


def proof(ports: Sequence[Port], config: Config) -> list[Step]:
    """The step after a domain's start: each of its ports has come up with its VLANs."""
    if not ports:
        return []
    command = OvsVsctl(int(config.ovs_vsctl_seconds)).wait_until_tagged(ports)
    return [Step("see that each port has its VLANs", command)]
