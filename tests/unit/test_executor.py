"""Changes: one at a time for a name, run whole or taken back, drained at the end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.errors import Busy, CommandFailed, Interrupted, NotFound, Stopping
from agent.operations.locks import Claim
from agent.operations.operation import Change
from agent.plans.plan import Plan, Step
from agent.tools.command import Command

from . import golden
from .fake_runner import HOST, World, argvs, asked

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
UNDONE = [
    DISK_0,
    (*DISK_1, *DISK_0),
    (*DOMAIN, *DISK_1, *DISK_0),
    (*DOMAIN, *DISK_1, *DISK_0),
]


def test_the_undo_of_a_host_stops_it_before_its_disks_go() -> None:
    tools = [(command.argv[0], command.argv[2]) for command in UNDONE[-1]]
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
    assert argvs(world.commands.ran) == argvs([*forward, *UNDONE[failing]])


@pytest.mark.parametrize("failing", range(len(PLAN.steps)))
def test_an_unforeseen_error_takes_all_steps_back(world: World, failing: int) -> None:
    world.commands.raises(PLAN.steps[failing].command, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        carry_out(world, PLAN)
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(world.commands.ran) == argvs([*forward, *UNDONE[failing]])


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
    assert caught.value.detail == (
        "operation one is at work on host 'a'; ask again when it has ended"
    )
    other = change(lambda: Plan("nothing", ()), "b")
    assert world.executor.perform(other, "three", asked()) == {"name": "b"}
    assert held.end() == {"name": "a"}


def test_a_drained_executor_takes_no_more(world: World) -> None:
    assert world.executor.drain(0) is True
    with pytest.raises(Stopping) as caught:
        world.executor.perform(change(lambda: ONE_STEP), "two", asked())
    assert caught.value.detail == "the agent is stopping; ask again when it is back"


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
