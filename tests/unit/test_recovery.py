"""What becomes of an operation that was cut off, wherever that was."""

import json
from collections.abc import Callable

import pytest

from agent.errors import JournalFailed
from agent.operations import leftovers
from agent.operations.journal import Journal
from agent.operations.operation import DONE, UNDONE, UNSETTLED, Outcome
from agent.plans.plan import Plan
from agent.tools.command import Command

from .fake_runner import CREATE, DELETE, BreakingJournal, Commands, World, asked, takes_back

CUT_OFF = {"detail": "it was interrupted: the agent ended while it ran"}
GOOD = Outcome(0.0, 0, True, "", "")
BAD = Outcome(0.0, 1, False, "", "error: no")
# A step that began, and of which nothing more was heard.
BEGAN = None

# One pass of taking back what each step made, and the two that a recovery makes.
ONE, TWO = takes_back("one"), takes_back("two", "one")


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations whose processes were ended; no real process is looked for."""
    operations: list[str] = []
    monkeypatch.setattr(leftovers, "end", lambda operation: operations.append(operation) or [])
    return operations


def write(
    journal: Journal,
    plan: Plan,
    outcomes: list[Outcome | None],
    undone: list[Outcome | None] | None = None,
    operation: str = "one",
    name: str = "a",
    kind: str = "host",
) -> None:
    """Write down an operation up to where it was cut off.

    outcomes: of its steps, from the first. undone: of the undo commands, from the newest's.
    """
    journal.begin(operation, asked(name, kind), plan)
    commands = [(index, plan.steps[index].command, False) for index in range(len(outcomes))]
    began = reversed(range(len(outcomes)))
    undoes = [(index, command, True) for index in began for command in plan.steps[index].undo]
    commands += undoes[: len(undone or [])]
    for (index, command, undo), outcome in zip(commands, [*outcomes, *(undone or [])], strict=True):
        number = journal.begin_step(operation, index, command, undo=undo)
        if outcome is not None:
            journal.end_step(operation, number, outcome)


def settled(world: World) -> tuple[str, object]:
    """Have the recovery start; answers the status and the error that it comes to."""
    world.recovery.start()
    assert (world.recovery.unsettled(), world.holder()) == ([], None)
    assert world.journal.unfinished() == []
    found = world.journal.get("one")
    assert found is not None
    return found["status"], found["error"]


ALL = ["do one", "do two", "do three"]


@pytest.mark.parametrize(
    ("plan", "outcomes", "end", "runs"),
    [
        # What was not made whole is taken back, newest first, and twice.
        (CREATE, [], (UNDONE, CUT_OFF), []),
        (CREATE, [BEGAN], (UNDONE, CUT_OFF), ONE + ONE),
        (CREATE, [BAD], (UNDONE, CUT_OFF), ONE + ONE),
        (CREATE, [GOOD], (UNDONE, CUT_OFF), ONE + ONE),
        (CREATE, [GOOD, BEGAN], (UNDONE, CUT_OFF), TWO + TWO),
        (CREATE, [GOOD, BAD], (UNDONE, CUT_OFF), TWO + TWO),
        # A create that made all is finished.
        (CREATE, [GOOD, GOOD], (DONE, None), ["do three", "do four"]),
        (CREATE, [GOOD, GOOD, BEGAN], (DONE, None), ["do three", "do four"]),
        (CREATE, [GOOD, GOOD, BAD], (DONE, None), ["do three", "do four"]),
        (CREATE, [GOOD, GOOD, GOOD], (DONE, None), ["do four"]),
        (CREATE, [GOOD, GOOD, GOOD, BEGAN], (DONE, None), ["do four"]),
        (CREATE, [GOOD, GOOD, GOOD, GOOD], (DONE, None), []),
        # A delete is carried on from the first step that is not known to have succeeded.
        (DELETE, [], (DONE, None), ALL),
        (DELETE, [BEGAN], (DONE, None), ALL),
        (DELETE, [BAD], (DONE, None), ALL),
        (DELETE, [GOOD], (DONE, None), ALL[1:]),
        (DELETE, [GOOD, BEGAN], (DONE, None), ALL[1:]),
        (DELETE, [GOOD, GOOD, BAD], (DONE, None), ALL[2:]),
        (DELETE, [GOOD, GOOD, GOOD], (DONE, None), []),
    ],
)
def test_what_was_cut_off_is_taken_back_or_finished(
    world: World,
    ended: list[str],
    plan: Plan,
    outcomes: list[Outcome | None],
    end: tuple[str, object],
    runs: list[str],
) -> None:
    write(world.journal, plan, outcomes)
    assert settled(world) == end
    assert world.commands.words() == runs
    assert ended == ["one"]


@pytest.mark.parametrize("failing", ["three", "four"])
def test_one_that_cannot_be_finished_is_taken_back(world: World, failing: str) -> None:
    write(world.journal, CREATE, [GOOD, GOOD])
    world.commands.fails(Command(("do", failing)))
    error = {
        "detail": "do failed: no",
        "command": f"do {failing}",
        "exit_code": 1,
        "stderr": "error: no",
    }
    assert settled(world) == (UNDONE, error)
    finished = ["do three", "do four"] if failing == "four" else ["do three"]
    assert world.commands.words() == [*finished, *TWO, *TWO]


@pytest.mark.parametrize(
    "undone", [[BEGAN], [GOOD], [BAD], [GOOD, BEGAN], [GOOD, GOOD, GOOD, GOOD]]
)
@pytest.mark.parametrize("outcomes", [[GOOD, BAD], [GOOD, GOOD, BAD], [GOOD, GOOD, GOOD, BEGAN]])
def test_one_that_was_being_taken_back_is_not_finished(
    world: World, outcomes: list[Outcome | None], undone: list[Outcome | None]
) -> None:
    write(world.journal, CREATE, outcomes, undone)
    assert settled(world) == (UNDONE, CUT_OFF)
    assert world.commands.words() == TWO + TWO


def test_what_its_client_was_told_stays(world: World) -> None:
    write(world.journal, CREATE, [GOOD, BAD], [BAD])
    world.journal.end("one", UNSETTLED, {"detail": "do failed: no"})
    assert settled(world) == (UNDONE, {"detail": "do failed: no"})


def test_what_recovery_runs_is_written_down(world: World) -> None:
    write(world.journal, CREATE, [GOOD, BEGAN])
    world.recovery.start()
    found = world.journal.get("one")
    assert found is not None
    assert [(ran["shell"], ran["undo"], ran["ok"]) for ran in found["commands"]] == [
        ("do one", False, True),
        ("do two", False, None),
        *((line, True, True) for line in TWO + TWO),
    ]
    assert world.commands.operations == {"one"}


def test_every_operation_is_settled_oldest_first(world: World, ended: list[str]) -> None:
    """Two of one name as well, and none that came to an end."""
    write(world.journal, DELETE, [GOOD, GOOD, BAD], operation="ended", name="c")
    world.journal.end("ended", "failed", {"detail": "no"})
    write(world.journal, CREATE, [BEGAN])
    write(world.journal, DELETE, [GOOD, GOOD], operation="two", name="b")
    write(world.journal, DELETE, [GOOD], operation="three")
    assert settled(world) == (UNDONE, CUT_OFF)
    assert ended == ["one", "two", "three"]
    assert world.commands.words() == [*ONE, *ONE, "do three", "do two", "do three"]


@pytest.mark.parametrize(
    ("first", "second", "runs"),
    [
        (BEGAN, None, []),
        (BAD, None, []),
        (GOOD, BEGAN, TWO),
    ],
)
def test_a_journal_of_before_volumes_had_uuids(
    world: World, first: Outcome | None, second: Outcome | None, runs: list[str]
) -> None:
    """A volume that is not known to have been made may be somebody else's, and stays."""
    plan = CREATE.to_json()
    texts = (["exists already", "already exists"], ["is already in use"], [], [])
    for step, taken in zip(plan["steps"], texts, strict=True):
        step["taken"] = taken
    write(world.journal, CREATE, [first, second][: 1 + (first is GOOD)])
    with world.journal._database.writing() as db:
        db.execute("update operations set plan = ?", (json.dumps(plan),))
    assert settled(world) == (UNDONE, CUT_OFF)
    assert world.commands.words() == runs + runs


def test_nothing_is_left_to_settle(world: World, ended: list[str]) -> None:
    world.recovery.start()
    assert (ended, world.commands.ran, world.recovery.unsettled()) == ([], [], [])


def test_without_a_journal_nothing_can_be_settled(world: World) -> None:
    class Unreadable(BreakingJournal):
        def unfinished(self) -> list[str]:
            raise JournalFailed("the journal cannot be used: odd")

    with pytest.raises(JournalFailed) as caught:
        World(Unreadable()).recovery.start()
    assert caught.value.detail == "the journal cannot be used: odd"


# Recovery that is cut off itself, at each of its commands.


class Crash(BaseException):
    """The end of the agent in the middle of a command."""


class Machine(Commands):
    """A hypervisor that has what was made, and dies with the agent at a command.

    at: the command, from 1, None for never. late: it has done its work by then.
    """

    def __init__(self, made: set[str], at: int | None, late: bool, failing: str) -> None:
        super().__init__()
        self.made = made
        for plan in (CREATE, DELETE):
            for command in (c for step in plan.steps for c in (step.command, *step.undo)):
                self.answers[command.argv] = self._answer(command, at, late, failing)

    def _answer(
        self, command: Command, at: int | None, late: bool, failing: str
    ) -> Callable[[], tuple[int, str]]:
        word, name = command.argv
        line = f"{word} {name}"

        def answer() -> tuple[int, str]:
            if len(self.ran) == at and not late:
                raise Crash
            if word == "undo":
                self.made.discard(name)
            if len(self.ran) == at:
                raise Crash
            return (1, "error: no") if line == f"do {failing}" else (0, "")

        return answer


def recover(
    made: set[str], journal: BreakingJournal, at: int | None, late: bool, failing: str
) -> World:
    """Have the next agent settle what the one before left; it may crash."""
    world = World(journal, Machine(made, at, late, failing))
    world.recovery.start()
    return world


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("plan", "outcomes", "failing", "commands", "end"),
    [
        (CREATE, [GOOD, BEGAN], "", TWO + TWO, UNDONE),
        (CREATE, [GOOD, GOOD, BEGAN], "", ["do three", "do four"], DONE),
        (CREATE, [GOOD, GOOD, BEGAN], "four", ["do three", "do four", *TWO, *TWO], UNDONE),
        (DELETE, [BEGAN], "", ["do one", "do two", "do three"], DONE),
        (DELETE, [GOOD, BAD], "", ["do two", "do three"], DONE),
    ],
)
def test_a_second_crash_comes_to_the_same_end(
    plan: Plan,
    outcomes: list[Outcome | None],
    failing: str,
    commands: list[str],
    end: str,
    late: bool,
) -> None:
    """At each command of the recovery, before and after it had done its work."""
    for at in range(1, len(commands) + 1):
        journal = BreakingJournal()
        write(journal, plan, outcomes)
        made = {"one", "two"}
        with pytest.raises(Crash):
            recover(made, journal, at, late, failing)
        last = recover(made, journal, None, late, failing)
        assert (last.status(), last.holder(), last.recovery.unsettled()) == (end, None, [])
        assert made == (set() if end == UNDONE else {"one", "two"})
        undoing = commands[at - 1].startswith(("undo", "clear"))
        forward = [line for line in commands[at - 1 :] if line.startswith("do ")]
        back = TWO + TWO if end == UNDONE else []
        assert last.commands.words() == (back if undoing else forward + back)
