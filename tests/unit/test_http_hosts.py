"""/hosts and /hosts/{name}, over recorded output."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from agent.operations.operation import DONE, Request
from agent.plans.plan import Install, Plan

from .recorded import Read, virsh, virsh_error
from .web import (
    EMPTY_LIST,
    LIST,
    LIST_BR,
    MEMORY,
    NET_ACTIVE,
    NET_UUIDS,
    NETWORKS,
    ODD,
    POOL,
    POOL_XML,
    STATES,
    Agent,
    definitions,
    details,
    uuid,
)

HOST = "fixture.example.com"
BODY = {"memory": 16, "disks": [1, 1], "networks": ["fixture: żółw", "fixture-untagged"]}
NO_HOST = {"title": "Not Found", "status": 404, "detail": "there is no host 'nope'"}
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
        {
            "mac": "52:54:00:00:01:00",
            "network": "fixture: żółw",
            "bridge": "fixbr0",
            "vlan": 10,
            "port": "h0000000000-0",
        },
        {
            "mac": "52:54:00:00:01:01",
            "network": "fixture-untagged",
            "bridge": "fixbr0",
            "vlan": None,
            "port": "h0000000000-1",
        },
    ],
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
            {
                "mac": "52:54:00:00:03:00",
                "network": ODD,
                "bridge": "fixbr0",
                "vlan": None,
                "port": None,
            },
            {
                "mac": "52:54:00:00:03:01",
                "network": None,
                "bridge": "fixbr0",
                "vlan": 20,
                "port": None,
            },
        ],
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
    answer = agent(method, f"/hosts/{name}")
    assert answer.headers["content-type"] == "application/problem+json"
    shown = answer.json
    shown.pop("operation", None)
    assert (answer.status_code, shown) == (
        404,
        {**NO_HOST, "detail": f"there is no host {name!r}"},
    )


def test_one_that_goes_while_it_is_shown_is_not_found(agent: Agent) -> None:
    agent.reads(LIST)
    gone = virsh_error("dumpxml-gone")
    agent.reads(
        Read(f"dominfo {uuid(1)}", stderr=gone),
        Read(f"dumpxml {uuid(1)}", stderr=gone),
        Read(f"domstats --block {uuid(1)}", stderr=gone),
        POOL_XML,
    )
    answer = agent("GET", f"/hosts/{HOST}")
    assert (answer.status_code, answer.json["detail"]) == (404, f"there is no host '{HOST}'")


POOL_INFO = "pool-info --bytes fixture-pool"


def expect_facts(agent: Agent, listed: Read = EMPTY_LIST) -> None:
    """The reads before a create."""
    pool = Read(POOL_INFO, virsh("pool-info"))
    agent.reads(listed, NET_UUIDS, NET_ACTIVE, pool, MEMORY)
    agent.reads(*NETWORKS)
    agent.runs(*LIST_BR, stdout="fixbr0\n")


LOG = f"/var/log/libvirt/qemu/{uuid(1)}.console.log"


def volume(index: int) -> str:
    """A volume of the host that is made. The recorded ones have the names of earlier versions."""
    return f"{HOST}.{uuid(1)}.{index}.qcow2"


def vol_create_as(index: int) -> tuple[str, ...]:
    name = f"--name={volume(index)}"
    return ("vol-create-as", "--pool=fixture-pool", name, "--capacity=1GiB", "--format=qcow2")


def vol_delete(name: str) -> tuple[str, ...]:
    return ("vol-delete", "--pool=fixture-pool", f"--vol={name}")


def disk(index: int) -> str:
    return (
        f'--disk=vol="fixture-pool/{volume(index)}",bus=scsi,address.type=drive,'
        f"address.controller=0,address.bus=0,address.target={index},address.unit=0"
    )


VIRT_INSTALL = (
    "virt-install",
    "--connect=qemu:///system",
    f"--name={HOST}",
    f"--metadata=uuid={uuid(1)}",
    "--memory=16",
    "--vcpus=1",
    "--machine=q35",
    "--virt-type=qemu",
    "--os-variant=detect=on,require=off",
    "--controller=type=scsi,model=virtio-scsi",
    disk(0),
    disk(1),
    '--network=network="fixture: żółw",model=virtio,target.dev=h0000000000-0',
    '--network=network="fixture-untagged",model=virtio,target.dev=h0000000000-1',
    "--graphics=vnc,listen=127.0.0.1",
    f'--serial=pty,log.file="{LOG}",log.append=on',
    "--noautoconsole",
    "--import",
    "--boot=hd,network",
)
WAIT = (
    *("ovs-vsctl", "--timeout=10", "wait-until", "Port", "h0000000000-0", "tag=10"),
    *("--", "wait-until", "Port", "h0000000000-1", "tag=[]"),
)


def expect_create(agent: Agent) -> None:
    expect_facts(agent)
    agent.virsh(*vol_create_as(0))
    agent.virsh(*vol_create_as(1))
    agent.runs(*VIRT_INSTALL)
    agent.runs(*WAIT)
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
    agent.virsh("destroy", f"--domain={uuid(1)}")
    agent.virsh(
        *("undefine", f"--domain={uuid(1)}", "--managed-save", "--nvram"),
        *("--snapshots-metadata", "--checkpoints-metadata"),
        stderr=virsh_error("undefine-gone"),
        returncode=1,
    )
    ports = ("--", "--if-exists", "del-port", "h0000000000-0")
    ports += ("--", "--if-exists", "del-port", "h0000000000-1")
    agent.runs("ovs-vsctl", "--timeout=10", *ports)
    agent.runs(
        *("find", "/var/log/libvirt/qemu", "-maxdepth", "1", "-type", "f"),
        *("-name", f"{uuid(1)}.console.log*", "-delete"),
    )
    for index in (1, 0):
        agent.virsh(*vol_delete(volume(index)))


def test_a_name_that_is_taken_meanwhile(agent: Agent) -> None:
    """The domain of that name is somebody else's: what is taken back goes by the UUID."""
    expect_facts(agent)
    agent.virsh(*vol_create_as(0))
    agent.virsh(*vol_create_as(1))
    taken = "ERROR    Guest name 'fixture.example.com' is already in use.\n"
    agent.runs(*VIRT_INSTALL, stderr=taken, returncode=1)
    expect_undo(agent)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    assert (answer.status_code, answer.json["title"]) == (409, "Conflict")
    assert answer.json["detail"] == (
        "virt-install found the name taken: Guest name 'fixture.example.com' is already in use."
    )
    assert answer.json["exit_code"] == 1
    assert answer.json["stderr"] == taken.strip()
    assert answer.json["operation"] == answer.headers["x-operation-id"]
    assert "left_behind" not in answer.json


def test_a_host_on_the_wrong_vlan_is_taken_back(agent: Agent) -> None:
    expect_facts(agent)
    agent.virsh(*vol_create_as(0))
    agent.virsh(*vol_create_as(1))
    agent.runs(*VIRT_INSTALL)
    agent.runs(*WAIT, stderr="terminating with signal 14 (Alarm clock)\n", returncode=-14)
    expect_undo(agent)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json["detail"] == (
        "ovs-vsctl did not see the access port come up on its bridge with its VLAN tag:"
        " terminating with signal 14 (Alarm clock)"
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


@pytest.mark.parametrize(
    ("listed", "body", "expected"),
    [
        (LIST, {}, (409, f"there is a host '{HOST}' already")),
        (
            EMPTY_LIST,
            {"networks": ["nope"]},
            (400, "networks[0]: there is no network 'nope'"),
        ),
        (
            EMPTY_LIST,
            {"networks": ["fixture-nat"]},
            (
                400,
                "networks[0]: network 'fixture-nat' is inactive; start it with: virsh net-start"
                f" {uuid(14)}",
            ),
        ),
    ],
)
def test_a_host_that_cannot_be(
    agent: Agent, listed: Read, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    expect_facts(agent, listed)
    answer = agent("POST", f"/hosts/{HOST}", json={**BODY, **body})
    assert (answer.status_code, answer.json["detail"]) == expected


@pytest.mark.parametrize(
    ("pool", "detail"),
    [
        (
            Read(POOL_INFO, virsh("inactive-pool-info")),
            "virsh cannot use the storage pool: storage pool 'fixture-pool' is not active",
        ),
        (
            Read(POOL_INFO, stderr=virsh_error("pool-not-found")),
            "virsh cannot use the storage pool: failed to get pool 'fixture-pool'; Storage pool not"
            " found: no storage pool with matching name 'fixture-pool'",
        ),
    ],
)
def test_a_create_without_a_pool(agent: Agent, pool: Read, detail: str) -> None:
    agent.reads(EMPTY_LIST, NET_UUIDS, NET_ACTIVE, pool, MEMORY)
    answer = agent("POST", f"/hosts/{HOST}", json=BODY)
    assert (answer.status_code, answer.json["detail"]) == (503, detail)
    assert answer.json["command"] == f"virsh --connect=qemu:///system {POOL_INFO}"


VOLUMES = ("fixture.example.com.0.qcow2", "fixture.example.com.1.qcow2", "overlay.qcow2")


def expect_delete_facts(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(LIST)
    agent.reads(*definitions())
    rows = "".join(f" {name}   {POOL}/{name}\n" for name in VOLUMES)
    agent.reads(POOL_XML, Read("vol-list fixture-pool", f" Name   Path\n-----\n{rows}\n"))
    agent.reads(
        *(
            Read(
                f"vol-dumpxml --pool fixture-pool --vol {name}",
                virsh("vol-dumpxml-overlay" if name == "overlay.qcow2" else "vol-dumpxml-base"),
            )
            for name in VOLUMES
        )
    )


def test_delete(agent: Agent) -> None:
    expect_delete_facts(agent)
    agent.virsh("domstate", f"--domain={uuid(1)}")
    agent.virsh("destroy", f"--domain={uuid(1)}")
    agent.virsh(*vol_delete(f"{HOST}.0.qcow2"))
    agent.virsh(*vol_delete(f"{HOST}.1.qcow2"))
    agent.runs(
        *("ovs-vsctl", "--timeout=10"),
        *("--", "--if-exists", "del-port", "h0000000000-0"),
        *("--", "--if-exists", "del-port", "h0000000000-1"),
    )
    agent.runs(
        *("find", "/var/log/libvirt/qemu", "-maxdepth", "1", "-type", "f"),
        *("-name", f"{uuid(1)}.console.log*", "-delete"),
    )
    agent.virsh(
        *("undefine", f"--domain={uuid(1)}", "--managed-save", "--nvram"),
        *("--snapshots-metadata", "--checkpoints-metadata"),
    )
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
    agent.virsh(
        *("undefine", f"--domain={uuid(3)}", "--managed-save", "--nvram"),
        *("--snapshots-metadata", "--checkpoints-metadata"),
    )
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
