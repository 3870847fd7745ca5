"""Every command of every change made to fail, to hang and to be the agent's last.

The commands are those of the plan that a dry run shows. Each of them goes wrong for a host or
network of its own, all at the same time, on a pool that holds volumes of every confusing name.
Afterwards nothing of a create is there and nothing of what was deleted: domains, volumes, files
of the pool, networks, ports, console logs, and what virt-install fetched.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import uuid4

import pytest

from agent.tools.commands.virsh import Virsh

from . import stack
from .daemon import Agent, Answer
from .faults import FAULTS, Faults
from .images import Images
from .stack import BRIDGE, POOL, POOL_PATH, V10, V20, own, virsh

HOST = {"memory": 64, "disks": [1, 1, 1], "networks": [V10, V20]}
NETWORK = {"bridge": BRIDGE, "vlan": 30}
ONE_DISK = {"memory": 64, "disks": [1], "networks": [V10]}


class At(Enum):
    """What is at a URL of the test's own servers."""

    TREE = "an install tree"
    IMAGE = "an image"


Urls = dict[At, str]
# An installer that does not end by itself in the middle of a test.
HOLD = {"location": At.TREE, "cmdline": "tree.hold"}
# One for each of the commands of a group.
NAMES = [own(f"faulty-{number}") for number in range(12)]
CONFUSING = (
    *("{0}", "{0}.qcow2", "{0}.0.qcow2", "{0}.1.qcow2", "{0}.example.com.0.qcow2"),
    *("{0}.3f2504e0-4f89-41d3-9a0c-0305e82c3301.0.qcow2", "{0}.2.qcow2.0.qcow2"),
)


def by_hand(name: str) -> None:
    """Define a host that is off, with a disk and a card, as the agent has virt-install do.

    virt-install takes a second of a processor for it.
    """
    uuid = str(uuid4())
    volume = f"{name}.{uuid}.0.qcow2"
    virsh("vol-create-as", POOL, volume, "1M", "--format", "qcow2")
    devices = (
        "<controller type='scsi' model='virtio-scsi'/>"
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{POOL_PATH / volume}'/><target dev='sda' bus='scsi'/></disk>"
        f"<interface type='network'><source network='{V10}'/><model type='virtio'/>"
        f"<target dev='h{uuid.replace('-', '')[:10]}-0'/></interface>"
    )
    stack.define_domain(name, devices, uuid, memory=256)


def by_hand_and_armed(name: str) -> None:
    """Define such a host, to boot from the network once as a BMC's client may have it."""
    by_hand(name)
    uuid = stack.uuid(name)
    virsh(*Virsh("qemu:///system").note_boot(uuid, "Once", "Pxe", "disk network").argv[2:])


@dataclass(frozen=True)
class Change:
    """A change. there: what is made of its name before. at_first: what virsh does to that then.

    there: what is asked of the agent, or what makes it by hand. verb: what it does to a host that
    stays. before: another change of it, which is made first.
    """

    method: str
    kind: str
    body: dict[str, Any] | None = None
    there: dict[str, Any] | Callable[[str], None] | None = None
    verb: str = ""
    at_first: tuple[str, ...] = ()
    before: "Change | None" = None

    def prepare(self, agent: Agent, name: str, urls: Urls) -> None:
        """Make what the change is of."""
        if self.before is not None:
            self.before.prepare(agent, name, urls)
            assert self.before.ask(agent, name, urls, prefer="").status == 200
        if callable(self.there):
            self.there(name)
        elif self.there is not None:
            assert agent.post(self.kind, name, body=self.there).status == 200
        for word in self.at_first:
            virsh(word, name)

    def ask(
        self, agent: Agent, name: str, urls: Urls, query: str = "", prefer: str = "respond-async"
    ) -> Answer:
        """Ask for the change."""
        body = self.body and {
            key: urls[value] if isinstance(value, At) else value for key, value in self.body.items()
        }
        target = f"/{self.kind}/{name}{self.verb}{query}"
        return agent.request(self.method, target, body, {"Prefer": prefer})

    def plan(self, agent: Agent, name: str, urls: Urls) -> dict[str, Any]:
        """The plan of the change."""
        self.prepare(agent, name, urls)
        plan: dict[str, Any] = self.ask(agent, name, urls, "?dry_run=true").body
        return plan


@dataclass(frozen=True)
class Cell:
    """The nth command of a change of a name goes wrong. plan: that of the change."""

    change: Change
    plan: dict[str, Any]
    nth: int
    name: str

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps of the plan."""
        steps: list[dict[str, Any]] = self.plan["steps"]
        return steps

    def status(self, how: str) -> str:
        """What the journal has to say of it then."""
        makes = [number for number, step in enumerate(self.steps, 1) if step["undo"]]
        if how not in KILLS:
            return "undone" if makes else "failed"
        if self.plan["leave"]:
            return "failed"
        # A delete is carried on; so is a create of which all that it makes was made.
        return "done" if all(number < self.nth for number in makes) else "undone"

    def is_over(self, how: str) -> bool:
        """Whether all commands of a change that takes nothing back have done their work then."""
        did_all = self.nth == len(self.steps) and how in DO_THEIR_WORK
        return self.status(how) == "done" or did_all

    def stays(self, how: str) -> bool:
        """Whether there is such a host or network then."""
        if self.change.verb:
            return True
        if self.change.method == "DELETE":
            return not self.is_over(how)
        return self.status(how) == "done"


CREATE = Change("POST", "hosts", HOST)
SNAPSHOT = "/snapshots/clean"
# Suspended, since its BIOS would look for a network boot, which takes all of a processor.
RUNS = ("start", "suspend")
OF_ONE_THAT_RUNS = Change("POST", "hosts", there=by_hand, verb=SNAPSHOT, at_first=RUNS)
OF_ONE_THAT_IS_OFF = Change("POST", "hosts", there=by_hand, verb=SNAPSHOT)
INSERT = Change("PUT", "hosts", {"image": At.IMAGE}, there=by_hand, verb="/media", at_first=RUNS)
INSERT_INTO_ONE_THAT_IS_OFF = replace(INSERT, at_first=())
# Those of a group are tried together.
GROUPS = {
    "create host": [CREATE, Change("POST", "hosts", {**ONE_DISK, "start": False})],
    "install host": [Change("POST", "hosts", {**HOST, "memory": 256, "install": True, **HOLD})],
    "delete host": [Change("DELETE", "hosts", there=HOST, at_first=("suspend",))],
    "network": [
        Change("POST", "networks", NETWORK),
        Change("POST", "networks", {**NETWORK, "trunk": [40, 50]}),
        Change("DELETE", "networks", there=NETWORK),
    ],
    "power": [
        Change("PUT", "hosts", there=by_hand, verb="/start"),
        *(
            # Without a card, or its BIOS would look for a network boot all the time.
            Change("PUT", "hosts", there=stack.define_domain, verb=f"/{verb}", at_first=("start",))
            for verb in ("stop", "shutdown", "reboot", "reset")
        ),
        Change("PUT", "hosts", {"boot": ["network", "disk"]}, there=by_hand, verb="/boot"),
        Change("PUT", "hosts", there=by_hand_and_armed, verb="/start"),
    ],
    "install again": [
        Change("PUT", "hosts", HOLD, there=by_hand, verb="/install"),
        Change("PUT", "hosts", {}, there=by_hand, verb="/install"),
        Change(
            "PUT", "hosts", {"cdrom": True}, verb="/install", before=INSERT_INTO_ONE_THAT_IS_OFF
        ),
    ],
    "media": [INSERT, Change("DELETE", "hosts", verb="/media", before=INSERT)],
    "snapshots": [
        OF_ONE_THAT_RUNS,
        OF_ONE_THAT_IS_OFF,
        Change("PUT", "hosts", verb=f"{SNAPSHOT}/revert", before=OF_ONE_THAT_RUNS),
        # It runs by now: to stop one that is off cannot fail.
        Change("PUT", "hosts", verb=f"{SNAPSHOT}/revert", before=OF_ONE_THAT_IS_OFF, at_first=RUNS),
        Change("DELETE", "hosts", verb=SNAPSHOT, before=OF_ONE_THAT_RUNS),
    ],
}
KILLS = {"killed before": "hang", "killed during": "hang-during", "killed after": "hang-after"}
HOWS = {"fails before": "before", "fails after": "after", "hangs": "hang-after", **KILLS}
DO_THEIR_WORK = ("fails after", "hangs")
# What others do on the machine may hold up any command for a while.
SHORT = {
    **dict.fromkeys(("virsh_seconds", "virt_install_seconds"), 15),
    **dict.fromkeys(("media_seconds", "snapshot_seconds"), 15),
    "ovs_vsctl_seconds": 10,
}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """See that the machine is in the end as it was, volumes of confusing names included."""
    precious = [POOL_PATH / shape.format(name) for name in NAMES for shape in CONFUSING]
    for path in precious:
        path.write_bytes(b"precious")
    virsh("pool-refresh", POOL)
    before, fetched = stack.snapshot(), stack.fetched_files()
    assert before["volumes"] == {path.name for path in precious}
    injected = FAULTS["injected"]
    yield
    FAULTS["leaks"] += FAULTS["injected"] - injected
    assert stack.snapshot() == before
    assert {path.read_bytes() for path in precious} == {b"precious"}
    stack.wait_for_no_more_than(fetched)
    FAULTS["leaks"] -= FAULTS["injected"] - injected


@pytest.fixture
def urls(tree: str, images: Images) -> Urls:
    """The URLs of what the changes fetch."""
    return {At.TREE: tree, At.IMAGE: images.url()}


def _cells(agent: Agent, changes: list[Change], urls: Urls) -> list[Cell]:
    """A name for each command of each change, with what is there before."""
    names = iter(NAMES)
    cells = []
    for change in changes:
        first = next(names)
        plan = change.plan(agent, first, urls)
        cells.append(Cell(change, plan, 1, first))
        cells += [Cell(change, plan, nth, next(names)) for nth in range(2, len(plan["steps"]) + 1)]
    return cells


def _kept(agent: Agent, cell: Cell) -> Any:
    """What there is of the host that a cell changes; None where it changes none."""
    if not cell.change.verb:
        return None
    uuid = stack.uuid(cell.name)
    return {
        "definition": stack.without_empty_metadata(virsh("dumpxml", "--inactive", cell.name)),
        "snapshots": virsh("snapshot-list", "--name", cell.name),
        "volumes": {volume for volume in stack.volumes() if uuid in volume},
        "fetched": {path.name for path in agent.state_dir.iterdir() if uuid in path.name},
        # What a revert begins with is not taken back.
        "state": None if cell.change.verb.endswith("revert") else stack.state(cell.name),
    }


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("changes", GROUPS.values(), ids=GROUPS)
def test_each_command_of_a_change(
    changes: list[Change],
    how: str,
    start_agent: Callable[..., Agent],
    faults: Faults,
    urls: Urls,
    nothing_left: None,
) -> None:
    """A create is taken back, a delete carried on or asked for again, a host left as it is."""
    agent = start_agent(path=faults.path, creates=8, **(SHORT if how == "hangs" else {}))
    cells = _cells(agent, changes, urls)
    faults.wrap(*{step["command"]["argv"][0] for cell in cells for step in cell.steps})
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda cell: cell.nth > 1 and cell.change.prepare(agent, cell.name, urls), cells
            )
        )
        before = list(pool.map(lambda cell: _kept(agent, cell), cells))
        # All are planned before the first of them does anything.
        faults.each()
        operations = [cell.change.ask(agent, cell.name, urls).body["id"] for cell in cells]
        for cell, operation in zip(cells, operations, strict=True):
            faults.of(operation, cell.nth, HOWS[how])
            FAULTS["injected"] += 1
        if how in KILLS:
            stack.wait_for(lambda: all(map(faults.hangs, operations)), "commands that hang")
            agent.kill()
            faults.none()
            agent.start()
        ended = [agent.ended(operation) for operation in operations]
        faults.none()
        assert [each["status"] for each in ended] == [cell.status(how) for cell in cells]
        if how not in KILLS:
            code = None if how == "hangs" else 1
            told = [(each["steps_done"], each["error"]["exit_code"]) for each in ended]
            assert told == [(cell.nth - 1, code) for cell in cells]
        stay = {cell.name for cell in cells if cell.stays(how)}
        assert (stack.domains() | stack.networks()) & {*NAMES} == stay
        for cell, kept in zip(cells, before, strict=True):
            if cell.status(how) == "undone" and cell.name in stay:
                assert _kept(agent, cell) == kept
            elif cell.change.method == "DELETE" and cell.change.verb:
                again = cell.change.ask(agent, cell.name, urls, prefer="")
                assert again.status == (404 if cell.is_over(how) else 200)
        gone = list(pool.map(lambda cell: agent.delete(cell.change.kind, cell.name), cells))
        expected = [200 if cell.name in stay else 404 for cell in cells]
        told = [answer.body.get("detail") for answer in gone]
        assert [answer.status for answer in gone] == expected, told
    assert list(agent.state_dir.glob("*.media")) == []


def _cut_off(agent: Agent, faults: Faults, word: str) -> str:
    """Kill the agent after the command of a create with a word; returns the operation."""
    faults.at(word, 1, "hang-after")
    operation: str = CREATE.ask(agent, NAMES[0], {}).body["id"]
    FAULTS["injected"] += 1
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    return operation


def test_a_second_crash_in_the_middle_of_recovery(
    start_agent: Callable[..., Agent], faults: Faults, nothing_left: None
) -> None:
    """Recovery killed at each of its commands comes to the same end, before it is ready."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    operation = _cut_off(agent, faults, "wait-until")
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
    operation = _cut_off(agent, faults, "virt-install")
    faults.at("virsh", 0, "always")
    agent.start()
    health = agent.get("health")
    assert (health.status, health.body["journal"]["unsettled"]) == (503, [operation])
    refused = agent.delete("hosts", NAMES[0])
    assert (refused.status, refused.body["held_by"]) == (409, operation)
    other = agent.delete("hosts", own("another"))
    assert other.status == 503
    faults.none()
    assert agent.ended(operation)["status"] == "undone"
    stack.wait_for(lambda: agent.get("health").status == 200, "good health")
