"""A plan is run whole, or what it made is taken back."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from agent.errors import (
    Busy,
    CommandFailed,
    Interrupted,
    NameTaken,
    NotFound,
    Stopping,
)
from agent.executor import Change, Executor
from agent.locks import Claim
from agent.plan import Command, Plan, Step
from agent.run import Result

from . import golden

PLAN = golden.plan("create-host-two-disks-two-networks")


class Commands:
    """Stands in for the runner: notes each command, and does with it what a test says."""

    def __init__(self) -> None:
        self.ran: list[Command] = []
        self.answers: dict[tuple[str, ...], Callable[[], tuple[int, str]]] = {}
        self.interrupt: Callable[[], None] = lambda: None

    def fails(self, command: Command, stderr: str = "error: no") -> None:
        self.answers[command.argv] = lambda: (1, stderr)

    def run(self, argv: Sequence[str], stdin: str | None = None) -> Result:
        self.ran.append(Command(tuple(argv), stdin))
        answer = self.answers.get(tuple(argv), lambda: (0, ""))
        exit_code, stderr = answer()
        return Result(tuple(argv), exit_code, "", stderr, 0.0)


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def executor(commands: Commands) -> Executor:
    return Executor(commands)  # type: ignore[arg-type]


def argvs(commands: Sequence[Command]) -> list[tuple[str, ...]]:
    return [command.argv for command in commands]


def test_a_plan_is_run_in_order(commands: Commands, executor: Executor) -> None:
    executor.execute(PLAN)
    assert argvs(commands.ran) == argvs([step.command for step in PLAN.steps])


def test_a_command_is_given_its_stdin(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("create-network-plain")
    executor.execute(plan)
    assert [command.stdin for command in commands.ran] == [
        step.command.stdin for step in plan.steps
    ]
    assert commands.ran[0].stdin is not None


# What is taken back when the step of that number fails: the names below, in this order.
DISK_0, DISK_1 = (step.undo for step in PLAN.steps[:2])
DOMAIN = PLAN.steps[2].undo
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
        executor.execute(PLAN)
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
        executor.execute(PLAN)
    forward = [step.command for step in PLAN.steps[: failing + 1]]
    assert argvs(commands.ran) == argvs([*forward, *UNDONE[failing]])


@pytest.mark.parametrize(
    "stderr",
    [
        "error: storage volume 'ns.example.com.1.qcow2' exists already",
        "error: volume target path '/pool/ns.example.com.1.qcow2' already exists",
    ],
)
def test_a_volume_of_somebody_else_is_not_taken_back(
    commands: Commands, executor: Executor, stderr: str
) -> None:
    commands.fails(PLAN.steps[1].command, stderr)
    with pytest.raises(NameTaken):
        executor.execute(PLAN)
    forward = [step.command for step in PLAN.steps[:2]]
    assert argvs(commands.ran) == argvs([*forward, *DISK_0])


@pytest.mark.parametrize("stuck", range(len(UNDONE[-1])))
def test_an_undo_that_fails_is_told_and_the_others_run(
    commands: Commands, executor: Executor, stuck: int
) -> None:
    commands.fails(PLAN.steps[3].command)
    commands.fails(UNDONE[3][stuck])
    with pytest.raises(CommandFailed) as caught:
        executor.execute(PLAN)
    assert caught.value.left_behind == (str(UNDONE[3][stuck]),)
    forward = [step.command for step in PLAN.steps]
    assert argvs(commands.ran) == argvs([*forward, *UNDONE[3]])


def test_an_undo_that_ends_unforeseen_is_told_too(commands: Commands, executor: Executor) -> None:
    def bug() -> tuple[int, str]:
        raise ZeroDivisionError

    commands.fails(PLAN.steps[0].command)
    commands.answers[DISK_0[0].argv] = bug
    with pytest.raises(CommandFailed) as caught:
        executor.execute(PLAN)
    assert caught.value.left_behind == (str(DISK_0[0]),)


def test_a_tolerated_failure_is_none(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("delete-host-as-made")
    commands.fails(plan.steps[0].command, "error: Requested operation: domain is not running")
    executor.execute(plan)
    assert argvs(commands.ran) == argvs([step.command for step in plan.steps])


def test_any_other_failure_of_that_command_is_one(commands: Commands, executor: Executor) -> None:
    plan = golden.plan("delete-host-as-made")
    commands.fails(plan.steps[0].command, "error: Timed out during operation")
    with pytest.raises(CommandFailed) as caught:
        executor.execute(plan)
    assert caught.value.detail == "virsh failed: Timed out during operation"
    assert argvs(commands.ran) == [plan.steps[0].command.argv]


def change(plan: Callable[[], Plan], name: str = "a") -> Change:
    return Change((Claim("host", name),), plan, lambda: {"name": name})


ONE_STEP = Plan("change a", (Step("do it", Command(("do",)), (Command(("undo",)),)),))


def test_a_change_answers_what_is_read_after_it(commands: Commands, executor: Executor) -> None:
    told: list[int] = []
    done = Change((), lambda: ONE_STEP, lambda: told.append(len(commands.ran)) or "told")
    assert executor.perform(done, "one") == "told"
    assert told == [1]


def test_a_change_that_cannot_be_planned_runs_nothing(
    commands: Commands, executor: Executor
) -> None:
    def none() -> Plan:
        raise NotFound("there is no host 'a'")

    with pytest.raises(NotFound) as caught:
        executor.perform(change(none), "one")
    assert caught.value.detail == "there is no host 'a'"
    assert commands.ran == []
    assert executor.perform(change(lambda: ONE_STEP), "two") == {"name": "a"}


class Held:
    """A change in a thread of its own, whose command `do` waits until a test lets it go."""

    def __init__(
        self, commands: Commands, executor: Executor, plan: Plan = ONE_STEP, exit_code: int = 0
    ) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.exit_code = exit_code
        self.ended: Any = None
        commands.answers[("do",)] = self._wait
        commands.interrupt = self.go.set
        self._thread = threading.Thread(target=self._perform, args=(executor, plan))
        self._thread.start()
        assert self.began.wait(10)

    def _wait(self) -> tuple[int, str]:
        self.began.set()
        assert self.go.wait(10)
        return self.exit_code, ""

    def _perform(self, executor: Executor, plan: Plan) -> None:
        try:
            self.ended = executor.perform(change(lambda: plan), "one")
        except CommandFailed as error:
            self.ended = error

    def end(self) -> Any:
        self.go.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.ended


@pytest.fixture
def held(commands: Commands, executor: Executor) -> Iterator[Held]:
    one = Held(commands, executor)
    yield one
    one.end()


def test_a_second_change_of_a_name_is_refused_at_once(executor: Executor, held: Held) -> None:
    with pytest.raises(Busy) as caught:
        executor.perform(change(lambda: ONE_STEP), "two")
    assert caught.value.detail == (
        "operation one is at work on host 'a'; ask again when it has ended"
    )
    other = change(lambda: Plan("nothing", ()), "b")
    assert executor.perform(other, "three") == {"name": "b"}
    assert held.end() == {"name": "a"}


def test_a_drained_executor_takes_no_more(executor: Executor) -> None:
    assert executor.drain(0) is True
    with pytest.raises(Stopping) as caught:
        executor.perform(change(lambda: ONE_STEP), "two")
    assert caught.value.detail == "the agent is stopping; ask again when it is back"


def test_draining_lets_what_runs_end(commands: Commands, executor: Executor, held: Held) -> None:
    answers: list[bool] = []
    draining = threading.Thread(target=lambda: answers.append(executor.drain(10)))
    draining.start()
    assert held.end() == {"name": "a"}
    draining.join(10)
    assert answers == [True]
    assert argvs(commands.ran) == [("do",)]


def test_draining_stops_what_does_not_end(commands: Commands, executor: Executor) -> None:
    """Past the time `interrupt` ends the command, and its failure takes the change back."""
    late = Held(commands, executor, exit_code=-2)
    executor.drain(0.01)
    assert late.end().detail == "do failed"
    assert argvs(commands.ran) == [("do",), ("undo",)]


def test_no_further_step_begins_past_that_time(commands: Commands, executor: Executor) -> None:
    more = Step("and this", Command(("more",)))
    late = Held(commands, executor, Plan("change a", (*ONE_STEP.steps, more)))
    executor.drain(0.01)
    assert late.end().detail == "more was killed because the agent is stopping"
    assert argvs(commands.ran) == [("do",), ("undo",)]


def test_an_undo_that_the_stop_hit_is_run_again(commands: Commands, executor: Executor) -> None:
    answers = iter([Interrupted(("undo",), None, "")])

    def hit_once() -> tuple[int, str]:
        for error in answers:
            raise error
        return 0, ""

    commands.fails(Command(("do",)))
    commands.answers[("undo",)] = hit_once
    with pytest.raises(CommandFailed) as caught:
        executor.execute(ONE_STEP)
    assert caught.value.left_behind == ()
    assert argvs(commands.ran) == [("do",), ("undo",), ("undo",)]
