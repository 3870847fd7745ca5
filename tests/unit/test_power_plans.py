"""Every verb in every state: the whole plan, or the whole error."""

from dataclasses import replace
from typing import Any

import pytest

from agent.config import Config
from agent.errors import WrongState
from agent.hypervisor.facts import PowerFacts
from agent.plans.plan import Plan, Step
from agent.plans.power import VERBS, power, would_end_installer
from agent.tools.command import Command
from agent.tools.commands.virsh import NO_DOMAIN
from agent.tools.parsers.libvirt_xml import Domain, Interface, Network, Vlan

UUID = "6f1c1c3e-0000-4000-8000-000000000001"
CONFIG = Config()
STATES = (
    *("no state", "running", "idle", "paused"),
    *("in shutdown", "shut off", "crashed", "pmsuspended"),
)
DOMAIN = Domain(
    name="ns",
    uuid=UUID,
    memory_mib=64,
    vcpus=1,
    kernel=False,
    on_reboot="restart",
    disks=(),
    interfaces=(),
    console_log=None,
)


def virsh(*words: str, tolerates: tuple[str, ...] = ()) -> Command:
    return Command(("virsh", "--connect=qemu:///system", *words), None, tolerates)


DESTROY = virsh(*("destroy", f"--domain={UUID}"), tolerates=("domain is not running", *NO_DOMAIN))
START = Step(
    "start domain ns",
    virsh("start", f"--domain={UUID}", tolerates=("Domain is already active",)),
    (DESTROY,),
)
COMMANDS = {
    "start": START,
    "shutdown": Step("shutdown domain ns", virsh("shutdown", f"--domain={UUID}", "--mode=acpi")),
    "stop": Step("stop domain ns", DESTROY),
    "reboot": Step("reboot domain ns", virsh("reboot", f"--domain={UUID}", "--mode=acpi")),
    "reset": Step("reset domain ns", virsh("reset", f"--domain={UUID}")),
}
# What each verb does in each of STATES: its command, nothing, or a refusal.
DOES, NOTHING, REFUSES = "does", "nothing", "refuses"
TABLE = {
    "start": (REFUSES, NOTHING, NOTHING, REFUSES, REFUSES, DOES, REFUSES, REFUSES),
    "shutdown": (REFUSES, DOES, DOES, REFUSES, DOES, REFUSES, REFUSES, REFUSES),
    "stop": (DOES, DOES, DOES, DOES, DOES, NOTHING, DOES, DOES),
    "reboot": (REFUSES, DOES, DOES, REFUSES, REFUSES, REFUSES, REFUSES, REFUSES),
    "reset": (REFUSES, DOES, DOES, DOES, DOES, REFUSES, REFUSES, REFUSES),
}
TAKES = {
    "start": "'shut off' or 'running' or 'idle'",
    "shutdown": "'running' or 'idle' or 'in shutdown'",
    "reboot": "'running' or 'idle'",
    "reset": "'running' or 'idle' or 'paused' or 'in shutdown'",
}
CASES = [
    (verb, state, outcome)
    for verb, outcomes in TABLE.items()
    for state, outcome in zip(STATES, outcomes, strict=True)
]


def facts(
    state: str,
    *cards: tuple[str | None, str | None],
    stale: tuple[str, ...] = (),
    networks: tuple[Network, ...] = (),
) -> PowerFacts:
    """A domain in a state. cards: the port and the network of each."""
    interfaces = tuple(
        Interface(f"52:54:00:00:00:0{number}", network, None, None, port)
        for number, (port, network) in enumerate(cards)
    )
    by_name = {network.name: network for network in networks}
    return PowerFacts(state, replace(DOMAIN, interfaces=interfaces), by_name, stale)


def network(name: str, *tags: int, openvswitch: bool = True, **more: Any) -> Network:
    return Network(name, f"uuid of {name}", "br0", openvswitch, Vlan(tags, **more))


def ovs(*words: str) -> Command:
    return Command(("ovs-vsctl", "--timeout=10", *words))


def test_the_table_has_every_verb() -> None:
    assert tuple(TABLE) == VERBS


@pytest.mark.parametrize(("verb", "state", "outcome"), CASES)
def test_a_verb_in_a_state(verb: str, state: str, outcome: str) -> None:
    if outcome == REFUSES:
        with pytest.raises(WrongState) as caught:
            power(verb, facts(state), CONFIG)
        assert caught.value.detail == (
            f"host 'ns' is in state '{state}', and {verb} takes one that is {TAKES[verb]}"
        )
    else:
        steps = (COMMANDS[verb],) if outcome == DOES else ()
        assert power(verb, facts(state), CONFIG) == Plan(f"{verb} host ns", steps, leave=True)


@pytest.mark.parametrize("verb", ["shutdown", "stop", "reboot", "reset"])
def test_ports_are_for_a_start_alone(verb: str) -> None:
    cards = facts("running", ("h1-0", "v10"), stale=("vnet0",), networks=(network("v10", 10),))
    assert power(verb, cards, CONFIG).steps == (COMMANDS[verb],)


def test_a_start_sees_that_each_port_has_its_vlans() -> None:
    """Those whose name and VLANs are known, on a bridge of Open vSwitch."""
    networks = (
        network("v10", 10),
        network("untagged"),
        network("trunk", 20, 10, trunk=True),
        network("native", 10, 20, trunk=True, native=10, native_mode="untagged"),
        network("nat", openvswitch=False),
    )
    cards = (
        *(("h1-0", "v10"), ("h1-1", "untagged"), ("h1-2", "trunk"), ("h1-3", "native")),
        *(
            ("h1-4", "nat"),
            ("h1-5", "gone"),
            ("h1-6", None),
            (None, "v10"),
            ("vnet0", "v10"),
            ("h1-8", "v10"),
        ),
    )
    check = Step(
        "see that each port has its VLANs",
        ovs(
            *("wait-until", "Port", "h1-0", "tag=10", "trunks=[]", "vlan_mode=[]"),
            *("--", "wait-until", "Port", "h1-1", "tag=[]", "trunks=[]", "vlan_mode=[]"),
            *("--", "wait-until", "Port", "h1-2", "tag=[]", "trunks=[10,20]", "vlan_mode=[]"),
            *("--", "wait-until", "Port", "h1-3", "tag=10", "trunks=[10,20]"),
            "vlan_mode=native-untagged",
            *("--", "wait-until", "Port", "h1-8", "tag=10", "trunks=[]", "vlan_mode=[]"),
        ),
    )
    plan = power("start", facts("shut off", *cards, networks=networks), CONFIG)
    assert plan == Plan("start host ns", (START, check), leave=True)


def test_a_start_removes_the_stale_ports_that_it_could_get() -> None:
    """Its own, and those that libvirt would name the port of a card without a name after."""
    stale = ("h1-0", "h2-0", "vnet0", "vnet12", "tap0")
    cards = facts("shut off", ("h1-0", "v10"), stale=stale, networks=(network("v10", 10),))
    remove = Step(
        "remove ports that a crash left behind",
        ovs(
            *("--", "--if-exists", "del-port", "h1-0"),
            *("--", "--if-exists", "del-port", "vnet0"),
            *("--", "--if-exists", "del-port", "vnet12"),
        ),
    )
    check = Step(
        "see that each port has its VLANs",
        ovs("wait-until", "Port", "h1-0", "tag=10", "trunks=[]", "vlan_mode=[]"),
    )
    plan = power("start", cards, CONFIG)
    assert plan == Plan("start host ns", (remove, START, check), leave=True)


@pytest.mark.parametrize("verb", ["shutdown", "reboot", "reset"])
def test_a_verb_that_would_end_an_installer(verb: str) -> None:
    assert would_end_installer(verb, facts("running")).detail == (
        f"host 'ns' is in state 'running' and runs its installer, which {verb} would interrupt;"
        " stop ends the install"
    )
