"""A volume that was there before is never deleted, whatever the agent did not live to hear."""

import os
from pathlib import Path

import pytest

from agent.errors import InvalidOutput
from agent.operations import leftovers
from agent.operations.operation import UNDONE, UNSETTLED, Outcome
from agent.operations.recovery import Settler
from agent.operations.steps import Steps
from agent.plans.plan import Plan, Step
from agent.tools.command import Command
from agent.tools.commands.files import birth
from agent.tools.commands.virsh import (
    VOLUME_TAKEN,
    Virsh,
    deleted_volume,
    makes_volume,
    volume_path,
)
from agent.tools.parsers.files import seconds_of_birth
from agent.tools.records import Records

from .fake_runner import World, asked, step

VIRSH = Virsh("qemu:///system")
NAMES = ("ns.0.qcow2", "ns.1.qcow2")
MAKE = [VIRSH.vol_create_as("p", name, 1) for name in NAMES]
DELETE = [VIRSH.vol_delete("p", name) for name in NAMES]
PATH = [
    Command(("virsh", "--connect=qemu:///system", "vol-path", "--pool=p", f"--vol={name}"))
    for name in NAMES
]
STAT = [birth(f"/pool/{name}") for name in NAMES]
PLAN = Plan(
    "create host ns",
    (
        *(
            Step(f"make disk {name}", make, (delete,), VOLUME_TAKEN)
            for name, make, delete in zip(NAMES, MAKE, DELETE, strict=True)
        ),
        step("domain"),
    ),
)
CUT_OFF = "it was cut off: the agent ended while it ran"
MADE = Outcome(0.0, 0, True, "Vol created\n\n", "")
NO_ROOM = Outcome(0.0, 1, False, "\n", "error: No space left on device\n")
KILLED = Outcome(0.0, None, False, "", "", "it was killed")
TAKEN = "error: Failed to create vol\nerror: storage volume 'ns.1.qcow2' exists already\n"
THERE_ALREADY = "it was there already when this operation was to make it"
ITS_OWN = f"; if it is nobody's, delete it with: {DELETE[1]}"
BEFORE = f"it was made before this operation began to make its own{ITS_OWN}"
AFTER = f"it was made long after this operation was to make its own{ITS_OWN}"
NOT_KNOWN = "nothing says whether this operation made it: its file system keeps no births" + ITS_OWN


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path)


@pytest.fixture
def world(records: Records, monkeypatch: pytest.MonkeyPatch) -> World:
    """One whose second volume is there, born when the test says so; its journal's time is 1000."""
    monkeypatch.setattr(leftovers, "end", lambda operation: [])
    world = World()
    steps = Steps(world.commands, world.journal, records)  # type: ignore[arg-type]
    world.settler = Settler(steps, world.journal, world.locks)
    world.commands.prints[PATH[1].argv] = "/pool/ns.1.qcow2\n\n"
    return world


def cut_off(world: World, *outcomes: Outcome | None) -> None:
    """Write down an operation up to where it was cut off."""
    world.journal.begin("one", asked("ns"), PLAN)
    for index, outcome in enumerate(outcomes):
        number = world.journal.begin_step("one", index, PLAN.steps[index].command, undo=False)
        if outcome is not None:
            world.journal.end_step("one", number, outcome)


def said(records: Records, number: int, out: str, err: str) -> None:
    """Have a command of the operation say that."""
    with records.open("one", number) as record:
        assert record is not None
        record.stdout.write(out.encode())
        record.stderr.write(err.encode())


def settled(world: World) -> tuple[str, object, list[Command]]:
    """Start the settler; answers the status, what was kept and why, and what was run."""
    world.settler.start()
    found = world.journal.get("one")
    assert found is not None
    error = found["error"]
    assert error["detail"] == CUT_OFF
    kept = error.get("kept")
    return found["status"], kept, [Command(command.argv) for command in world.commands.ran]


def plain(*commands: Command) -> list[Command]:
    return [Command(command.argv) for command in commands]


def kept(why: str) -> list[dict[str, str]]:
    return [{"disk": NAMES[1], "reason": why}]


def test_a_volume_that_the_command_found_there_is_spared(
    world: World, records: Records, tmp_path: Path
) -> None:
    """It said so after the agent's end; the journal has it then, and the answer tells."""
    cut_off(world, MADE, None)
    said(records, 1, "\n", TAKEN)
    expected = (UNDONE, kept(THERE_ALREADY), plain(DELETE[0], DELETE[0]))
    assert settled(world) == expected
    found = world.journal.get("one")
    assert found is not None
    heard = found["commands"][1]
    assert (heard["ok"], heard["exit_code"], heard["stderr"]) == (False, None, TAKEN)
    assert heard["error"] == "the agent ended before it did; this is what it said"
    assert os.listdir(tmp_path) == []


def test_a_volume_that_the_command_made_is_deleted(world: World, records: Records) -> None:
    """Without a look: it said so."""
    cut_off(world, MADE, None)
    said(records, 1, "Vol ns.1.qcow2 created\n\n", "")
    undone = plain(DELETE[1], DELETE[0])
    assert settled(world) == (UNDONE, None, undone + undone)


@pytest.mark.parametrize("outcome", [None, KILLED, NO_ROOM])
@pytest.mark.parametrize(
    ("born", "why"),
    [
        ("999.999000000", BEFORE),
        ("1000.015000000", None),
        ("1059.000000000", None),
        ("1061.000000000", AFTER),
        ("0.000000000", NOT_KNOWN),
    ],
)
def test_one_of_which_nothing_was_said_is_told_by_its_birth(
    world: World, outcome: Outcome | None, born: str, why: str | None
) -> None:
    cut_off(world, MADE, outcome)
    world.commands.prints[STAT[1].argv] = f"{born}\n"
    look = plain(PATH[1], STAT[1])
    one_pass = plain(*look, *([] if why else [DELETE[1]]), DELETE[0])
    assert settled(world) == (UNDONE, kept(why) if why else None, one_pass + one_pass)


def test_one_that_cannot_be_looked_at_is_kept(world: World) -> None:
    cut_off(world, MADE, None)
    world.commands.fails(STAT[1], "stat: cannot statx '/pool/ns.1.qcow2': Permission denied")
    status, disks, _ = settled(world)
    assert (status, disks) == (UNDONE, kept(NOT_KNOWN))


def test_one_that_is_not_there_is_deleted_all_the_same(world: World) -> None:
    """libvirt may have been at work on it until now."""
    cut_off(world, MADE, None)
    world.commands.fails(PATH[1], "error: Storage volume not found: no storage vol")
    one_pass = plain(PATH[1], DELETE[1], DELETE[0])
    assert settled(world) == (UNDONE, None, one_pass + one_pass)


def test_a_clock_that_was_set_back_keeps_it(world: World) -> None:
    """It began later than its command did, so that births say nothing."""
    times = iter([2000.0, *[1000.0] * 100])
    world.journal._clock = lambda: next(times)
    cut_off(world, None, None)
    world.commands.prints[STAT[1].argv] = "1000.015000000\n"
    world.commands.fails(PATH[0], "error: Storage volume not found: no storage vol")
    status, disks, _ = settled(world)
    assert (status, disks) == (UNDONE, kept(BEFORE))


def test_while_it_cannot_be_looked_at_the_operation_is_unsettled(world: World) -> None:
    cut_off(world, MADE, None)
    world.commands.fails(PATH[1], "error: failed to connect to the hypervisor")
    status, disks, ran = settled(world)
    world.settler.close()
    assert (status, disks) == (UNSETTLED, None)
    assert ran == plain(PATH[1], DELETE[0], PATH[1], DELETE[0])


def test_what_was_deleted_before_is_not_deleted_again(world: World) -> None:
    """Of a volume that it made: what has the name since is somebody else's."""
    cut_off(world, MADE, MADE, None)
    world.commands.fails(Command(("undo", "domain")))
    first = plain(Command(("undo", "domain")), Command(("clear", "domain")))
    undone = plain(DELETE[1], DELETE[0])
    status, _, ran = settled(world)
    world.settler.close()
    assert (status, ran) == (UNSETTLED, [*first, *undone, *first, *undone])
    world.commands.ran.clear()
    assert settled(world) == (UNSETTLED, None, first + first)


def test_which_commands_these_are() -> None:
    others = [Command(("undo", "one")), VIRSH.undefine("uuid")]
    assert [deleted_volume(command) for command in (DELETE[0], *others)] == [NAMES[0], None, None]
    assert [volume_path(command) for command in (*MAKE, *others)] == [None] * 4
    assert volume_path(DELETE[0]) == Command(PATH[0].argv, tolerates=("Storage volume not found",))
    assert [makes_volume(command) for command in (MAKE[0], DELETE[0], *others)] == [
        *(True, False, False, False),
    ]


@pytest.mark.parametrize(
    ("text", "born"), [("1795475378.600677786\n", 1795475378.600677786), ("0.000000000\n", None)]
)
def test_when_a_file_was_born(text: str, born: float | None) -> None:
    """As GNU stat 9.1 prints it on ext4 and on /proc."""
    assert seconds_of_birth(text) == born


def test_what_is_no_birth() -> None:
    with pytest.raises(InvalidOutput) as caught:
        seconds_of_birth("-\n")
    assert "no seconds" in caught.value.detail
