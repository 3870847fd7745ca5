"""A plan is run whole, or what it made is taken back."""

import pytest

from agent.errors import CommandFailed, Interrupted
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.operation import Change
from agent.plans.plan import Plan, Step
from agent.tools.command import Command

from . import golden
from .fake_runner import Commands, argvs, asked, new_executor

PLAN = golden.plan("create-host-two-disks-two-networks")


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def executor(commands: Commands) -> Executor:
    return new_executor(commands, Journal(":memory:"), Locks(), [])


def carry_out(executor: Executor, plan: Plan) -> None:
    """Have a plan carried out for a change that holds nothing and answers nothing."""
    executor.perform(Change((), lambda: plan, lambda: None), "one", asked())


def test_a_plan_is_run_in_order(commands: Commands, executor: Executor) -> None:
    carry_out(executor, PLAN)
    assert argvs(commands.ran) == argvs([step.command for step in PLAN.steps])


def test_a_command_is_given_its_stdin(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("create-network-plain")
    carry_out(executor, plan)
    assert [command.stdin for command in commands.ran] == [
        step.command.stdin for step in plan.steps
    ]
    assert commands.ran[0].stdin is not None


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
def test_a_failed_step_takes_all_steps_back(
    commands: Commands, executor: Executor, failing: int
) -> None:
    commands.fails(PLAN.steps[failing].command)
    with pytest.raises(CommandFailed) as caught:
        carry_out(executor, PLAN)
    assert caught.value.detail == f"{PLAN.steps[failing].command.argv[0]} failed: no"
    assert caught.value.left_behind == ()
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(commands.ran) == argvs([*forward, *UNDONE[failing]])


@pytest.mark.parametrize("failing", range(len(PLAN.steps)))
def test_an_unforeseen_error_takes_all_steps_back(
    commands: Commands, executor: Executor, failing: int
) -> None:
    def bug() -> tuple[int, str]:
        raise ZeroDivisionError

    commands.answers[PLAN.steps[failing].command.argv] = bug
    with pytest.raises(ZeroDivisionError):
        carry_out(executor, PLAN)
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(commands.ran) == argvs([*forward, *UNDONE[failing]])


@pytest.mark.parametrize("stuck", range(len(UNDONE[-1])))
def test_an_undo_that_fails_is_told_and_the_others_run(
    commands: Commands, executor: Executor, stuck: int
) -> None:
    commands.fails(PLAN.steps[-1].command)
    commands.fails(UNDONE[-1][stuck])
    with pytest.raises(CommandFailed) as caught:
        carry_out(executor, PLAN)
    assert caught.value.left_behind == (str(UNDONE[-1][stuck]),)
    forward = [step.command for step in PLAN.steps]
    assert argvs(commands.ran) == argvs([*forward, *UNDONE[-1]])


def test_an_undo_that_ends_unforeseen_is_told_too(commands: Commands, executor: Executor) -> None:
    def bug() -> tuple[int, str]:
        raise ZeroDivisionError

    commands.fails(PLAN.steps[0].command)
    commands.answers[DISK_0[0].argv] = bug
    with pytest.raises(CommandFailed) as caught:
        carry_out(executor, PLAN)
    assert caught.value.left_behind == (str(DISK_0[0]),)


def test_a_tolerated_failure_is_none(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("delete-host-as-made")
    commands.fails(plan.steps[0].command, "error: Requested operation: domain is not running")
    carry_out(executor, plan)
    assert argvs(commands.ran) == argvs([step.command for step in plan.steps])


def test_any_other_failure_of_that_command_is_one(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("delete-host-as-made")
    commands.fails(plan.steps[0].command, "error: Timed out during operation")
    with pytest.raises(CommandFailed) as caught:
        carry_out(executor, plan)
    assert caught.value.detail == "virsh failed: Timed out during operation"
    assert argvs(commands.ran) == [plan.steps[0].command.argv]


ONE_STEP = Plan("change a", (Step("do it", Command(("do",)), (Command(("undo",)),)),))


def test_an_undo_that_the_stop_hit_is_run_again(commands: Commands, executor: Executor) -> None:
    answers = iter([Interrupted(("undo",), None, "")])

    def hit_once() -> tuple[int, str]:
        for error in answers:
            raise error
        return 0, ""

    commands.fails(Command(("do",)))
    commands.answers[("undo",)] = hit_once
    with pytest.raises(CommandFailed) as caught:
        carry_out(executor, ONE_STEP)
    assert caught.value.left_behind == ()
    assert argvs(commands.ran) == [("do",), ("undo",), ("undo",)]
