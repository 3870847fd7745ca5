"""Cards: MACs that are known before a host exists, and that no two hosts have."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from . import libvirtd, stack
from .daemon import Agent, serving
from .libvirtd import Libvirt
from .stack import BRIDGE, V10, V20, own

NAME, OTHER = own("ns"), own("other")
BODY = {"memory": 64, "disks": [], "networks": [V10, V20, V10], "start": False}
# Of this process alone, as the names are: others are at work on the machine.
GIVEN = "06:{:02x}:{:02x}:00:00:01".format(*(int(stack.PREFIX[3:]) % 65536).to_bytes(2))


def _dry_run(agent: Agent, body: Any, headers: dict[str, str] | None = None) -> str:
    answer = agent.text("POST", f"/hosts/{NAME}?dry_run=true", body, headers)
    assert answer.status == 200, answer.text
    return answer.text


def _foretold(agent: Agent, body: Any = BODY) -> list[str]:
    """The MACs that a dry run tells, which are the same in its JSON and in its script."""
    texts = (_dry_run(agent, body), _dry_run(agent, body, {"Accept": "text/x-shellscript"}))
    in_json, in_script = (re.findall(r"--network=network=[^ ]*,mac=([^,]+),", t) for t in texts)
    # The JSON has each twice: among the arguments, and in the line to paste.
    assert in_json == in_script * 2
    return in_script


def _macs(domain: str) -> list[str | None]:
    """The MACs of a domain, by its definition."""
    return stack.values(stack.definition(domain).findall("devices/interface/mac"), "address")


def _by_hand(mac: str) -> None:
    """Define a domain by hand that has a MAC in capital letters."""
    card = f"<interface type='network'><mac address='{mac.upper()}'/><source network='{V10}'/>"
    stack.define_domain(OTHER, f"{card}</interface>")


@pytest.fixture
def elsewhere(libvirt: Libvirt, tmp_path: Path) -> Iterator[Agent]:
    """An agent of another hypervisor, which has the same networks."""
    with serving(libvirtd.agent(libvirt, tmp_path / "elsewhere")) as agent:
        for name, vlan in stack.VLANS.items():
            assert agent.post("networks", name, body={"bridge": BRIDGE, "vlan": vlan}).status == 200
        yield agent


def test_a_host_has_the_same_macs_whenever_and_wherever_it_is_made(
    agent: Agent, elsewhere: Agent, libvirt: Libvirt
) -> None:
    """They are those of the dry run, before there is such a host on either hypervisor."""
    macs = _foretold(agent)
    assert (len({*macs}), {mac[:3] for mac in macs}) == (3, {"02:"})
    # It is the place that counts, not the network.
    assert _foretold(agent, {**BODY, "networks": [V20]}) == macs[:1]
    for _ in range(2):
        made = agent.post("hosts", NAME, body=BODY)
        assert [card["mac"] for card in made.body["interfaces"]] == macs
        assert _macs(NAME) == macs
        assert agent.delete("hosts", NAME).status == 200
    assert agent.post("hosts", NAME, body=BODY).status == 200
    there = elsewhere.post("hosts", NAME, body=BODY)
    assert [card["mac"] for card in there.body["interfaces"]] == macs
    xml = libvirt.virsh("dumpxml", NAME)
    assert re.findall("<mac address='(.*)'/>", xml) == macs


def test_a_mac_that_is_given_is_the_cards(agent: Agent) -> None:
    """In small letters; the other cards have those that they have without it."""
    macs = _foretold(agent)
    body = {**BODY, "networks": [V10, {"network": V20, "mac": GIVEN.upper()}, V10]}
    expected = [macs[0], GIVEN, macs[2]]
    assert _foretold(agent, body) == expected
    made = agent.post("hosts", NAME, body={**body, "start": True})
    assert [(card["mac"], card["network"]) for card in made.body["interfaces"]] == list(
        zip(expected, (V10, V20, V10), strict=True)
    )
    assert _macs(NAME) == expected


@pytest.mark.parametrize("whose", ["of one that runs", "of one that is off", "made by hand"])
def test_a_mac_of_another_host_is_refused(agent: Agent, whose: str) -> None:
    """Whatever that host is, and nothing is left of the one that was asked for."""
    card = {"network": V10, "mac": GIVEN}
    if whose == "made by hand":
        _by_hand(GIVEN)
    else:
        other = {**BODY, "networks": [card], "start": whose == "of one that runs"}
        assert agent.post("hosts", OTHER, body=other).status == 200
    with stack.unchanged():
        answer = agent.post("hosts", NAME, body={**BODY, "disks": [1], "networks": [V20, card]})
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"another host has a card with the MAC {GIVEN} already",
        )
    assert agent.delete("hosts", OTHER).status == 200
    assert agent.post("hosts", NAME, body={**BODY, "networks": [card]}).status == 200


def test_of_two_that_are_given_one_mac_at_once_one_is_made(agent: Agent) -> None:
    """The other is refused, by whatever it saw first, and leaves nothing."""
    body = {**BODY, "disks": [1], "networks": [{"network": V10, "mac": GIVEN}]}
    with stack.unchanged():
        with ThreadPoolExecutor(2) as pool:
            names = (NAME, OTHER)
            answers = list(pool.map(lambda name: agent.post("hosts", name, body=body), names))
        assert sorted(answer.status for answer in answers) == [200, 409]
        (made,) = [answer.body["name"] for answer in answers if answer.status == 200]
        assert stack.domains() == {made}
        assert agent.delete("hosts", made).status == 200


def test_a_mac_that_another_host_has_already_is_derived_anew(agent: Agent) -> None:
    """The same one every time, and the first again once the other host is gone."""
    first = _foretold(agent)
    _by_hand(first[1])
    second = _foretold(agent)
    assert (second[0], second[2]) == (first[0], first[2])
    assert second[1] not in first
    assert second[1].startswith("02:")
    assert _foretold(agent) == second
    made = agent.post("hosts", NAME, body=BODY)
    assert [card["mac"] for card in made.body["interfaces"]] == second
    assert _macs(OTHER) == [first[1]]
    for name in (NAME, OTHER):
        assert agent.delete("hosts", name).status == 200
    assert _foretold(agent) == first
