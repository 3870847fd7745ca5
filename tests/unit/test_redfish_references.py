"""Every document that another one leads to is there, and is what it says that it is."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from .redfish import ROOT, details, there_are
from .test_redfish_boot import HOST, V10
from .web import Agent, uuid

TYPE = re.compile(r"#(\w+)(\.v\d+_\d+_\d+)?\.\1")


def references(document: Any) -> Iterator[str]:
    """Every path that a document leads to, but for parts of itself."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "@odata.id" and "#" not in value:
                yield value
            elif name == "target":
                assert value.rpartition("/")[0].endswith("/Actions")
            else:
                yield from references(value)
    elif isinstance(document, list):
        for value in document:
            yield from references(value)


@pytest.mark.parametrize("count", [0, 1, 100])
def test_every_reference(agent: Agent, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    hosts = [replace(HOST, uuid=uuid(number), name=f"h {number}") for number in range(count)]
    # Each as another one: without disks and cards, and running.
    kinds = ({}, {"disks": ()}, {"interfaces": ()}, {"topology": (2, 2, 1)})
    hosts = [replace(host, **kinds[number % len(kinds)]) for number, host in enumerate(hosts)]
    states = ("shut off", "running")
    found = [details(host, states[number % 2]) for number, host in enumerate(hosts)]
    there_are(monkeypatch, *found, networks=[V10])
    seen: dict[str, Any] = {}
    left = [f"{ROOT}/"]
    while left:
        path = left.pop()
        if path in seen:
            continue
        answer = agent("GET", path)
        assert answer.status_code == 200, path
        document = seen[path] = answer.json
        assert document["@odata.id"] == path
        kind = TYPE.fullmatch(document["@odata.type"])
        assert kind is not None
        assert document["Name"]
        if kind[1].endswith("Collection"):
            assert document["Members@odata.count"] == len(document["Members"])
        else:
            assert document["Id"] == (path.rpartition("/")[2] or "RootService")
        left += references(document)
    for above in ("Systems", "Managers"):
        there = {path for path in seen if re.fullmatch(rf"{ROOT}/{above}/[^/]+", path)}
        assert there == {f"{ROOT}/{above}/{host.uuid}" for host in hosts}
