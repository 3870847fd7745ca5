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
    "--help",
    "-rf",
    "a,b=c",
    "a b",
    "it's",
    'a"b',
    "a\nb",
    "a\r\nX-Header: b",
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "a|b&c>d",
    "a\\b",
    "a\0b",
    "a\u2028b",
    "%s%n",
    "*",
    "<b>",
    "é",
    "网络",
    "\U0001f600",
    "a" * 3000,
]


@pytest.fixture(scope="module", autouse=True)
def _nothing_happens(whole_stack: None) -> Iterator[None]:
    with stack.unchanged():
        yield


@pytest.fixture(autouse=True)
def swept() -> None:
    """Sweep after no test: there is nothing, which is seen to once for all of them."""


def _assert_refused(answer: Any, fields: set[str]) -> None:
    assert (answer.status, answer.fields) == (400, fields)
    for field in fields:
        assert field[:200] in answer.body["detail"]


@pytest.mark.parametrize(
    "name",
    [
        *HOSTILE,
        "..",
        ".",
        "a..b",
        "a.",
        ".a",
        "-a",
        "a-",
        "a_b",
        "1",
        "0123",
        "\u0663",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "3F2504E04F8941D39A0C0305E82C3301",
    ],
    ids=ascii,
)
def test_host_names(agent: Agent, name: str) -> None:
    """A host has an RFC 1123 host name that virsh cannot take for anything else."""
    _assert_refused(agent.post("hosts", name, body=HOST), {"name"})
    assert agent.get("hosts", name).status == 404
    assert agent.delete("hosts", name).status == 404


@pytest.mark.parametrize(
    "name",
    [*HOSTILE, "..", ".a", "-a", "1", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "a" * 256],
    ids=ascii,
)
def test_network_names(agent: Agent, name: str) -> None:
    """A network has a plain name."""
    _assert_refused(agent.post("networks", name, body=NETWORK), {"name"})
    assert agent.get("networks", name).status == 404
    assert agent.delete("networks", name).status == 404


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


@pytest.mark.parametrize("value", [*HOSTILE, "", "a" * 16, "../br0"], ids=ascii)
def test_bridges(agent: Agent, value: str) -> None:
    """A bridge has the name of a network device."""
    answer = agent.post("networks", own("n"), body={**NETWORK, "bridge": value})
    _assert_refused(answer, {"bridge"})


@pytest.mark.parametrize("value", [*HOSTILE, "", "\ud800", "V10,model=e1000"], ids=ascii)
def test_networks_of_a_host(agent: Agent, value: str) -> None:
    """A network is one that is there by exactly that name."""
    # Its name is another one in each of the processes that run the tests.
    networks = [V10, value.replace("V10", V10)]
    answer = agent.post("hosts", NAME, body={**HOST, "networks": networks})
    _assert_refused(answer, {"networks[1]"})


@pytest.mark.parametrize(
    "value",
    [
        *(value for value in HOSTILE if value != "a" * 3000),
        "",
        "/etc",
        "file:///etc",
        "http:",
        "http://",
        "http:///debian",
        "http://a:0/",
        "http://a:99999/",
        "http://a:b/",
        "http://[::1/",
        "http://a\nb/",
        "http://a b/",
        "http://é/",
        "http://a/\0",
        "http://a/é",
        "http://$(reboot)/",
        "nfs:host:/path",
        "ssh://a/",
        "-http://a/",
        "http://127.0.0.1/\ud800",
        "http://127.0.0.1/" + "a" * 2048,
    ],
    ids=ascii,
)
def test_locations(agent: Agent, value: str) -> None:
    """A location is a URL of a protocol that reaches out, not a path on the hypervisor."""
    _assert_refused(agent.post("hosts", NAME, body={**INSTALL, "location": value}), {"location"})


@pytest.mark.parametrize(
    "value",
    [
        *("a\nb", "a\0b", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "\ud800", "\ufffe"),
        *(" a", "a ", " ", "a" * 2048, "é" * 1024, "a" * 60000),
    ],
    ids=ascii,
)
def test_kernel_parameters(agent: Agent, value: str) -> None:
    """What no kernel command line can hold is refused, not mended."""
    _assert_refused(agent.post("hosts", NAME, body={**INSTALL, "cmdline": value}), {"cmdline"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"memory=64",
        b'{"memory": 64',
        b"{'memory': 64}",
        b"null",
        b"true",
        b"64",
        b'"a"',
        b"[]",
        b"[{}]",
        b"\xff\xfe\xfd",
        b"\x00",
        b"[" * 60000,
        b'{"memory": NaN, "disks": [], "networks": []}',
        b'{"memory": -Infinity, "disks": [], "networks": []}',
        b'{"memory": ' + b"9" * 5000 + b', "disks": [], "networks": []}',
    ],
    ids=lambda body: ascii(body[:40]),
)
def test_bodies_that_are_no_json_objects(agent: Agent, body: bytes) -> None:
    """The body itself is what is named."""
    _assert_refused(agent.post("hosts", NAME, body=body), {"body"})
    _assert_refused(agent.post("networks", own("n"), body=body), {"body"})


_NO_INTEGERS = ["1", "", None, True, False, [], {}, [1], 1.5, "0x10", "--help"]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("memory", [*_NO_INTEGERS, 0, -1, -(2**63), 2**43, 2**64, 10**300, 1e300]),
        ("vcpus", [*_NO_INTEGERS, 0, -1, 256, 2**31, 2**32 + 1, 10**300]),
        ("disks", ["1", None, True, 1, {}, {"0": 1}, [1] * 65]),
        ("networks", ["a", None, True, 1, {}, {"0": V10}, [V10] * 25]),
        ("install", ["true", "", None, 0, 1, [], {}]),
        ("autostart", ["true", "", None, 0, 1, [], {}]),
    ],
)
def test_values_of_a_host(agent: Agent, field: str, values: list[Any]) -> None:
    """Each has its type and its bounds."""
    for value in values:
        _assert_refused(agent.post("hosts", NAME, body={**HOST, field: value}), {field})


@pytest.mark.parametrize("value", [*_NO_INTEGERS, 0, -1, 2**21 + 1, 2**64, 10**300], ids=ascii)
def test_sizes_of_disks(agent: Agent, value: Any) -> None:
    """Each is a whole number of GiB that an image can have."""
    answer = agent.post("hosts", NAME, body={**HOST, "disks": [1, value, 2]})
    _assert_refused(answer, {"disks[1]"})


@pytest.mark.parametrize("value", [None, True, 1, [], {}], ids=ascii)
def test_types_of_strings(agent: Agent, value: Any) -> None:
    """What has to be text is."""
    for field in ("location", "cmdline"):
        _assert_refused(agent.post("hosts", NAME, body={**INSTALL, field: value}), {field})
    answer = agent.post("hosts", NAME, body={**HOST, "networks": [value]})
    _assert_refused(answer, {"networks[0]"})
    answer = agent.post("networks", own("n"), body={**NETWORK, "bridge": value})
    _assert_refused(answer, {"bridge"})


@pytest.mark.parametrize("value", [*_NO_INTEGERS, 0, -1, 4095, 4096, 2**64, 10**300], ids=ascii)
def test_vlans(agent: Agent, value: Any) -> None:
    """0 is untagged and 4095 reserved."""
    _assert_refused(agent.post("networks", own("n"), body={**NETWORK, "vlan": value}), {"vlan"})


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
    _assert_refused(agent.post("hosts", NAME, body=body), fields)


def test_fields_of_a_network(agent: Agent) -> None:
    """As of a host; the name is refused together with the body."""
    _assert_refused(agent.post("networks", own("n"), body={}), {"bridge", "vlan"})
    _assert_refused(agent.post("networks", "-a", body={**NETWORK, "x": 1}), {"name", "x"})


def test_what_http_itself_refuses(agent: Agent) -> None:
    """Other methods, unknown parameters and paths, and bodies beyond any measure."""
    assert agent.request("POST", "/hosts", HOST).status == 405
    assert agent.request("PATCH", f"/hosts/{NAME}", HOST).status == 405
    assert agent.request("GET", "/no/such/path").status == 404
    answer = agent.request("POST", f"/hosts/{NAME}?no_such=1", HOST)
    assert (answer.status, answer.fields) == (400, {"no_such"})
    assert agent.post("hosts", NAME, body=b"x" * 100_000).status == 413
    assert agent.get("hosts", "a" * 60_000).status == 404
