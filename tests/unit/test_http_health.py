"""/health: each of what the agent works with, for itself."""

from typing import Any

import pytest

from agent.operations import leftovers

from .fake_runner import CREATE, asked, takes_back
from .recorded import Read, recorded, virsh, virsh_error
from .web import LIST_BR, POOL_INFO, Agent

VERSION = Read("version --daemon", virsh("version"))
APPCTL = ("ovs-appctl", "--timeout=10", "--target=ovs-vswitchd", "version")
JOURNAL = {"status": "ok", "unsettled": []}
OPENVSWITCH = {"status": "ok", "version": "ovs-vswitchd (Open vSwitch) 3.1.0"}


def pool() -> dict[str, Any]:
    figures = dict(line.split() for line in virsh("pool-info").splitlines() if line)
    return {
        "status": "ok",
        "name": "fixture-pool",
        "capacity_bytes": int(figures["Capacity:"]),
        "available_bytes": int(figures["Available:"]),
    }


def expect_good_health(agent: Agent, pool_info: Read = POOL_INFO) -> dict[str, Any]:
    """The reads for it, and the answer."""
    agent.reads(VERSION)
    agent.reads(pool_info)
    agent.runs(*LIST_BR, stdout="fixbr0\n")
    agent.runs(*APPCTL, stdout=recorded("ovs-appctl-3.1.0.version.out"))
    return {
        "status": "ok",
        "libvirt": {"status": "ok", "version": "9.0.0"},
        "pool": pool(),
        "openvswitch": OPENVSWITCH,
        "journal": JOURNAL,
    }


def test_health(agent: Agent) -> None:
    healthy = expect_good_health(agent)
    answer = agent("GET", "/health")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json == healthy


def test_health_with_an_operation_that_is_not_settled(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be taken back when the agent started."""
    ended: list[str] = []
    monkeypatch.setattr(leftovers, "end", lambda operation: ended.append(operation) or [])
    for operation in ("two", "one"):
        agent.journal.begin(operation, asked(operation), CREATE)
        agent.journal.begin_step(operation, 0, CREATE.steps[0].command, undo=False)
    for line in [*takes_back("one"), *takes_back("one")] * 2:
        agent.runs(*line.split(), stderr="error: no\n", returncode=1)
    agent.recovery.start()
    agent.recovery.close()
    healthy = expect_good_health(agent)
    answer = agent("GET", "/health")
    assert (answer.status_code, answer.json) == (
        503,
        {
            **healthy,
            "status": "failing",
            "journal": {
                "status": "failing",
                "detail": "neither completed nor undone yet: operations one, two",
                "unsettled": ["one", "two"],
            },
        },
    )
    assert ended == ["two", "one"]


def test_health_while_the_pool_is_off(agent: Agent) -> None:
    off = Read("pool-info --bytes fixture-pool", virsh("inactive-pool-info"))
    healthy = expect_good_health(agent, off)
    answer = agent("GET", "/health")
    assert (answer.status_code, answer.json) == (
        503,
        {
            **healthy,
            "status": "failing",
            "pool": {
                "status": "failing",
                "detail": "virsh cannot use the storage pool: storage pool 'fixture-pool' is not"
                " active",
                "command": "virsh --connect=qemu:///system pool-info --bytes fixture-pool",
                "exit_code": 0,
                "stderr": "error: storage pool 'fixture-pool' is not active",
            },
        },
    )


def test_health_without_any_daemon(agent: Agent) -> None:
    agent.out_of_reach(VERSION)
    agent.out_of_reach(POOL_INFO)
    down = recorded("ovs-vsctl-3.1.0.out-of-reach.err")
    agent.runs(*LIST_BR, stderr=down, returncode=1)
    answer = agent("GET", "/health")
    lost = {
        "status": "failing",
        "detail": "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to"
        " connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
        "exit_code": 1,
        "stderr": virsh_error("out-of-reach").strip(),
    }
    virsh_line = "virsh --connect=qemu:///system"
    assert (answer.status_code, answer.json) == (
        503,
        {
            "status": "failing",
            "libvirt": {**lost, "command": f"{virsh_line} version --daemon"},
            "pool": {**lost, "command": f"{virsh_line} pool-info --bytes fixture-pool"},
            "openvswitch": {
                "status": "failing",
                "detail": "ovs-vsctl cannot reach its daemon: ovs-vsctl:"
                " unix:/var/run/openvswitch/db.sock: database connection failed (No such file or"
                " directory)",
                "command": "ovs-vsctl --timeout=10 list-br",
                "exit_code": 1,
                "stderr": down.strip(),
            },
            "journal": JOURNAL,
        },
    )


def test_health_while_the_switch_is_down(agent: Agent) -> None:
    """Its database answers, so that only ovs-appctl can tell."""
    agent.reads(VERSION)
    agent.reads(POOL_INFO)
    agent.runs(*LIST_BR, stdout="fixbr0\n")
    down = recorded("ovs-appctl-3.1.0.switch-down.err")
    agent.runs(*APPCTL, stderr=down, returncode=1)
    answer = agent("GET", "/health")
    last = down.splitlines()[-1]
    assert (answer.status_code, answer.json["openvswitch"]) == (
        503,
        {
            "status": "failing",
            "detail": f"ovs-appctl failed: {last}",
            "command": "ovs-appctl --timeout=10 --target=ovs-vswitchd version",
            "exit_code": 1,
            "stderr": down.strip(),
        },
    )
