"""Every command of every change made to fail, to hang and to be the agent's last.

After each, and a restart where the agent was killed, nothing of a create is there and nothing of
what was deleted: domains, volumes, files of the pool, networks, ports, console logs, and what
virt-install fetched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .faults import FAULTS, Faults
from .stack import BRIDGE, POOL, POOL_PATH, V10, V20, own, virsh

HOST, NETWORK = own("faulty"), own("faulty-net")
# The volume of a new host's second disk, when somebody else makes it first.
FOREIGN = f"{HOST}.1.qcow2"
MAKE_FOREIGN = {
    "volume": f"virsh vol-create-as {POOL} {FOREIGN} 1M --format raw\n",
    "file": "",
}


@dataclass(frozen=True)
class Case:
    """A change: how it is asked for, and the tools that the commands of its plan run."""

    name: str
    tools: tuple[str, ...]
    ask: Callable[[Agent, str], Any]
    prepare: Callable[[Agent], Any] = field(default=lambda agent: None)
    makes: bool = True

    @property
    def commands(self) -> int:
        """How many commands its plan has."""
        return len(self.tools)


_CREATE_HOST = (*("virsh",) * 3, "virt-install", "ovs-vsctl")


def _host(tree: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"memory": 64, "disks": [1, 1, 1], "networks": [V10, V20]}
    if tree is not None:
        # An installer that does not end by itself in the middle of a test.
        body |= {"memory": 256, "install": True, "location": tree, "cmdline": "tree.hold"}
    return body


def _ask_later(agent: Agent, method: str, path: str, body: Any = None) -> Any:
    return agent.request(method, path, body, {"Prefer": "respond-async"})


CASES = [
    Case(
        "create host",
        _CREATE_HOST,
        lambda agent, tree: _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)),
    ),
    Case(
        "install host",
        _CREATE_HOST,
        lambda agent, tree: _ask_later(agent, "POST", f"/hosts/{HOST}", _host(tree)),
    ),
    Case(
        "create network",
        ("virsh",) * 3,
        lambda agent, tree: _ask_later(
            agent, "POST", f"/networks/{NETWORK}", {"bridge": BRIDGE, "vlan": 30}
        ),
    ),
    Case(
        "delete host",
        (*("virsh",) * 5, "ovs-vsctl", "find", "virsh"),
        lambda agent, tree: _ask_later(agent, "DELETE", f"/hosts/{HOST}"),
        lambda agent: agent.post("hosts", HOST, body=_host(None)),
        makes=False,
    ),
    Case(
        "delete network",
        ("virsh",) * 2,
        lambda agent, tree: _ask_later(agent, "DELETE", f"/networks/{NETWORK}"),
        lambda agent: agent.post("networks", NETWORK, body={"bridge": BRIDGE, "vlan": 30}),
        makes=False,
    ),
]
STEPS = [
    pytest.param(case, nth, id=f"{case.name} {nth}".replace(" ", "-"))
    for case in CASES
    for nth in range(1, case.commands + 1)
]
# Of the tool that hangs alone: what others do on the machine may hold up any command for a while.
SHORT = {
    "virsh": ("virsh_seconds", 10),
    "find": ("virsh_seconds", 10),
    "virt-install": ("virt_install_seconds", 6),
    "ovs-vsctl": ("ovs_vsctl_seconds", 5),
}
KILLS = {"before": "hang", "during": "hang-during", "after": "hang-after"}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Count the fault, and see that the machine is as it was before there was such a host."""
    before, fetched = stack.snapshot(), stack.fetched_files()
    FAULTS["injected"] += 1
    FAULTS["leaks"] += 1
    yield
    assert stack.snapshot() == before
    stack.wait_for_no_more_than(fetched)
    FAULTS["leaks"] -= 1


def _ended(agent: Agent, operation: str) -> dict[str, Any]:
    """Wait for an operation to end, and answer it."""

    def ended() -> Any:
        found = agent.get("operations", operation).body
        return found if found["status"] not in ("running", "unsettled") else None

    found: dict[str, Any] = stack.wait_for(ended, "an end to the operation")
    return found


@pytest.mark.parametrize(("case", "nth"), STEPS)
def test_a_command_that_fails(
    case: Case,
    nth: int,
    start_agent: Callable[..., Agent],
    faults: Faults,
    tree: str,
    nothing_left: None,
) -> None:
    """A create is taken back; a delete can be asked for again."""
    agent = start_agent(path=faults.path)
    case.prepare(agent)
    faults.at_operation(nth, "before")
    found = _ended(agent, case.ask(agent, tree).body["id"])
    faults.none()
    if case.makes:
        assert (found["status"], found["steps_done"]) == ("undone", nth - 1)
    else:
        assert (found["status"], found["steps_done"]) == ("failed", nth - 1)
        again = _ended(agent, case.ask(agent, tree).body["id"])
        assert again["status"] == "done"


@pytest.mark.parametrize(("case", "nth"), STEPS)
def test_a_command_that_hangs(
    case: Case,
    nth: int,
    start_agent: Callable[..., Agent],
    faults: Faults,
    tree: str,
    nothing_left: None,
) -> None:
    """It is killed at its limit, whether or not it had done its work by then."""
    setting, seconds = SHORT[case.tools[nth - 1]]
    agent = start_agent(path=faults.path, **{setting: seconds})
    case.prepare(agent)
    faults.at_operation(nth, "hang-after")
    found = _ended(agent, case.ask(agent, tree).body["id"])
    faults.none()
    assert found["error"]["exit_code"] is None
    if case.makes:
        assert (found["status"], found["steps_done"]) == ("undone", nth - 1)
    else:
        assert (found["status"], found["steps_done"]) == ("failed", nth - 1)
        again = case.ask(agent, tree)
        if again.status == 202:
            assert _ended(agent, again.body["id"])["status"] == "done"
        else:
            # It was the last command, and had done its work.
            assert (again.status, nth) == (404, case.commands)


@pytest.mark.parametrize("when", KILLS)
@pytest.mark.parametrize(("case", "nth"), STEPS)
def test_the_agent_is_killed(
    case: Case,
    nth: int,
    when: str,
    start_agent: Callable[..., Agent],
    faults: Faults,
    tree: str,
    nothing_left: None,
) -> None:
    """Started again it settles what was cut off before it answers anybody."""
    agent = start_agent(path=faults.path)
    case.prepare(agent)
    faults.at_operation(nth, KILLS[when])
    operation = case.ask(agent, tree).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    agent.start()
    found = agent.get("operations", operation).body
    if not case.makes:
        assert found["status"] == "done"
    elif nth == case.commands:
        # All that it makes was made: what was missing is a look, or can be done again.
        assert found["status"] == "done"
        kind, name = ("networks", NETWORK) if found["network"] else ("hosts", HOST)
        assert agent.delete(kind, name).status == 200
    else:
        assert found["status"] == "undone"


def _make_foreign(kind: str) -> str:
    """A script with which somebody makes that volume, or a file that libvirt does not know of."""
    return f"{MAKE_FOREIGN[kind]}printf precious >{POOL_PATH / FOREIGN}\n"


def _is_kept(agent: Agent, operation: str, why: str) -> None:
    """See that the volume of somebody else is as it was, and that the operation tells of it."""
    found = agent.get("operations", operation).body
    assert found["status"] == "undone"
    (kept,) = found["error"]["kept"]
    assert (kept["disk"], kept["reason"][: len(why)]) == (FOREIGN, why)
    assert (POOL_PATH / FOREIGN).read_bytes() == b"precious"
    assert {name for name in stack.volumes() if name.startswith(HOST)} <= {FOREIGN}
    again = agent.post("hosts", HOST, body=_host(None))
    assert (again.status, FOREIGN in again.body["detail"]) == (409, True)
    assert (POOL_PATH / FOREIGN).read_bytes() == b"precious"
    virsh("pool-refresh", POOL)
    virsh("vol-delete", "--pool", POOL, FOREIGN)


@pytest.mark.parametrize("kind", MAKE_FOREIGN)
def test_a_volume_that_is_made_right_before_the_agents_is_kept(
    kind: str, start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """The agent looked before, and is killed before it hears that its own was refused."""
    agent = start_agent(path=faults.path)
    faults.meanwhile("vol-create-as", _make_foreign(kind), 2, hang=True)
    operation = _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    agent.start()
    _is_kept(agent, operation, "it was there already")


def test_one_that_the_agents_command_never_got_to_see_is_kept(
    start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """Both are killed before it is asked for: it was made before that command began."""
    agent = start_agent(path=faults.path)
    then = f"echo vol-create-as 2 hang >{faults.folder}/fault\n"
    faults.meanwhile("vol-create-as", _make_foreign("volume") + then)
    operation = _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    agent.start()
    _is_kept(agent, operation, "it was made before this operation began")


def test_a_volume_of_the_agents_own_is_known_by_its_birth(
    start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """After a power failure there is nothing but that to tell by: it is deleted."""
    agent = start_agent(path=faults.path)
    faults.at("vol-create-as", 2, "hang-after")
    operation = _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    records = sorted((agent.state_dir / "records").iterdir())
    assert [path.name for path in records] == [f"{operation}.1.{kind}" for kind in ("err", "out")]
    for path in records:
        path.write_bytes(b"")
    agent.start()
    found = agent.get("operations", operation).body
    assert (found["status"], "kept" in found["error"]) == ("undone", False)
    assert not list((agent.state_dir / "records").iterdir())


def test_a_second_crash_in_the_middle_of_recovery(
    start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """Recovery killed at each of its commands comes to the same end."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    faults.at_operation(5, "hang-after")
    operation = _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    # So the check, which recovery carries on with, fails, and all is taken back.
    for port in stack.ports():
        stack.vsctl("set", "Port", port, "tag=99")
    for nth in range(2, 8):
        faults.at_operation(nth, "hang-after")
        agent.launch()
        stack.wait_for(faults.hangs, "a command of the recovery that hangs")
        agent.kill()
    faults.none()
    agent.start()
    assert agent.get("operations", operation).body["status"] == "undone"


def test_what_cannot_be_settled_yet_holds_its_name_alone(
    start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """With libvirt out of reach the agent starts, says so, and goes on trying."""
    agent = start_agent(path=faults.path)
    faults.at_operation(4, "hang-after")
    operation = _ask_later(agent, "POST", f"/hosts/{HOST}", _host(None)).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.at("virsh", 0, "always")
    agent.start()
    health = agent.get("health")
    assert (health.status, health.body["journal"]["unsettled"]) == (503, [operation])
    refused = agent.delete("hosts", HOST)
    assert (refused.status, refused.body["held_by"]) == (409, operation)
    other = agent.delete("hosts", own("another"))
    assert other.status == 503
    faults.none()
    assert _ended(agent, operation)["status"] == "undone"
    stack.wait_for(lambda: agent.get("health").status == 200, "good health")
