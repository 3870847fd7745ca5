"""Networks, from POST to DELETE, as virsh sees them."""

from xml.etree import ElementTree

import pytest

from . import stack
from .daemon import Agent
from .stack import BRIDGE, V10, define_network, on_bridge, own, virsh

NAME = own("vlan:100")
BODY = {"bridge": BRIDGE, "vlan": 100}
EMPTY = {"memory": 64, "disks": [], "networks": []}


def _info(name: str) -> dict[str, str]:
    lines = virsh("net-info", name).splitlines()
    pairs = (line.partition(":") for line in lines if line)
    return {key: value.strip() for key, _, value in pairs}


def test_a_network_is_made_shown_and_removed(either_agent: Agent) -> None:
    """It is a persistent one of libvirt's on the bridge, with the tag, there after a reboot."""
    with stack.unchanged():
        made = either_agent.post("networks", NAME, body=BODY)
        assert made.status == 200
        info = _info(NAME)
        assert made.body == {
            "name": NAME,
            "state": "active",
            "autostart": "yes",
            "persistent": "yes",
            "id": info["UUID"],
            "bridge": BRIDGE,
            "vlan": 100,
            "trunk": None,
            "ports": [],
        }
        assert info == {
            "Name": NAME,
            "UUID": info["UUID"],
            "Active": "yes",
            "Persistent": "yes",
            "Autostart": "yes",
            "Bridge": BRIDGE,
        }
        xml = ElementTree.fromstring(virsh("net-dumpxml", "--inactive", NAME))
        assert {element.tag: element.attrib for element in xml[2:]} == {
            "forward": {"mode": "bridge"},
            "bridge": {"name": BRIDGE},
            "virtualport": {"type": "openvswitch"},
            "vlan": {},
        }
        assert [tag.attrib for tag in xml.findall("vlan/tag")] == [{"id": "100"}]

        assert either_agent.get("networks", NAME).body == made.body
        row = {key: made.body[key] for key in ("name", "state", "autostart", "persistent")}
        assert row in either_agent.get("networks").body

        removed = either_agent.delete("networks", NAME)
        assert (removed.status, removed.body) == (200, {"id": info["UUID"], "name": NAME})
    assert either_agent.get("networks", NAME).status == 404
    assert either_agent.delete("networks", NAME).status == 404
    assert NAME not in [network["name"] for network in either_agent.get("networks").body]


def test_a_network_shows_the_ports_of_its_hosts(either_agent: Agent) -> None:
    """Each is the host's card, by MAC address, and its port on the bridge."""
    name = own("ns")
    either_agent.post("networks", NAME, body=BODY)
    host = either_agent.post("hosts", name, body={**EMPTY, "networks": [V10, NAME, NAME]}).body
    assert sorted(either_agent.get("networks", NAME).body["ports"], key=str) == sorted(
        (
            {"host": name, "mac": card["mac"], "port": card["port"]}
            for card in host["interfaces"][1:]
        ),
        key=str,
    )


@pytest.mark.parametrize("runs", [True, False], ids=["running", "off"])
def test_a_network_that_a_host_uses_is_kept(agent: Agent, runs: bool) -> None:
    """Also a host that is off: it could not be started again."""
    name = own("ns")
    agent.post("networks", NAME, body=BODY)
    assert agent.post("hosts", name, body={**EMPTY, "networks": [NAME]}).status == 200
    if not runs:
        virsh("destroy", name)
    with stack.unchanged():
        answer = agent.delete("networks", NAME)
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"network {NAME!r} is used by host {name}; delete it first",
        )
        assert _info(NAME)["Active"] == "yes"
    assert agent.delete("hosts", name).status == 200
    assert agent.delete("networks", NAME).status == 200


def test_a_network_that_only_one_form_of_a_host_uses_is_kept(agent: Agent) -> None:
    """A card that was attached by hand is in the running form alone, or in the kept one."""
    name = own("ns")
    for flag in ("--live", "--config"):
        agent.post("networks", NAME, body=BODY)
        agent.post("hosts", name, body=EMPTY)
        virsh("attach-interface", name, "network", NAME, "--model", "virtio", flag)
        assert agent.delete("networks", NAME).status == 409
        agent.delete("hosts", name)
        assert agent.delete("networks", NAME).status == 200


@pytest.mark.parametrize("odd", ["Zürich 网络 ", "--name=x,y; $(b)", "a%2Fb+c"])
def test_a_network_made_by_hand_may_have_any_name(either_agent: Agent, odd: str) -> None:
    """It is listed, shown, used by a host, and removed by exactly that name."""
    name = f"{stack.PREFIX} {odd}"
    host = own("ns")
    with stack.unchanged():
        shown = _shown_as_made(either_agent, name)
        made = either_agent.post("hosts", host, body={**EMPTY, "networks": [name]})
        assert (made.status, made.body["interfaces"][0]["network"]) == (200, name)
        sources = stack.definition(host).findall("devices/interface/source")
        assert stack.values(sources, "network") == [name]
        assert either_agent.delete("hosts", host).status == 200
        removed = either_agent.delete("networks", name)
        assert (removed.status, removed.body) == (200, {"id": shown["id"], "name": name})


def test_an_inactive_network_has_no_ports(agent: Agent) -> None:
    define_network(NAME, on_bridge("<vlan><tag id='10'/></vlan>"), start=False)
    shown = agent.get("networks", NAME)
    assert (shown.status, shown.body["state"], shown.body["ports"]) == (200, "inactive", [])
    assert shown.body["vlan"] == 10


def _shown_as_made(agent: Agent, name: str) -> dict[str, object]:
    define_network(name, on_bridge("<vlan><tag id='30'/></vlan>"))
    row = {"name": name, "state": "active", "autostart": "no", "persistent": "yes"}
    assert row in agent.get("networks").body
    shown = agent.get("networks", name)
    more = {"id": _info(name)["UUID"], "bridge": BRIDGE, "vlan": 30, "trunk": None, "ports": []}
    assert (shown.status, shown.body) == (200, {**row, **more})
    return shown.body
