"""Names that no host or network can have, and what HTTP refuses: nothing is changed by them.

What bodies may hold is tried without a hypervisor.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .stack import BRIDGE, own

NAME = own("ns")
HOST = {"memory": 64, "disks": [1], "networks": []}
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


def test_what_http_itself_refuses(agent: Agent) -> None:
    """Other methods, unknown parameters and paths, and bodies beyond any measure."""
    assert agent.request("POST", "/hosts", HOST).status == 405
    assert agent.request("PATCH", f"/hosts/{NAME}", HOST).status == 405
    assert agent.request("GET", "/no/such/path").status == 404
    answer = agent.request("POST", f"/hosts/{NAME}?no_such=1", HOST)
    assert (answer.status, answer.fields) == (400, {"no_such"})
    assert agent.post("hosts", NAME, body=b"x" * 100_000).status == 413
    assert agent.get("hosts", "a" * 60_000).status == 404
