"""What a change leaves in the journal, and what becomes of its name."""

from typing import Any

import pytest

from agent.errors import Busy, CommandFailed, CommandTimeout, JournalFailed
from agent.operations.operation import DONE, FAILED, RUNNING, UNDONE, UNSETTLED, Change
from agent.plans.plan import Plan
from agent.tools.command import Command

from .fake_runner import CREATE, DELETE, HOST, World, asked, shown, shown_command, takes_back

ALL = ["do one", "do two", "do three", "do four"]


def ended(plan: Plan, status: str, **more: Any) -> dict[str, Any]:
    """An operation of the journal that has ended."""
    return shown("one", plan, status=status, ended=1000.0, plan=plan.to_json(), **more)


def test_a_good_change(world: World) -> None:
    assert world.perform(CREATE) == "told"
    assert world.journal.get("one") == ended(
        CREATE,
        DONE,
        steps_done=4,
        undo_commands=0,
        commands=[shown_command(line, index) for index, line in enumerate(ALL)],
    )
    assert world.commands.operations == {"one"}
    assert (world.holder(), world.unsettled) == (None, [])


def test_a_failed_change(world: World) -> None:
    world.commands.fails(Command(("do", "two")), "error: no room\n")
    with pytest.raises(CommandFailed):
        world.perform(CREATE)
    assert world.journal.get("one") == ended(
        CREATE,
        UNDONE,
        steps_done=1,
        undo_commands=4,
        error={
            "detail": "do failed: no room",
            "command": "do two",
            "exit_code": 1,
            "stderr": "error: no room",
        },
        commands=[
            shown_command("do one", 0),
            shown_command("do two", 1, exit_code=1, ok=False, stderr="error: no room\n"),
            shown_command("undo two", 1, True),
            shown_command("clear two", 1, True),
            shown_command("undo one", 0, True),
            shown_command("clear one", 0, True),
        ],
    )
    assert (world.holder(), world.unsettled) == (None, [])


def test_a_killed_command_is_undone_twice(world: World) -> None:
    """The daemon behind it may have gone on with what it asked for."""
    timeout = CommandTimeout(("do", "two"), 1.0, "begun\n")
    world.commands.raises(Command(("do", "two")), timeout)
    with pytest.raises(CommandTimeout):
        world.perform(CREATE)
    undone = [
        shown_command(f"{word} {name}", step, True)
        for name, step in (("two", 1), ("one", 0))
        for word in ("undo", "clear")
    ]
    assert world.journal.get("one") == ended(
        CREATE,
        UNDONE,
        steps_done=1,
        undo_commands=8,
        error={
            "detail": "do was killed: it ran past its limit of 1 s: begun",
            "command": "do two",
            "exit_code": None,
            "stderr": "begun",
        },
        commands=[
            shown_command("do one", 0),
            shown_command(
                "do two",
                1,
                exit_code=None,
                ok=False,
                stderr="begun",
                error="do was killed: it ran past its limit of 1 s: begun",
            ),
            *undone,
            *undone,
        ],
    )


def test_an_unforeseen_error_is_written_down(world: World) -> None:
    world.commands.raises(Command(("do", "one")), ZeroDivisionError("odd"))
    with pytest.raises(ZeroDivisionError):
        world.perform(CREATE)
    (found,) = world.journal.find()
    assert (found["status"], found["error"]) == (
        UNDONE,
        {"detail": "unforeseen: ZeroDivisionError('odd')"},
    )
    assert world.holder() is None


def test_a_change_without_undo_has_failed(world: World) -> None:
    world.commands.fails(Command(("do", "two")))
    with pytest.raises(CommandFailed) as caught:
        world.perform(DELETE)
    assert caught.value.left_behind == ()
    assert world.commands.words() == ["do one", "do two"]
    assert (world.status(), world.holder(), world.unsettled) == (FAILED, None, [])


@pytest.mark.parametrize("stuck", takes_back("two", "one"))
def test_an_undo_that_fails_leaves_it_unsettled(world: World, stuck: str) -> None:
    """The other commands are run; the name stays held for whoever settles it."""
    world.commands.fails(Command(("do", "two")))
    world.commands.fails(Command(tuple(stuck.split())))
    with pytest.raises(CommandFailed) as caught:
        world.perform(CREATE)
    assert caught.value.left_behind == (stuck,)
    assert world.commands.words() == ["do one", "do two", *takes_back("two", "one")]
    assert (world.status(), world.holder(), world.unsettled) == (UNSETTLED, "one", ["one"])


def test_what_works_the_second_time_is_settled(world: World) -> None:
    answers = iter([(1, "error: still there")])
    world.commands.raises(Command(("do", "one")), CommandTimeout(("do", "one"), 1.0, ""))
    world.commands.answers[("undo", "one")] = lambda: next(answers, (0, ""))
    with pytest.raises(CommandTimeout) as caught:
        world.perform(CREATE)
    assert caught.value.left_behind == ()
    assert (world.status(), world.holder(), world.unsettled) == (UNDONE, None, [])


def test_nothing_is_run_that_cannot_be_written_down(world: World) -> None:
    world.journal.fails = lambda number: True
    with pytest.raises(JournalFailed) as caught:
        world.perform(CREATE)
    assert caught.value.detail == "the journal cannot be used: odd"
    assert world.commands.ran == []
    assert (world.status(), world.holder(), world.unsettled) == (None, None, [])


# The writes of a good change: its beginning, two for each step, its end.
AT = {
    2: ([], takes_back("one")),
    3: (["do one"], takes_back("one")),
    4: (["do one"], takes_back("two", "one")),
    5: (["do one", "do two"], takes_back("two", "one")),
    6: (["do one", "do two"], takes_back("two", "one")),
    8: (["do one", "do two", "do three"], takes_back("two", "one")),
    10: (ALL, takes_back("two", "one")),
}


@pytest.mark.parametrize("write", AT)
def test_a_write_that_fails_takes_the_change_back(world: World, write: int) -> None:
    world.journal.fails = lambda number: number == write
    with pytest.raises(JournalFailed) as caught:
        world.perform(CREATE)
    assert caught.value.left_behind == ()
    done, undone = AT[write]
    assert world.commands.words() == [*done, *undone]
    assert (world.status(), world.holder(), world.unsettled) == (UNDONE, None, [])


@pytest.mark.parametrize("write", AT)
def test_it_is_taken_back_without_a_journal_too(world: World, write: int) -> None:
    """Its name stays held: as far as the journal knows it is not taken back yet."""
    world.journal.fails = lambda number: number >= write
    with pytest.raises(JournalFailed) as caught:
        world.perform(CREATE)
    assert caught.value.left_behind == ()
    done, undone = AT[write]
    assert world.commands.words() == [*done, *undone]
    assert (world.status(), world.holder(), world.unsettled) == (RUNNING, "one", ["one"])


def submit(world: World, plan: Plan) -> None:
    """Have a plan carried out by a thread, and wait for its end."""
    world.executor.submit(Change((HOST,), lambda: plan, lambda: 1 / 0), "one", asked())
    assert world.executor.drain(10)


def test_a_submitted_change(world: World) -> None:
    """Nobody waits for its answer, so it is not read."""
    submit(world, CREATE)
    assert world.commands.words() == ALL
    assert (world.status(), world.holder(), world.unsettled) == (DONE, None, [])


def test_a_submitted_change_that_fails(world: World) -> None:
    world.commands.fails(Command(("do", "one")))
    submit(world, CREATE)
    assert world.commands.words() == ["do one", *takes_back("one")]
    assert (world.status(), world.holder(), world.unsettled) == (UNDONE, None, [])


def test_a_submitted_change_that_fails_unforeseen(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.commands.raises(Command(("do", "one")), ZeroDivisionError("odd"))
    submit(world, CREATE)
    assert (world.status(), world.holder(), world.unsettled) == (UNDONE, None, [])
    assert "operation one: unforeseen error" in caplog.messages


def test_a_submitted_change_that_cannot_be_planned(world: World) -> None:
    """It is refused at once, and holds up nobody."""

    def plan() -> Plan:
        raise Busy("odd", "other")

    with pytest.raises(Busy):
        world.executor.submit(Change((HOST,), plan, dict), "one", asked())
    assert (world.commands.ran, world.status(), world.holder()) == ([], None, None)
    assert world.executor.drain(0)


def test_a_submitted_change_of_a_name_that_is_held(world: World) -> None:
    world.locks.acquire([HOST], "other")
    with pytest.raises(Busy) as caught:
        submit(world, CREATE)
    assert caught.value.held_by == "other"
    assert (world.commands.ran, world.status(), world.holder()) == ([], None, "other")
