"""What ovs-vsctl prints, from its recorded output."""

import pytest

from agent.errors import InvalidOutput
from agent.tools.parsers import ovs_vsctl
from agent.tools.parsers.ovs_vsctl import Interface

from .recorded import recorded

HEADINGS = '"headings":["name","external_ids"]'


def test_bridges() -> None:
    assert ovs_vsctl.bridges(recorded("ovs-vsctl-3.1.0.list-br.out")) == ["fixbr0"]


def test_interfaces() -> None:
    found = ovs_vsctl.interfaces(recorded("ovs-vsctl-3.1.0.interfaces.out"))
    macs = {row.name: row.external_ids.get("attached-mac") for row in found}
    assert macs == {
        "fixbr0": None,
        "h0000000000-0": "52:54:00:00:01:00",
        "h0000000000-1": "52:54:00:00:01:01",
        "h0000000002-0": "52:54:00:00:02:00",
    }
    ids = {key for row in found for key in row.external_ids}
    assert ids == {"attached-mac", "iface-id", "iface-status", "vm-id"}


def test_one_interface_whole() -> None:
    """Made by hand: one row of it, and a quote in a value."""
    text = r'{"data":[["a\"b",["map",[["k","v w"],["n",1]]]]],' + HEADINGS + "}"
    assert ovs_vsctl.interfaces(text) == [Interface('a"b', {"k": "v w", "n": "1"})]


def test_empty_output() -> None:
    assert ovs_vsctl.bridges(recorded("ovs-vsctl-3.1.0.empty-list-br.out")) == []
    assert ovs_vsctl.interfaces(recorded("ovs-vsctl-3.1.0.empty-interfaces.out")) == []


@pytest.mark.parametrize(
    ("text", "reason", "quoted"),
    [
        ("", "no table in JSON", ""),
        ("[]", "no table in JSON", "[]"),
        ("1", "no table in JSON", "1"),
        ('{"data":[]}', "no table in JSON", '{"data":[]}'),
        (
            '{"data":[["a"]],' + HEADINGS + "}",
            "no table in JSON",
            '{"data":[["a"]],' + HEADINGS + "}",
        ),
        (
            '{"data":[["a"]],"headings":["name"]}',
            "no column external_ids",
            '{"data":[["a"]],"headings":["name"]}',
        ),
        ('{"data":[[1,["map",[]]]],' + HEADINGS + "}", "no text", "1"),
        ('{"data":[["a",["set",[]]]],' + HEADINGS + "}", "no map", "['set', []]"),
    ],
)
def test_output_that_cannot_be_read(text: str, reason: str, quoted: str) -> None:
    with pytest.raises(InvalidOutput) as caught:
        ovs_vsctl.interfaces(text)
    assert caught.value.detail == (
        f"ovs-vsctl printed what the agent cannot read ({reason}): {quoted!r}"
    )
