"""/hosts and /hosts/{name}, over recorded output."""

import json
import shlex
from typing import Any
from urllib.parse import quote

import pytest

from agent.operations.operation import DONE, Request
from agent.plans.plan import Install, Plan

from .changes import (
    BODY,
    CREATE_HOST,
    DELETE_HOST,
    HOST,
    VIRT_INSTALL,
    WAIT,
    expect_delete_facts,
    expect_facts,
    undefine,
    vol_create_as,
    vol_delete,
    volume,
)
from .recorded import Read, virsh, virsh_error
from .web import (
    EMPTY_LIST,
    LIST,
    MEMORY,
    NET_ACTIVE,
    NET_UUIDS,
    NETWORKS,
    NONE_RUNNING,
    ODD,
    POOL_INFO,
    POOL_XML,
    STATES,
    Agent,
    details,
    see_invalid,
    see_problem,
    uuid,
)


def card(mac: str, network: str | None, vlan: int | None, port: str | None) -> dict[str, Any]:
    """A card as a host shows it."""
    return {
        "mac": f"52:54:00:00:{mac}",
        "network": network,
        "bridge": "fixbr0",
        "vlan": vlan,
        "trunk": None,
        "port": port,
    }


SHOWN = {
    "id": uuid(1),
    "name": HOST,
    "state": "running",
    "memory": 16,
    "vcpus": 1,
    "autostart": False,
    "disks": [
        {"target": "sda", "size": 1, "pool": "fixture-pool", "volume": f"{HOST}.0.qcow2"},
        {"target": "sdb", "size": 1, "pool": "fixture-pool", "volume": f"{HOST}.1.qcow2"},
    ],
    "interfaces": [
        card("01:00", "fixture: żółw", 10, "h0000000000-0"),
        card("01:01", "fixture-untagged", None, "h0000000000-1"),
    ],
    "boot": ["disk", "network"],
    "media": None,
    "install": None,
}


def test_list(agent: Agent) -> None:
    agent.reads(STATES, LIST)
    answer = agent("GET", "/hosts")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == [
        {"id": uuid(1), "name": HOST, "state": "running"},
        {"id": uuid(2), "name": "fixture-netboot", "state": "running"},
        {"id": uuid(4), "name": "  fixture  spaces ", "state": "shut off"},
        {"id": uuid(3), "name": ODD, "state": "shut off"},
    ]


def test_empty_list(agent: Agent) -> None:
    agent.reads(Read("domstats --state", virsh("empty-domstats-state")), EMPTY_LIST)
    answer = agent("GET", "/hosts")
    assert (answer.status_code, answer.text) == (200, "[]\n")


def test_a_host_that_went_between_two_reads_is_not_listed(agent: Agent) -> None:
    agent.reads(Read("domstats --state", f"Domain: '{HOST}'\n  state.state=3\n\n"), LIST)
    assert agent("GET", "/hosts").json == [{"id": uuid(1), "name": HOST, "state": "paused"}]


def test_show(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(*details(1, "running"))
    answer = agent("GET", f"/hosts/{HOST}")
    assert (answer.status_code, answer.json) == (200, SHOWN)


def test_show_an_install(agent: Agent) -> None:
    """The journal has it, by the UUID of the domain."""
    plan = Plan("create host a", (), Install("fixture-netboot", uuid(2), "http://tree/"))
    asked = Request("POST", "/hosts/a", None, "request", None, host="fixture-netboot")
    agent.journal.begin("one", asked, plan)
    agent.journal.end("one", DONE)
    found = agent.journal.install(uuid(2))
    assert found is not None
    agent.reads(LIST)
    agent.reads(*details(2, "netboot"))
    assert agent("GET", "/hosts/fixture-netboot").json["install"] == {
        "state": "running",
        "started": found["began"],
        "finished": None,
        "location": "http://tree/",
        "reason": None,
    }


def test_show_one_that_is_off_and_oddly_named(agent: Agent) -> None:
    """Where its cards lead is its networks' to say; its disks are of every kind."""
    agent.reads(LIST)
    agent.reads(*details(3, "off"))
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)
    answer = agent("GET", f"/hosts/{quote(ODD)}")
    assert answer.json == {
        "id": uuid(3),
        "name": ODD,
        "state": "shut off",
        "memory": 16,
        "vcpus": 2,
        "autostart": True,
        "disks": [
            {"target": "sda", "size": 1, "pool": "fixture-pool", "volume": "overlay.qcow2"},
            {"target": "sdb", "size": None, "pool": "fixture-pool", "volume": "gone.qcow2"},
            {"target": "sde", "size": None, "pool": None, "volume": None},
        ],
        "interfaces": [
            {**card("03:00", ODD, None, None), "trunk": [10, 11]},
            card("03:01", None, 20, None),
        ],
        "boot": ["disk"],
        "media": None,
        "install": None,
    }


def test_show_while_the_pool_is_off(agent: Agent) -> None:
    agent.reads(LIST)
    *domain, _ = details(3, "off")
    agent.reads(*domain, Read("pool-dumpxml fixture-pool", stderr=virsh_error("pool-not-found")))
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)
    assert agent("GET", f"/hosts/{quote(ODD)}").json["disks"] == [
        {"target": "sda", "size": 1, "pool": None, "volume": None},
        {"target": "sdb", "size": None, "pool": "fixture-pool", "volume": "gone.qcow2"},
        {"target": "sde", "size": None, "pool": None, "volume": None},
    ]


def test_show_a_name_of_spaces(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(*details(4, "spaces"))
    answer = agent("GET", f"/hosts/{quote('  fixture  spaces ')}")
    assert (answer.status_code, answer.json["id"]) == (200, uuid(4))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("name", ["nope", "1", uuid(1), "FIXTURE.example.com", "fixture"])
def test_only_the_exact_name_is_a_host(agent: Agent, method: str, name: str) -> None:
    """virsh would take a number for a running domain's, and find one by its UUID."""
    agent.reads(LIST)
    see_problem(agent(method, f"/hosts/{name}"), 404, f"there is no host {name!r}")


def test_one_that_goes_while_it_is_shown_is_not_found(agent: Agent) -> None:
    agent.reads(LIST)
    gone = virsh_error("dumpxml-gone")
    agent.reads(
        Read(f"dominfo {uuid(1)}", stderr=gone),
        Read(f"dumpxml {uuid(1)}", stderr=gone),
        Read(f"dumpxml --inactive {uuid(1)}", stderr=gone),
        Read(f"domstats --block {uuid(1)}", stderr=gone),
        POOL_XML,
    )
    answer = agent("GET", f"/hosts/{HOST}")
    see_problem(answer, 404, f"there is no host '{HOST}'")


def expect_create(agent: Agent) -> None:
    CREATE_HOST.expect(agent)
    CREATE_HOST.expect_steps(agent)
    agent.reads(LIST)
    agent.reads(*details(1, "running"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain; charset=latin-1"},
        {"Content-Type": "nonsense"},
    ],
)
def test_create(agent: Agent, headers: dict[str, str]) -> None:
    expect_create(agent)
    answer = agent("POST", f"/hosts/{HOST}", body=json.dumps(BODY), headers=headers)
    assert (answer.status_code, answer.json) == (200, SHOWN)


def expect_undo(agent: Agent) -> None:
    """The commands that take a create back, once the domain was to be made."""
    disk_0, disk_1, domain, _ = CREATE_HOST.plan.steps
    agent.virsh(*undefine(1), stderr=virsh_error("undefine-gone"), returncode=1)
    for command in (*domain.undo, *disk_1.undo, *disk_0.undo):
        if "undefine" not in command.argv:
            agent.runs(*command.argv)


def test_a_name_that_is_taken_meanwhile(agent: Agent) -> None:
    """The domain of that name is somebody else's: what is taken back goes by the UUID."""
    expect_facts(agent)
    agent.virsh(*vol_create_as(0))
    agent.virsh(*vol_create_as(1))
    taken = "ERROR    Guest name 'fixture.example.com' is already in use.\n"
    agent.runs(*VIRT_INSTALL, stderr=taken, returncode=1)
    expect_undo(agent)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    see_problem(
        answer,
        409,
        "virt-install found the name or a MAC taken: Guest name 'fixture.example.com' is already in"
        " use.",
        command=shlex.join(VIRT_INSTALL),
        exit_code=1,
        stderr=taken.strip(),
    )


def test_a_host_on_the_wrong_vlan_is_taken_back(agent: Agent) -> None:
    expect_facts(agent)
    agent.virsh(*vol_create_as(0))
    agent.virsh(*vol_create_as(1))
    agent.runs(*VIRT_INSTALL)
    ended = "terminating with signal 14 (Alarm clock)"
    agent.runs(*WAIT, stderr=f"{ended}\n", returncode=-14)
    expect_undo(agent)
    see_problem(
        agent("POST", f"/hosts/{HOST}", json=BODY),
        503,
        "ovs-vsctl did not see the host's port come up on its bridge with its VLANs: " + ended,
        command=shlex.join(WAIT),
        exit_code=-14,
        stderr=ended,
    )


def test_what_cannot_be_taken_back_is_told(agent: Agent) -> None:
    expect_facts(agent)
    agent.virsh(*vol_create_as(0), stderr="error: No space left on device\n", returncode=1)
    agent.virsh(*vol_delete(volume(0)), stderr="error: busy\n", returncode=1)
    answer = agent("POST", f"/hosts/{HOST}", json={**BODY, "disks": [1]})
    assert (answer.status_code, answer.json["title"]) == (507, "Insufficient Storage")
    assert answer.json["left_behind"] == [
        f"virsh --connect=qemu:///system vol-delete --pool=fixture-pool --vol={volume(0)}"
    ]
    assert agent.unsettled == [answer.headers["x-operation-id"]]


def test_a_host_that_is_there_already(agent: Agent) -> None:
    expect_facts(agent, LIST)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    see_problem(answer, 409, f"there is a host '{HOST}' already")


def test_networks_that_a_host_cannot_have(agent: Agent) -> None:
    expect_facts(agent)
    networks = ["nope", "fixture-nat"]
    see_invalid(
        agent("POST", f"/hosts/{HOST}", json={**BODY, "networks": networks}),
        ("networks[0]", "there is no network 'nope'"),
        (
            "networks[1]",
            f"network 'fixture-nat' is inactive; start it with: virsh net-start {uuid(14)}",
        ),
    )


@pytest.mark.parametrize(
    ("pool", "detail"),
    [
        (
            Read(" ".join(POOL_INFO.words), virsh("inactive-pool-info")),
            "virsh cannot use the storage pool: storage pool 'fixture-pool' is not active",
        ),
        (
            Read(" ".join(POOL_INFO.words), stderr=virsh_error("pool-not-found")),
            "virsh cannot use the storage pool: failed to get pool 'fixture-pool'; Storage pool not"
            " found: no storage pool with matching name 'fixture-pool'",
        ),
    ],
)
def test_a_create_without_a_pool(agent: Agent, pool: Read, detail: str) -> None:
    agent.reads(EMPTY_LIST, NONE_RUNNING, NET_UUIDS, NET_ACTIVE, pool, MEMORY)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    assert (answer.status_code, answer.json["detail"]) == (503, detail)
    assert answer.json["command"] == f"virsh --connect=qemu:///system {' '.join(POOL_INFO.words)}"


def test_delete(agent: Agent) -> None:
    DELETE_HOST.expect(agent)
    DELETE_HOST.expect_steps(agent)
    answer = agent("DELETE", f"/hosts/{HOST}")
    assert answer.status_code == 200
    assert answer.json == {
        "id": uuid(1),
        "name": HOST,
        "deleted": [f"{HOST}.0.qcow2", f"{HOST}.1.qcow2"],
        "kept": [],
    }


def test_delete_tells_what_it_keeps(agent: Agent) -> None:
    expect_delete_facts(agent)
    off = virsh_error("destroy-off")
    agent.virsh("destroy", f"--domain={uuid(3)}", stderr=off, returncode=1)
    agent.virsh(*undefine(3))
    answer = agent("DELETE", f"/hosts/{quote(ODD)}")
    not_its_own = "it was not made for this host"
    assert answer.json == {
        "id": uuid(3),
        "name": ODD,
        "deleted": [],
        "kept": [
            {"target": "sda", "disk": "overlay.qcow2", "reason": not_its_own},
            {"target": "sdb", "disk": "gone.qcow2", "reason": not_its_own},
            {"target": "sde", "disk": "/dev/fixture", "reason": "it is not in pool fixture-pool"},
            {"target": "sdc", "disk": "a.iso", "reason": "it is in a cdrom drive"},
        ],
    }
