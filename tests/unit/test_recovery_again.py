"""What cannot be settled yet holds its name and is tried again until it is."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.errors import Busy, CommandFailed, JournalFailed
from agent.operations import leftovers, recovery
from agent.operations.admission import Admission
from agent.operations.executor import Executor
from agent.operations.locks import Claim
from agent.operations.operation import DONE, UNDONE, UNSETTLED, Change
from agent.operations.steps import Steps
from agent.tools.command import Command

from .fake_runner import CREATE, DELETE, HOST, World, asked, takes_back
from .processes import wait_until
from .test_recovery import BEGAN, CUT_OFF, GOOD, write

TWO = takes_back("two", "one")
NO = {"detail": "do failed: no", "command": "do two", "exit_code": 1, "stderr": "error: no"}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real process is looked for, and waits are short."""
    monkeypatch.setattr(leftovers, "end", lambda operation: [])
    monkeypatch.setattr(recovery, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(recovery, "_LONGEST_WAIT_SECONDS", 0.02)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.recovery.close()


def wait_until_settled(world: World) -> None:
    wait_until(lambda: not world.recovery.unsettled())
    wait_until(lambda: "recovery" not in {thread.name for thread in threading.enumerate()})


def fails_until(world: World, line: str) -> threading.Event:
    """A command that fails until the event is set."""
    works = threading.Event()
    answers = {True: (0, ""), False: (1, "error: no")}
    world.commands.answers[tuple(line.split())] = lambda: answers[works.is_set()]
    return works


@pytest.mark.parametrize(
    ("body", "held"),
    [
        ({"networks": ["v10", {"network": "v20", "mac": "02:00:00:00:00:01"}, "v10"]}, True),
        ({"networks": [{"network": "v10"}, {"network": "v20"}]}, True),
        # Of a change that is about a host that is there.
        ({"location": "http://a/"}, False),
        (None, False),
    ],
)
def test_the_networks_of_a_new_host_stay_until_it_is_settled(
    world: World, body: object, held: bool
) -> None:
    """Other hosts may use them meanwhile."""
    world.journal.begin("one", replace(asked(), body=body), CREATE)
    number = world.journal.begin_step("one", 0, CREATE.steps[0].command, undo=False)
    world.journal.end_step("one", number, GOOD)
    works = fails_until(world, "undo one")
    world.recovery.start()
    for name in ("v10", "v20"):
        assert world.holder(Claim("network", name, shared=True)) is None
        assert world.holder(Claim("network", name)) == ("one" if held else None)
    assert world.holder() == "one"
    works.set()
    wait_until_settled(world)
    holders = [world.holder(claim) for claim in (HOST, Claim("network", "v10"))]
    assert holders == [None, None]


def hands_over(world: World, error: type[Exception]) -> None:
    """A create that fails, of which the settler is told as it is in the agent."""
    steps = Steps(world.commands, world.journal)  # type: ignore[arg-type]
    executor = Executor(
        *(steps, world.journal, world.locks, world.recovery.add, lambda: None), Admission(1, 0)
    )
    with pytest.raises(error):
        executor.perform(Change((HOST,), lambda: CREATE, dict), "one", asked())
    assert world.holder() == "one"


def record(world: World) -> tuple[object, object]:
    found = world.journal.get("one")
    assert found is not None
    return found["status"], found["error"]


def test_what_is_tried_again_is_not_settled_by_another_start_beside_that(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the installs cannot be read, and everything is begun anew."""
    write(world.journal, CREATE, [GOOD, BEGAN])
    works = fails_until(world, "undo one")
    world.recovery.start()
    caplog.clear()
    world.recovery.start()
    assert "holds host" not in caplog.text
    assert world.recovery.unsettled() == ["one"]
    works.set()
    wait_until_settled(world)


@pytest.mark.parametrize("stuck", TWO)
def test_what_cannot_be_taken_back_yet(world: World, stuck: str) -> None:
    write(world.journal, CREATE, [GOOD, BEGAN])
    works = fails_until(world, stuck)
    world.recovery.start()
    assert (record(world), world.recovery.unsettled()) == ((UNSETTLED, CUT_OFF), ["one"])
    with pytest.raises(Busy) as caught:
        world.perform(DELETE, "two")
    assert (caught.value.detail, caught.value.held_by) == (
        "operation one holds host 'a'; try again when it has ended",
        "one",
    )
    wait_until(lambda: len(world.commands.ran) > 3 * len(TWO + TWO))
    works.set()
    wait_until_settled(world)
    assert (record(world), world.holder()) == ((UNDONE, CUT_OFF), None)
    ran = world.commands.words()
    assert ran == (TWO + TWO) * (len(ran) // len(TWO + TWO))


def test_a_delete_that_cannot_be_carried_on_yet(world: World) -> None:
    """Once it is done nothing is left of why it was not."""
    write(world.journal, DELETE, [GOOD, BEGAN])
    works = fails_until(world, "do two")
    world.recovery.start()
    assert (record(world), world.recovery.unsettled()) == ((UNSETTLED, NO), ["one"])
    assert world.holder() == "one"
    wait_until(lambda: len(world.commands.ran) > 3)
    works.set()
    wait_until_settled(world)
    assert (record(world), world.holder()) == ((DONE, None), None)
    ran = world.commands.words()
    assert ran == ["do two"] * (len(ran) - 1) + ["do three"]


def test_others_are_settled_meanwhile(world: World) -> None:
    write(world.journal, CREATE, [BEGAN])
    write(world.journal, DELETE, [GOOD, GOOD], operation="two", name="b")
    world.commands.fails(Command(("undo", "one")))
    world.recovery.start()
    assert world.recovery.unsettled() == ["one"]
    assert [row["status"] for row in world.journal.find()] == [DONE, UNSETTLED]


def test_a_network_is_held_by_its_own_kind_of_name(world: World) -> None:
    write(world.journal, CREATE, [BEGAN], kind="network")
    world.commands.fails(Command(("undo", "one")))
    world.recovery.start()
    assert world.holder() is None
    with pytest.raises(Busy) as caught:
        world.locks.acquire([Claim("network", "a")], "two")
    assert caught.value.held_by == "one"


def test_what_the_executor_could_not_take_back(world: World) -> None:
    works = fails_until(world, "undo one")
    world.commands.fails(Command(("do", "two")))
    hands_over(world, CommandFailed)
    works.set()
    wait_until_settled(world)
    assert (record(world), world.holder()) == ((UNDONE, NO), None)


@pytest.mark.parametrize(
    ("first", "done"),
    [
        (4, ["do one"]),
        (6, ["do one", "do two"]),
        (8, ["do one", "do two", "do three"]),
        (10, ["do one", "do two", "do three", "do four"]),
    ],
)
def test_what_the_executor_could_not_write_down(world: World, first: int, done: list[str]) -> None:
    """It was taken back, and is not taken for a create that only has to be finished."""
    broken = threading.Event()
    broken.set()
    world.journal.fails = lambda number: broken.is_set() and number >= first
    hands_over(world, JournalFailed)
    broken.clear()
    wait_until_settled(world)
    assert (record(world), world.holder()) == ((UNDONE, CUT_OFF), None)
    ran = world.commands.words()
    assert [line for line in ran if line.startswith("do ")] == done
    undone = takes_back("one") if done == ["do one"] else TWO
    assert ran[-2 * len(undone) :] == undone + undone


def test_a_journal_that_fails_while_it_is_settled(world: World) -> None:
    """What is to be written down later is held, and the other operations are settled."""
    write(world.journal, CREATE, [BEGAN])
    write(world.journal, DELETE, [GOOD, GOOD], operation="two", name="b")
    # The four undo commands of the first are two writes each; then comes its end.
    end = world.journal.writes + 9
    failed, go_on = threading.Event(), threading.Event()

    def fails(number: int) -> bool:
        if number == end:
            failed.set()
        return number == end

    def tried_again_when_told() -> tuple[int, str]:
        assert not failed.is_set() or go_on.wait(60)
        return 0, ""

    world.journal.fails = fails
    world.commands.answers["undo", "one"] = tried_again_when_told
    world.recovery.start()
    assert world.recovery.unsettled() == ["one"]
    assert world.holder() == "one"
    assert [row["status"] for row in world.journal.find()] == [DONE, "running"]
    go_on.set()
    wait_until_settled(world)
    assert (record(world), world.holder()) == ((UNDONE, CUT_OFF), None)


def test_a_recovery_that_is_closed_tries_no_more(world: World) -> None:
    write(world.journal, CREATE, [BEGAN])
    world.commands.fails(Command(("undo", "one")))
    world.recovery.start()
    world.recovery.close()
    wait_until(lambda: "recovery" not in {thread.name for thread in threading.enumerate()})
    ran = len(world.commands.ran)
    world.recovery.add("two")
    assert "recovery" not in {thread.name for thread in threading.enumerate()}
    assert (len(world.commands.ran), record(world)) == (ran, (UNSETTLED, CUT_OFF))
    assert world.holder() == "one"
