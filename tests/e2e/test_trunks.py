"""Trunks: networks whose VLANs come tagged, as ovs-vsctl sees the ports of their hosts."""

from collections.abc import Callable
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .faults import Faults
from .stack import BRIDGE, V10, define_network, on_bridge, own, virsh

NAME = own("ns")
UPLINK, ALL_TAGGED = own("uplink"), own("all-tagged")
# With nothing to boot from: to look for a network boot takes a whole processor.
HOST = {"memory": 64, "disks": [], "networks": [V10, UPLINK, ALL_TAGGED], "boot": ["disk"]}
ASKED = {UPLINK: {"vlan": 10, "trunk": [30, 20]}, ALL_TAGGED: {"trunk": [20, 40]}}
# By network: `vlan` and `trunk` of its cards, and what Open vSwitch has of their ports.
SHOWN: dict[str, tuple[int | None, list[int] | None]] = {
    V10: (10, None),
    UPLINK: (10, [30, 20]),
    ALL_TAGGED: (None, [20, 40]),
}
PORTS = {
    V10: ("10", "[]", "[]"),
    UPLINK: ("10", "[10, 20, 30]", "native-untagged"),
    ALL_TAGGED: ("[]", "[20, 40]", "[]"),
}
# What else the port of a card may have, by network.
WRONG = (
    *((V10, "trunks=30"), (V10, "vlan_mode=native-untagged"), (ALL_TAGGED, "tag=20")),
    *((UPLINK, "trunks=10,20"), (UPLINK, "vlan_mode=native-tagged")),
)
# What `virsh` is replaced by, to have a port changed right after a start.
CHANGED = """#!/bin/sh
PATH=${{PATH#*:}}
virsh "$@" || exit
case " $* " in
*" start "*) ovs-vsctl --timeout=10 set Port {port} {setting} ;;
esac
"""


def _vlans(port: str) -> tuple[str, ...]:
    """The tag, the trunks and the mode of a port."""
    return tuple(
        stack.vsctl("get", "Port", port, column) for column in ("tag", "trunks", "vlan_mode")
    )


def _ports(host: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What Open vSwitch has of the ports of a host, by network."""
    return {card["network"]: _vlans(card["port"]) for card in host["interfaces"]}


def _shown(host: dict[str, Any]) -> dict[str, tuple[int | None, list[int] | None]]:
    """What is shown of the cards of a host, by network."""
    return {card["network"]: (card["vlan"], card["trunk"]) for card in host["interfaces"]}


def _make_networks(agent: Agent) -> None:
    for name, vlans in ASKED.items():
        made = agent.post("networks", name, body={"bridge": BRIDGE, **vlans})
        assert made.status == 200


def test_trunks_are_made_shown_used_and_removed(agent: Agent) -> None:
    """Beside access ports on one host, which is shown the same running and off."""
    with stack.unchanged():
        _make_networks(agent)
        for name, vlans in ASKED.items():
            shown = agent.get("networks", name).body
            assert (shown["vlan"], shown["trunk"]) == SHOWN[name]
            assert shown["vlan"] == vlans.get("vlan")
        made = agent.post("hosts", NAME, body=HOST)
        assert made.status == 200
        assert (_shown(made.body), _ports(made.body)) == (SHOWN, PORTS)
        (card,) = [card for card in made.body["interfaces"] if card["network"] == UPLINK]
        assert agent.get("networks", UPLINK).body["ports"] == [
            {"host": NAME, "mac": card["mac"], "port": card["port"]}
        ]
        stopped = agent.request("PUT", f"/hosts/{NAME}/stop").body
        assert (_shown(stopped), stack.ports()) == (SHOWN, set())
        started = agent.request("PUT", f"/hosts/{NAME}/start").body
        assert (_shown(started), _ports(started)) == (SHOWN, PORTS)
        assert agent.delete("networks", UPLINK).status == 409
        assert agent.delete("hosts", NAME).status == 200
        for name in ASKED:
            assert agent.delete("networks", name).status == 200


@pytest.mark.parametrize(
    ("vlan", "shown", "port"),
    [
        ("<vlan><tag id='10'/><tag id='20'/></vlan>", (None, [10, 20]), ("[]", "[10, 20]", "[]")),
        (
            "<vlan trunk='yes'><tag id='20'/></vlan>",
            (None, [20]),
            ("[]", "[20]", "[]"),
        ),
        (
            "<vlan trunk='yes'><tag id='20'/><tag id='10' nativeMode='tagged'/></vlan>",
            (10, [20, 10]),
            ("10", "[10, 20]", "native-tagged"),
        ),
        ("", (None, None), ("[]", "[]", "[]")),
    ],
    ids=["several tags", "one tag", "native tagged", "no VLAN"],
)
def test_a_trunk_that_was_made_by_hand(agent: Agent, vlan: str, shown: Any, port: Any) -> None:
    """It is shown, and a host can be made on it, stopped and started again."""
    define_network(UPLINK, on_bridge(vlan))
    network = agent.get("networks", UPLINK).body
    assert (network["vlan"], network["trunk"]) == shown
    made = agent.post("hosts", NAME, body={**HOST, "networks": [UPLINK]})
    assert made.status == 200
    assert (_shown(made.body), _ports(made.body)) == ({UPLINK: shown}, {UPLINK: port})
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200
    started = agent.request("PUT", f"/hosts/{NAME}/start")
    assert (started.status, _ports(started.body)) == (200, {UPLINK: port})


def test_a_port_with_other_vlans_stops_the_host(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """As a stale one has them; the answer names the command that did not find its own."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=2)
    _make_networks(agent)
    made = agent.post("hosts", NAME, body=HOST).body
    port = {card["network"]: card["port"] for card in made["interfaces"]}
    assert agent.put("hosts", NAME, "stop").status == 200
    with stack.unchanged():
        for network, setting in WRONG:
            faults.replace("virsh", CHANGED.format(port=port[network], setting=setting))
            answer = agent.put("hosts", NAME, "start")
            assert answer.status == 503, setting
            assert " wait-until Port " in answer.body["command"]
            assert virsh("domstate", "--reason", NAME).strip() == "shut off (destroyed)"
