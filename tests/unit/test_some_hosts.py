"""Tokens for some hosts only: what their clients see and may change, on every route."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from agent.access import tokens
from agent.compute.overview import Overview
from agent.operations.operation import DONE

from .changes import BODY, HOST, expect_facts
from .fake_runner import DELETE, asked
from .recorded import Read, recorded, virsh
from .test_access_control import METHODS, bearer, every_path
from .test_http_networks import expect_networks
from .test_http_networks import row as network_row
from .test_metrics import ACTIVE
from .web import (
    EMPTY_LIST,
    INTERFACES,
    LIST,
    NET_ROWS,
    STATES,
    Agent,
    details,
    see_problem,
    see_redfish_error,
    uuid,
)

# Falcon's test client says so of methods that are not HTTP's own.
pytestmark = pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")

OTHERS = ("fixture-netboot", "nobody", HOST.upper())
ONLY = "the token team is for some hosts only, and"


@pytest.fixture
def team(tokens_file: Path) -> dict[str, str]:
    """The header of a client whose token is for some hosts only."""
    patterns = ["fixture.*", "web[0-9]"]
    return bearer(tokens.add(tokens_file, "team", read_only=False, hosts=patterns))


@pytest.fixture
def full(tokens_file: Path) -> dict[str, str]:
    return bearer(tokens.add(tokens_file, "ci", read_only=False))


def test_the_list(closed: Agent, team: dict[str, str], full: dict[str, str]) -> None:
    listed = {}
    for headers in (team, full):
        closed.reads(STATES, LIST)
        answer = closed("GET", "/hosts", headers=headers)
        assert answer.headers["content-type"] == "application/json"
        listed[headers["Authorization"]] = answer.json
    some, every = listed.values()
    assert some == [{"id": uuid(1), "name": HOST, "state": "running"}]
    assert len(every) == 4
    assert some[0] in every


def test_no_host_of_its_own(closed: Agent, team: dict[str, str]) -> None:
    closed.reads(STATES, EMPTY_LIST)
    answer = closed("GET", "/hosts", headers=team)
    assert (answer.status_code, answer.text) == (200, "[]\n")


def test_its_own_host(closed: Agent, team: dict[str, str]) -> None:
    closed.reads(LIST)
    closed.reads(*details(1, "running"))
    answer = closed("GET", f"/hosts/{HOST}", headers=team)
    assert (answer.status_code, answer.json["name"]) == (200, HOST)


def test_a_create_of_its_own(closed: Agent, team: dict[str, str]) -> None:
    expect_facts(closed)
    answer = closed(
        "POST", f"/hosts/{HOST}", headers=team, query_string="dry_run=true", body=json.dumps(BODY)
    )
    assert (answer.status_code, answer.json["does"]) == (200, f"create host {HOST}")


@pytest.mark.parametrize("name", OTHERS)
def test_another_host_does_not_exist(closed: Agent, team: dict[str, str], name: str) -> None:
    """On any path, by any method; no command is run to find out."""
    paths = [
        path.replace("/hosts/name", f"/hosts/{name}")
        for path in every_path(closed)
        if path.startswith("/hosts/name")
    ]
    assert len(paths) >= 12
    for path in paths:
        for method in METHODS:
            for query in ("", "dry_run=true"):
                answer = closed(method, path, headers=team, query_string=query, body="{}")
                if method == "HEAD":
                    assert (answer.status_code, answer.text) == (404, "")
                elif method == "POST":
                    see_problem(answer, 403, f"{ONLY} {name!r} is not one of them")
                else:
                    see_problem(answer, 404, f"there is no host {name!r}")
    assert closed.journal.find() == []


def test_the_name_is_compared_as_it_is_routed(closed: Agent, team: dict[str, str]) -> None:
    for path in ("//hosts/nobody", "/hosts/%6eobody", "/hosts/nobody/"):
        see_problem(closed("GET", path, headers=team), 404, "there is no host 'nobody'")
    closed.reads(LIST)
    closed.reads(*details(1, "running"))
    assert (
        closed("GET", f"/hosts/{quote(HOST).replace('f', '%66')}", headers=team).status_code == 200
    )


@pytest.mark.parametrize("path", ["/networks/fixture-untagged", f"/hosts/{HOST}/networks/a"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
def test_networks_are_not_its_own(
    closed: Agent, team: dict[str, str], method: str, path: str
) -> None:
    detail = f"{ONLY} networks are shared: it cannot change them"
    for query in ("", "dry_run=true"):
        answer = closed(method, path, headers=team, query_string=query, body="{}")
        see_problem(answer, 403, detail)


def test_the_list_of_networks(closed: Agent, team: dict[str, str]) -> None:
    closed.reads(*NET_ROWS)
    assert len(closed("GET", "/networks", headers=team).json) == 5


@pytest.mark.parametrize(
    ("patterns", "path", "hosts"),
    [
        (["fixture.*"], "/networks/fixture-untagged", [HOST]),
        (["web*"], "/networks/fixture-untagged", []),
        (["fixture.*"], f"/hosts/{HOST}/networks/fixture-untagged", [HOST]),
    ],
)
def test_a_network_shows_its_own_ports(
    closed: Agent, tokens_file: Path, patterns: list[str], path: str, hosts: list[str]
) -> None:
    headers = bearer(tokens.add(tokens_file, "t", read_only=True, hosts=patterns))
    closed.reads(*NET_ROWS)
    expect_networks(closed)
    closed.reads(Read(f"net-port-list {uuid(12)}", virsh("net-port-list-one")))
    port = virsh("net-port-list-one").split()[-1]
    closed.reads(Read(f"net-port-dumpxml {uuid(12)} {port}", virsh("net-port-dumpxml")))
    closed.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    shown = closed("GET", path, headers=headers).json
    assert [port["host"] for port in shown.pop("ports")] == hosts
    assert shown == {
        **network_row("fixture-untagged", "active"),
        "id": uuid(12),
        "bridge": "fixbr0",
        "vlan": None,
        "trunk": None,
    }


def test_the_metrics_are_of_all(closed: Agent, team: dict[str, str], full: dict[str, str]) -> None:
    detail = f"{ONLY} the metrics cover all hosts"
    see_problem(closed("GET", "/metrics", headers=team), 403, detail)
    closed.reads(STATES, ACTIVE)
    assert closed("GET", "/metrics", headers=full).status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/access"])
def test_what_is_about_no_host(closed: Agent, team: dict[str, str], path: str) -> None:
    assert closed("GET", path, headers=team).status_code == 200


@pytest.fixture
def twelve(closed: Agent) -> Agent:
    """Operations of its own, of another host, and of a network, by turns."""
    for index in range(12):
        name, kind = ((HOST, "host"), ("other", "host"), (HOST, "network"))[index % 3]
        closed.journal.begin(f"id{index}", asked(name, kind), DELETE)
        closed.journal.end(f"id{index}", DONE)
    return closed


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["id9", "id6", "id3", "id0"]),
        ("limit=3", ["id9", "id6", "id3"]),
        ("limit=3&before=4", ["id0"]),
        ("host=other", []),
        (f"host={HOST}&limit=1", ["id9"]),
        (f"network={HOST}", []),
        ("status=done&limit=2", ["id9", "id6"]),
        ("status=failed", []),
    ],
)
def test_operations(twelve: Agent, team: dict[str, str], query: str, ids: list[str]) -> None:
    """Pages are full, whatever lies between."""
    answer = twelve("GET", "/operations", headers=team, query_string=query)
    assert [row["id"] for row in answer.json] == ids


def test_the_next_client_sees_every_operation(
    twelve: Agent, team: dict[str, str], full: dict[str, str]
) -> None:
    lengths = [len(twelve("GET", "/operations", headers=each).json) for each in (team, full, team)]
    assert lengths == [4, 12, 4]


def test_one_operation(twelve: Agent, team: dict[str, str]) -> None:
    own = twelve("GET", "/operations/id0", headers=team)
    assert (own.status_code, own.json["host"]) == (200, HOST)
    for accept in ("application/json", "text/x-shellscript"):
        headers: dict[str, Any] = {**team, "Accept": accept}
        for other in ("id1", "id2", "nope"):
            answer = twelve("GET", f"/operations/{other}", headers=headers)
            see_problem(answer, 404, f"there is no operation {other!r}")


def test_the_overview(
    closed: Agent, team: dict[str, str], full: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = {"state": "running", "memory": 16, "vcpus": 1, "interfaces": [], "install": None}
    hosts = [{"id": uuid(1), "name": name, **summary} for name in (*OTHERS, HOST)]
    every = {
        "hosts": hosts,
        "networks": [],
        "memory": 512,
        "bridges": ["br0"],
        "stale_ports": ["h0-0"],
    }
    monkeypatch.setattr(Overview, "read", lambda self: every)
    assert closed("GET", "/overview", headers=full).json == every
    shown = closed("GET", "/overview", headers=team).json
    assert shown == {**every, "hosts": hosts[-1:], "stale_ports": []}


SYSTEMS = "/redfish/v1/Systems"


@pytest.mark.parametrize("collection", [SYSTEMS, "/redfish/v1/Managers"])
def test_systems(closed: Agent, team: dict[str, str], collection: str) -> None:
    closed.reads(STATES, LIST)
    answer = closed("GET", collection, headers=team)
    assert answer.json["Members"] == [{"@odata.id": f"{collection}/{uuid(1)}"}]


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("GET", "/Storage"),
        ("POST", "/Actions/ComputerSystem.Reset"),
        ("POST", "/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia"),
    ],
)
def test_another_system_does_not_exist(
    closed: Agent, team: dict[str, str], method: str, below: str
) -> None:
    closed.reads(*details(2, "netboot"))
    answer = closed(method, f"{SYSTEMS}/{uuid(2)}{below}", headers=team, body="{}")
    see_redfish_error(answer, 404, f"there is no host {uuid(2)!r}")
    assert closed.journal.find() == []


def test_its_own_system(closed: Agent, team: dict[str, str]) -> None:
    closed.reads(*details(1, "running"))
    answer = closed("GET", f"{SYSTEMS}/{uuid(1)}", headers=team)
    assert (answer.status_code, answer.json["Name"]) == (200, HOST)


def test_it_may_be_read_only_as_well(closed: Agent, tokens_file: Path) -> None:
    headers = bearer(tokens.add(tokens_file, "team", read_only=True, hosts=["fixture.*"]))
    detail = "the token team is read-only; it permits only GET, HEAD and OPTIONS"
    for name in (HOST, "other"):
        see_problem(closed("DELETE", f"/hosts/{name}", headers=headers), 403, detail)
    see_problem(closed("GET", "/hosts/other", headers=headers), 404, "there is no host 'other'")
