"""Changes: one at a time for a name, run whole or taken back, drained at the end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.errors import (
    Busy,
    CommandFailed,
    CommandTimeout,
    Interrupted,
    JournalFailed,
    NotFound,
    Stopping,
)
from agent.operations.locks import Claim
from agent.operations.operation import DONE, FAILED, RUNNING, UNDONE, UNSETTLED, Change
from agent.plans.plan import Plan, Step
from agent.tools.command import Command
from agent.tools.commands.virt_install import Installer, reinstall

from . import golden
from .fake_runner import (
    CREATE,
    DELETE,
    HOST,
    World,
    argvs,
    asked,
    shown,
    shown_command,
    takes_back,
)

PLAN = golden.plan("create-host-two-disks-two-networks")


def carry_out(world: World, plan: Plan) -> None:
    """Have a plan carried out for a change that holds nothing and answers nothing."""
    world.executor.perform(Change((), lambda: plan, lambda: None), "one", asked())


def test_a_plan_is_run_in_order(world: World) -> None:
    carry_out(world, PLAN)
    assert argvs(world.commands.ran) == argvs([step.command for step in PLAN.steps])


def test_a_command_is_given_its_stdin(world: World) -> None:
    plan = golden.plan("create-network-plain")
    carry_out(world, plan)
    assert [command.stdin for command in world.commands.ran] == [
        step.command.stdin for step in plan.steps
    ]
    assert world.commands.ran[0].stdin is not None


# What is taken back when the step of that number fails: the names below, in this order.
DISK_0, DISK_1, DOMAIN = (step.undo for step in PLAN.steps[:3])
UNDOS = [
    DISK_0,
    (*DISK_1, *DISK_0),
    (*DOMAIN, *DISK_1, *DISK_0),
    (*DOMAIN, *DISK_1, *DISK_0),
]


def test_the_undo_of_a_host_stops_it_before_its_disks_go() -> None:
    tools = [(command.argv[0], command.argv[2]) for command in UNDOS[-1]]
    assert tools == [
        ("virsh", "destroy"),
        ("virsh", "undefine"),
        ("ovs-vsctl", "--"),
        ("find", "-maxdepth"),
        ("virsh", "vol-delete"),
        ("virsh", "vol-delete"),
    ]


@pytest.mark.parametrize("failing", range(len(PLAN.steps)))
def test_a_failed_step_takes_all_steps_back(world: World, failing: int) -> None:
    world.commands.fails(PLAN.steps[failing].command)
    with pytest.raises(CommandFailed) as caught:
        carry_out(world, PLAN)
    assert caught.value.detail == f"{PLAN.steps[failing].command.argv[0]} failed: no"
    assert caught.value.left_behind == ()
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(world.commands.ran) == argvs([*forward, *UNDOS[failing]])


@pytest.mark.parametrize("failing", range(len(PLAN.steps)))
def test_an_unforeseen_error_takes_all_steps_back(world: World, failing: int) -> None:
    world.commands.raises(PLAN.steps[failing].command, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        carry_out(world, PLAN)
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(world.commands.ran) == argvs([*forward, *UNDOS[failing]])


def test_a_failure_is_logged_without_what_its_command_line_has(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Its client, who has sent that, and the journal are told all of it."""
    command = reinstall("uri", "uuid", Installer("http://a/", "quiet password=s3cret"))
    world.commands.fails(command, "ERROR    no option password=s3cret")
    caplog.set_level("INFO")
    plan = Plan("install host a", (Step("install", command),))
    with pytest.raises(CommandFailed) as caught:
        carry_out(world, plan)
    assert caught.value.detail == "virt-install failed: no option password=s3cret"
    assert caplog.messages[-1] == "operation one is failed: virt-install failed: no option ***"


def test_an_undo_that_ends_unforeseen_is_told_too(world: World) -> None:
    world.commands.fails(PLAN.steps[0].command)
    world.commands.raises(DISK_0[0], ZeroDivisionError())
    with pytest.raises(CommandFailed) as caught:
        carry_out(world, PLAN)
    assert caught.value.left_behind == (str(DISK_0[0]),)


def test_a_tolerated_failure_is_none(world: World) -> None:
    plan = golden.plan("delete-host-as-made")
    world.commands.fails(plan.steps[0].command, "error: Requested operation: domain is not running")
    carry_out(world, plan)
    assert argvs(world.commands.ran) == argvs([step.command for step in plan.steps])


def test_any_other_failure_of_that_command_is_one(world: World) -> None:
    plan = golden.plan("delete-host-as-made")
    world.commands.fails(plan.steps[0].command, "error: Timed out during operation")
    with pytest.raises(CommandFailed) as caught:
        carry_out(world, plan)
    assert caught.value.detail == "virsh failed: Timed out during operation"
    assert argvs(world.commands.ran) == [plan.steps[0].command.argv]


ONE_STEP = Plan("change a", (Step("do it", Command(("do",)), (Command(("undo",)),)),))


def test_an_undo_that_the_stop_hit_is_run_again(world: World) -> None:
    answers = iter([Interrupted(("undo",), None, "")])

    def hit_once() -> tuple[int, str]:
        for error in answers:
            raise error
        return 0, ""

    world.commands.fails(Command(("do",)))
    world.commands.answers[("undo",)] = hit_once
    with pytest.raises(CommandFailed) as caught:
        carry_out(world, ONE_STEP)
    assert caught.value.left_behind == ()
    assert argvs(world.commands.ran) == [("do",), ("undo",), ("undo",)]


def change(plan: Callable[[], Plan], name: str = "a") -> Change:
    return Change((Claim("host", name),), plan, lambda: {"name": name})


def test_a_change_answers_what_is_read_after_it(world: World) -> None:
    told: list[int] = []
    done = Change((), lambda: ONE_STEP, lambda: told.append(len(world.commands.ran)) or "told")
    assert world.executor.perform(done, "one", asked()) == "told"
    assert told == [1]


def test_the_name_is_held_until_that_is_read(world: World) -> None:
    second: list[Busy] = []

    def answer() -> str:
        with pytest.raises(Busy) as caught:
            world.executor.perform(change(lambda: ONE_STEP), "two", asked())
        second.append(caught.value)
        return "told"

    first = Change((HOST,), lambda: ONE_STEP, answer)
    assert world.executor.perform(first, "one", asked()) == "told"
    assert [busy.held_by for busy in second] == ["one"]
    assert world.executor.perform(change(lambda: ONE_STEP), "three", asked()) == {"name": "a"}


def test_a_change_that_cannot_be_shown_is_done_all_the_same(world: World) -> None:
    """A failure would tell its client that it was not made; and the name is free again."""

    def gone() -> None:
        raise NotFound("there is no host 'a'")

    hidden = Change((HOST,), lambda: ONE_STEP, gone)
    assert world.executor.perform(hidden, "one", asked()) == {"name": "a", "operation": "one"}
    assert world.executor.perform(change(lambda: ONE_STEP), "two", asked()) == {"name": "a"}


def test_a_change_that_cannot_be_planned_runs_nothing(world: World) -> None:
    def none() -> Plan:
        raise NotFound("there is no host 'a'")

    with pytest.raises(NotFound) as caught:
        world.executor.perform(change(none), "one", asked())
    assert caught.value.detail == "there is no host 'a'"
    assert world.commands.ran == []
    assert world.executor.perform(change(lambda: ONE_STEP), "two", asked()) == {"name": "a"}


class Held:
    """A change in a thread of its own, whose command `do` waits until a test lets it go."""

    def __init__(self, world: World, plan: Plan = ONE_STEP, exit_code: int = 0) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.exit_code = exit_code
        self.ended: Any = None
        world.commands.answers[("do",)] = self._wait
        world.commands.interrupt = self.go.set
        self._thread = threading.Thread(target=self._perform, args=(world, plan))
        self._thread.start()
        assert self.began.wait(60)

    def _wait(self) -> tuple[int, str]:
        self.began.set()
        assert self.go.wait(60)
        return self.exit_code, ""

    def _perform(self, world: World, plan: Plan) -> None:
        try:
            self.ended = world.executor.perform(change(lambda: plan), "one", asked())
        except CommandFailed as error:
            self.ended = error

    def end(self) -> Any:
        self.go.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.ended


@pytest.fixture
def held(world: World) -> Iterator[Held]:
    one = Held(world)
    yield one
    one.end()


def test_a_second_change_of_a_name_is_refused_at_once(world: World, held: Held) -> None:
    with pytest.raises(Busy) as caught:
        world.executor.perform(change(lambda: ONE_STEP), "two", asked())
    assert caught.value.detail == ("operation one holds host 'a'; try again when it has ended")
    other = change(lambda: Plan("nothing", ()), "b")
    assert world.executor.perform(other, "three", asked()) == {"name": "b"}
    assert held.end() == {"name": "a"}


def test_a_drained_executor_takes_no_more(world: World) -> None:
    assert world.executor.drain(0) is True
    with pytest.raises(Stopping) as caught:
        world.executor.perform(change(lambda: ONE_STEP), "two", asked())
    assert caught.value.detail == "the agent is stopping; try again when it is back"


def test_draining_lets_what_runs_end(world: World, held: Held) -> None:
    answers: list[bool] = []
    draining = threading.Thread(target=lambda: answers.append(world.executor.drain(10)))
    draining.start()
    assert held.end() == {"name": "a"}
    draining.join(60)
    assert answers == [True]
    assert argvs(world.commands.ran) == [("do",)]


def test_draining_stops_what_does_not_end(world: World) -> None:
    """Past the time `interrupt` ends the command, and its failure takes the change back."""
    late = Held(world, exit_code=-2)
    world.executor.drain(0.01)
    assert late.end().detail == "do failed"
    assert argvs(world.commands.ran) == [("do",), ("undo",)]


def test_no_further_step_begins_past_that_time(world: World) -> None:
    more = Step("and this", Command(("more",)))
    late = Held(world, Plan("change a", (*ONE_STEP.steps, more)))
    world.executor.drain(0.01)
    assert late.end().detail == "more was killed because the agent is stopping"
    assert argvs(world.commands.ran) == [("do",), ("undo",), ("undo",)]


# What a change leaves in the journal, and what becomes of its name.

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
        {"detail": "unexpected: ZeroDivisionError('odd')"},
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
    assert "operation one: unexpected error" in caplog.messages


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
