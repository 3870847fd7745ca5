"""What no request may do: each of these is refused, names the field, and changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .stack import BRIDGE, V10, own

NAME = own("ns")
HOST = {"memory": 64, "disks": [1], "networks": []}
INSTALL = {**HOST, "install": True, "location": "http://127.0.0.1:1/debian"}
NETWORK = {"bridge": BRIDGE, "vlan": 100}

# Each of these would be an option, a second command, or another path, if it came loose.
HOSTILE = [
    *("--help", "-rf", "a,b=c", "a b", "it's", 'a"b', "a\nb", "a\r\nX-Header: b", "a;reboot"),
    *("$(reboot)", "`reboot`", "a|b&c>d", "a\\b", "a\0b", "a\u2028b", "%s%n", "*", "<b>"),
    *("é", "网络", "\U0001f600", "a" * 3000),
]
UUIDS = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3F2504E04F8941D39A0C0305E82C3301"]
HOST_NAMES = [
    *(*HOSTILE, *UUIDS, "..", ".", "a..b", "a.", ".a", "-a", "a-", "a_b", "1", "0123", "\u0663"),
    *("a" * 64, ".".join(["a" * 60] * 5)),
]
NETWORK_NAMES = [*HOSTILE, *UUIDS, "..", ".a", "-a", "1", "a" * 256]
LOCATIONS = [
    *(*HOSTILE[:-1], "", "/etc", "file:///etc", "http:", "http://", "http:///debian"),
    *("http://a:0/", "http://a:99999/", "http://a:b/", "http://[::1/", "http://a\nb/"),
    *("http://a b/", "http://é/", "http://a/\0", "http://a/é", "http://$(reboot)/"),
    *("nfs:host:/path", "ssh://a/", "-http://a/", "http://127.0.0.1/\ud800"),
    "http://127.0.0.1/" + "a" * 2048,
]
KERNEL_PARAMETERS = [
    *("a\nb", "a\0b", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "\ud800", "\ufffe"),
    *(" a", "a ", " ", "a" * 2048, "é" * 1024, "a" * 60000),
]
NO_OBJECTS = [
    *(b"", b"memory=64", b'{"memory": 64', b"{'memory': 64}", b"null", b"true", b"64", b'"a"'),
    *(b"[]", b"[{}]", b"\xff\xfe\xfd", b"\x00", b"[" * 60000),
    b'{"memory": NaN, "disks": [], "networks": []}',
    b'{"memory": -Infinity, "disks": [], "networks": []}',
    b'{"memory": ' + b"9" * 5000 + b', "disks": [], "networks": []}',
]
NO_STRINGS = [None, True, 1, [], {}]
NO_BOOLEANS = ["true", "", None, 0, 1, [], {}]
NO_INTEGERS = ["1", "", None, True, False, [], {}, [1], 1.5, "0x10", "--help", 0, -1, 10**300]
# By the field that is named: the body, what of it each value becomes, and the values.
VALUES: dict[str, tuple[dict[str, Any], Any, list[Any]]] = {
    "memory": (HOST, lambda x: {"memory": x}, [*NO_INTEGERS, -(2**63), 2**43, 2**64, 1e300]),
    "vcpus": (HOST, lambda x: {"vcpus": x}, [*NO_INTEGERS, 256, 2**31, 2**32 + 1]),
    "disks": (HOST, lambda x: {"disks": x}, ["1", None, True, 1, {}, {"0": 1}, [1] * 65]),
    "disks[1]": (HOST, lambda x: {"disks": [1, x, 2]}, [*NO_INTEGERS, 2**21 + 1, 2**64]),
    "networks": (HOST, lambda x: {"networks": x}, ["a", None, 1, {}, {"0": V10}, [V10] * 25]),
    "networks[1]": (
        *(HOST, lambda x: {"networks": [V10, x]}),
        [*HOSTILE, "", "\ud800", f"{V10},model=e1000", *NO_STRINGS],
    ),
    "install": (HOST, lambda x: {"install": x}, NO_BOOLEANS),
    "autostart": (HOST, lambda x: {"autostart": x}, NO_BOOLEANS),
    "location": (INSTALL, lambda x: {"location": x}, [*LOCATIONS, *NO_STRINGS]),
    "cmdline": (INSTALL, lambda x: {"cmdline": x}, [*KERNEL_PARAMETERS, *NO_STRINGS]),
    "bridge": (
        *(NETWORK, lambda x: {"bridge": x}),
        [*HOSTILE, "", "a" * 16, "../br0", *NO_STRINGS],
    ),
    "vlan": (NETWORK, lambda x: {"vlan": x}, [*NO_INTEGERS, 4095, 4096, 2**64]),
}


@pytest.fixture(scope="module", autouse=True)
def _nothing_happens(whole_stack: None) -> Iterator[None]:
    with stack.unchanged():
        yield


@pytest.fixture(autouse=True)
def swept() -> None:
    """Sweep after no test: there is nothing, which is seen to once for all of them."""


def _assert_refused(answer: Any, fields: set[str], of: Any) -> None:
    assert (answer.status, answer.fields, ascii(of)) == (400, fields, ascii(of))
    for field in fields:
        assert field[:200] in answer.body["detail"]


@pytest.mark.parametrize(
    ("kind", "body", "names"),
    [("hosts", HOST, HOST_NAMES), ("networks", NETWORK, NETWORK_NAMES)],
    ids=["hosts", "networks"],
)
def test_names(agent: Agent, kind: str, body: Any, names: list[str]) -> None:
    """One that no host or network can have is refused, and found nowhere."""
    for name in names:
        _assert_refused(agent.post(kind, name, body=body), {"name"}, name)
        assert agent.get(kind, name).status == 404
        assert agent.delete(kind, name).status == 404


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "/etc/passwd", "a/../b"])
def test_names_are_no_paths(agent: Agent, name: str) -> None:
    """A slash, also an encoded one, ends a name; there is nothing at such a path."""
    for kind in ("hosts", "networks"):
        for answer in (
            agent.post(kind, name, body=HOST),
            agent.get(kind, name),
            agent.delete(kind, name),
        ):
            assert (answer.status, answer.body["title"]) == (404, "Not Found")


@pytest.mark.parametrize("field", VALUES)
def test_values(agent: Agent, field: str) -> None:
    """Each has its type, its bounds and its characters."""
    body, changed, values = VALUES[field]
    path = ("networks", own("n")) if body is NETWORK else ("hosts", NAME)
    for value in values:
        answer = agent.post(*path, body={**body, **changed(value)})
        _assert_refused(answer, {field}, value)


def test_bodies_that_are_no_json_objects(agent: Agent) -> None:
    """The body itself is what is named."""
    for body in NO_OBJECTS:
        _assert_refused(agent.post("hosts", NAME, body=body), {"body"}, body[:40])
        _assert_refused(agent.post("networks", own("n"), body=body), {"body"}, body[:40])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"memory", "disks", "networks"}),
        ({**HOST, "cpus": 2, "--name": "x"}, {"cpus", "--name"}),
        ({**HOST, "\ud800\0\n": 1}, {"\ud800\0\n"}),
        ({**HOST, "location": "http://a/"}, {"location"}),
        ({**HOST, "install": False, "cmdline": "a", "console": True}, {"cmdline", "console"}),
        ({**HOST, "networks": [V10], "install": True, "cmdline": "a"}, {"cmdline"}),
        ({**HOST, "install": True}, {"networks"}),
        ({**HOST, "memory": 10**9}, {"memory"}),
        (
            {"memory": "1", "disks": [0], "networks": [1], "x": 1},
            {"memory", "disks[0]", "networks[0]", "x"},
        ),
    ],
)
def test_fields_of_a_host(agent: Agent, body: dict[str, Any], fields: set[str]) -> None:
    """Every field that is missing, unknown or out of place is named at once."""
    _assert_refused(agent.post("hosts", NAME, body=body), fields, body)


def test_fields_of_a_network(agent: Agent) -> None:
    """As of a host; the name is refused together with the body."""
    _assert_refused(agent.post("networks", own("n"), body={}), {"bridge", "vlan"}, {})
    answer = agent.post("networks", "-a", body={**NETWORK, "x": 1})
    _assert_refused(answer, {"name", "x"}, "-a")


def test_what_http_itself_refuses(agent: Agent) -> None:
    """Other methods, unknown parameters and paths, and bodies beyond any measure."""
    assert agent.request("POST", "/hosts", HOST).status == 405
    assert agent.request("PATCH", f"/hosts/{NAME}", HOST).status == 405
    assert agent.request("GET", "/no/such/path").status == 404
    answer = agent.request("POST", f"/hosts/{NAME}?no_such=1", HOST)
    assert (answer.status, answer.fields) == (400, {"no_such"})
    assert agent.post("hosts", NAME, body=b"x" * 100_000).status == 413
    assert agent.get("hosts", "a" * 60_000).status == 404
