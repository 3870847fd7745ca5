"""The daemon itself: how it ends, what it says of its health, what it needs to start."""

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from . import stack
from .daemon import PROJECT, Agent
from .faults import Faults
from .stack import V10, own, virsh

NAME = own("ns")
BODY = {"memory": 64, "disks": [1], "networks": [V10]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_hosts_run_on_without_the_agent(
    start_agent: Callable[..., Agent], agent: Agent, number: signal.Signals
) -> None:
    """It ends with exit status 0, and the next agent finds what it has made."""
    first = start_agent()
    made = first.post("hosts", NAME, body=BODY)
    number_of_domain = virsh("domid", NAME)
    assert first.stop(number) == 0
    assert (stack.state(NAME), virsh("domid", NAME)) == ("running", number_of_domain)
    assert agent.get("hosts", NAME).body == made.body


@pytest.mark.parametrize("how", ["hang", "hang-after"])
def test_a_create_that_the_agents_end_interrupts_is_taken_back(
    faults: Faults, start_agent: Callable[..., Agent], how: str
) -> None:
    """Before the host is there, and after."""
    # What is taken back has this long too, on a busy machine as well.
    agent = start_agent(path=faults.path, stop_seconds=15)
    with stack.unchanged(), ThreadPoolExecutor(1) as pool:
        faults.at("virt-install", 1, how)
        hanging = pool.submit(agent.post, "hosts", NAME, body=BODY)
        stack.wait_for(faults.hangs, "a virt-install that hangs")
        agent.process.send_signal(signal.SIGTERM)
        answer = hanging.result(240)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "the agent is stopping" in answer.body["detail"]
        assert "left_behind" not in answer.body
        assert agent.process.wait(240) == 0


def test_a_create_that_is_about_to_end_may_end(
    faults: Faults, start_agent: Callable[..., Agent]
) -> None:
    """An agent that is told to stop begins nothing else, waits for it, and the host is whole."""
    agent = start_agent(path=faults.path, stop_seconds=240)
    faults.replace(
        "virt-install",
        """#!/bin/sh
PATH=${PATH#*:}
: >"$(dirname "$0")/hangs"
while [ -e "$(dirname "$0")/hangs" ]; do sleep 0.1; done
exec virt-install "$@"
""",
    )
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(agent.post, "hosts", NAME, body=BODY)
        stack.wait_for(faults.hangs, "a create at its last step")
        agent.process.send_signal(signal.SIGTERM)
        agent.logged("waiting for 1 operations")
        late = agent.post("hosts", own("late"), body=BODY)
        assert (late.status, late.headers["Retry-After"]) == (503, "5")
        faults.none()
        assert creating.result(240).status == 200
        assert agent.process.wait(240) == 0
    assert stack.state(NAME) == "running"
    assert [stack.tag(port) for port in stack.ports()] == ["10"]


def test_all_is_well(agent: Agent) -> None:
    """Health names each part, with what it is."""
    answer = agent.get("health")
    pool = dict(
        line.split(":", 1)
        for line in virsh("pool-info", "--bytes", stack.POOL).splitlines()
        if ":" in line
    )
    assert (answer.status, answer.body) == (
        200,
        {
            "status": "ok",
            "libvirt": {"status": "ok", "version": answer.body["libvirt"]["version"]},
            "pool": {
                "status": "ok",
                "name": stack.POOL,
                "capacity_bytes": int(pool["Capacity"]),
                "available_bytes": answer.body["pool"]["available_bytes"],
            },
            "openvswitch": {
                "status": "ok",
                "version": stack.tool("ovs-appctl", "version").strip(),
            },
            "journal": {"status": "ok", "unsettled": []},
        },
    )
    daemon = virsh("version", "--daemon").strip().splitlines()[-1]
    assert daemon == f"Running against daemon: {answer.body['libvirt']['version']}"
    assert 0 < answer.body["pool"]["available_bytes"] <= answer.body["pool"]["capacity_bytes"]


UNREACHABLE = "qemu+unix:///system?socket=/nonexistent"


@pytest.mark.parametrize(
    ("settings", "failing"),
    [
        ({"pool": own("no-such-pool")}, {"pool"}),
        ({"libvirt_uri": UNREACHABLE}, {"libvirt", "pool"}),
    ],
)
def test_health_names_what_fails(
    start_agent: Callable[..., Agent], settings: dict[str, str], failing: set[str]
) -> None:
    """And a change that needs it is refused as one to try again, with nothing made."""
    agent = start_agent(**settings)
    _assert_failing(agent, failing)
    with stack.unchanged():
        answer = agent.post("hosts", NAME, body=BODY)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        if "libvirt" in failing:
            assert agent.get("hosts").status == 503
            assert agent.get("networks", V10).status == 503
            assert agent.delete("hosts", NAME).status == 503


def test_health_names_a_pool_that_is_off(start_agent: Callable[..., Agent]) -> None:
    """A pool that is defined is not yet one that works."""
    name = own("off")
    virsh("pool-define-as", name, "dir", "--target", f"{stack.POOL_PATH}-off")
    try:
        _assert_failing(start_agent(pool=name), {"pool"})
    finally:
        virsh("pool-undefine", name)


def _assert_failing(agent: Agent, failing: set[str]) -> None:
    answer = agent.get("health")
    parts = {part: told["status"] for part, told in answer.body.items() if part != "status"}
    assert (answer.status, answer.body["status"]) == (503, "failing")
    assert parts == {
        part: "failing" if part in failing else "ok"
        for part in ("libvirt", "pool", "openvswitch", "journal")
    }
    for part in failing:
        assert answer.body[part]["detail"]


def test_two_agents_do_not_share_a_state_folder(agent: Agent) -> None:
    """What holds a name is in memory, so the second one says so and ends."""
    words = [sys.executable, "-m", "agent", "serve", f"--state-dir={agent.state_dir}"]
    second = subprocess.run(
        [*words, "--listen=127.0.0.1:0"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (second.returncode, second.stdout) == (2, "")
    assert second.stderr == (f"agent: state_dir: another agent serves from {agent.state_dir}\n")
    assert agent.get("hosts").status == 200
