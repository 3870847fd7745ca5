"""The plans that start and stop hosts. Pure: a verb and facts in, a plan out."""

from agent.config import Config
from agent.errors import WrongState
from agent.hypervisor.facts import PowerFacts
from agent.plans.plan import Plan, Step
from agent.tools.commands.ovs_vsctl import OvsVsctl, Port
from agent.tools.commands.virsh import Virsh

# By verb: the states that it changes, and those that it finds as it should leave them.
_STATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "start": (("shut off",), ("running", "idle")),
    "shutdown": (("running", "idle", "in shutdown"), ()),
    "stop": (
        ("running", "idle", "paused", "in shutdown", "crashed", "pmsuspended", "no state"),
        ("shut off",),
    ),
    "reboot": (("running", "idle"), ()),
    "reset": (("running", "idle", "paused", "in shutdown"), ()),
}
VERBS = tuple(_STATES)
# An installer that one of these ends looks like one that has done its work.
ENDS_INSTALLER = ("shutdown", "reboot", "reset")


def power(verb: str, facts: PowerFacts, config: Config) -> Plan:
    """Plan a verb on a host; a plan without steps when it is in the state asked for.

    Raises WrongState when the verb does not fit the state.
    """
    name = facts.definition.name
    does = f"{verb} host {name}"
    changes, finds = _STATES[verb]
    if facts.state in finds:
        return Plan(does, (), leave=True)
    if facts.state not in changes:
        fits = " or ".join(repr(state) for state in (*changes, *finds))
        raise WrongState(
            f"host {name!r} is in state {facts.state!r}, and {verb} takes one that is {fits}"
        )
    virsh = Virsh(config.libvirt_uri)
    uuid = facts.definition.uuid
    if verb == "start":
        return Plan(does, tuple(_start(facts, virsh, config)), leave=True)
    command = {
        "shutdown": virsh.shutdown,
        "stop": virsh.destroy,
        "reboot": virsh.reboot,
        "reset": virsh.reset,
    }[verb](uuid)
    return Plan(does, (Step(f"{verb} domain {name}", command),), leave=True)


def would_end_installer(verb: str, facts: PowerFacts) -> WrongState:
    """The error for a verb that would end the installer of a host."""
    return WrongState(
        f"host {facts.definition.name!r} is in state {facts.state!r} with its installer, which"
        f" {verb} would end halfway; stop ends its install"
    )


def _start(facts: PowerFacts, virsh: Virsh, config: Config) -> list[Step]:
    ovs = OvsVsctl(int(config.ovs_vsctl_seconds))
    definition = facts.definition
    named = {card.port for card in definition.interfaces if card.port is not None}
    # libvirt names the port of a card that has no name of its own after the first free vnetN,
    # and a stale port of that name would keep its old tag.
    stale = [port for port in facts.stale_ports if port in named or port.startswith("vnet")]
    steps = []
    if stale:
        steps.append(Step("remove ports that a crash left behind", ovs.del_ports(stale)))
    steps.append(
        Step(
            f"start domain {definition.name}",
            virsh.start(definition.uuid),
            (virsh.destroy(definition.uuid),),
        )
    )
    tagged = [
        Port(card.port, network.vlan)
        for card in definition.interfaces
        if card.port is not None
        and (network := facts.networks.get(card.network or "")) is not None
        and network.openvswitch
        and not network.trunk
        and len(network.tags) <= 1
    ]
    if tagged:
        steps.append(
            Step("see that each access port has its VLAN tag", ovs.wait_until_tagged(tagged))
        )
    return steps
