"""Changes: one at a time for a name, answered when they are done, drained at the end."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.errors import Busy, CommandFailed, NotFound, Stopping
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import Change
from agent.plans.plan import Plan, Step
from agent.tools.command import Command

from .fake_runner import Commands, argvs, asked, new_executor


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def executor(commands: Commands) -> Executor:
    return new_executor(commands, Journal(":memory:"), Locks(), [])


def change(plan: Callable[[], Plan], name: str = "a") -> Change:
    return Change((Claim("host", name),), plan, lambda: {"name": name})


ONE_STEP = Plan("change a", (Step("do it", Command(("do",)), (Command(("undo",)),)),))


def test_a_change_answers_what_is_read_after_it(commands: Commands, executor: Executor) -> None:
    told: list[int] = []
    done = Change((), lambda: ONE_STEP, lambda: told.append(len(commands.ran)) or "told")
    assert executor.perform(done, "one", asked()) == "told"
    assert told == [1]


def test_the_name_is_held_until_that_is_read(executor: Executor) -> None:
    second: list[Busy] = []

    def answer() -> str:
        with pytest.raises(Busy) as caught:
            executor.perform(change(lambda: ONE_STEP), "two", asked())
        second.append(caught.value)
        return "told"

    first = Change((Claim("host", "a"),), lambda: ONE_STEP, answer)
    assert executor.perform(first, "one", asked()) == "told"
    assert [busy.held_by for busy in second] == ["one"]
    assert executor.perform(change(lambda: ONE_STEP), "three", asked()) == {"name": "a"}


def test_a_change_that_cannot_be_shown_is_done_all_the_same(executor: Executor) -> None:
    """A failure would tell its client that it was not made; and the name is free again."""

    def gone() -> None:
        raise NotFound("there is no host 'a'")

    hidden = Change((Claim("host", "a"),), lambda: ONE_STEP, gone)
    assert executor.perform(hidden, "one", asked()) == {"name": "a", "operation": "one"}
    assert executor.perform(change(lambda: ONE_STEP), "two", asked()) == {"name": "a"}


def test_a_change_that_cannot_be_planned_runs_nothing(
    commands: Commands, executor: Executor
) -> None:
    def none() -> Plan:
        raise NotFound("there is no host 'a'")

    with pytest.raises(NotFound) as caught:
        executor.perform(change(none), "one", asked())
    assert caught.value.detail == "there is no host 'a'"
    assert commands.ran == []
    assert executor.perform(change(lambda: ONE_STEP), "two", asked()) == {"name": "a"}


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
        assert self.began.wait(60)

    def _wait(self) -> tuple[int, str]:
        self.began.set()
        assert self.go.wait(60)
        return self.exit_code, ""

    def _perform(self, executor: Executor, plan: Plan) -> None:
        try:
            self.ended = executor.perform(change(lambda: plan), "one", asked())
        except CommandFailed as error:
            self.ended = error

    def end(self) -> Any:
        self.go.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.ended


@pytest.fixture
def held(commands: Commands, executor: Executor) -> Iterator[Held]:
    one = Held(commands, executor)
    yield one
    one.end()


def test_a_second_change_of_a_name_is_refused_at_once(executor: Executor, held: Held) -> None:
    with pytest.raises(Busy) as caught:
        executor.perform(change(lambda: ONE_STEP), "two", asked())
    assert caught.value.detail == (
        "operation one is at work on host 'a'; ask again when it has ended"
    )
    other = change(lambda: Plan("nothing", ()), "b")
    assert executor.perform(other, "three", asked()) == {"name": "b"}
    assert held.end() == {"name": "a"}


def test_a_drained_executor_takes_no_more(executor: Executor) -> None:
    assert executor.drain(0) is True
    with pytest.raises(Stopping) as caught:
        executor.perform(change(lambda: ONE_STEP), "two", asked())
    assert caught.value.detail == "the agent is stopping; ask again when it is back"


def test_draining_lets_what_runs_end(commands: Commands, executor: Executor, held: Held) -> None:
    answers: list[bool] = []
    draining = threading.Thread(target=lambda: answers.append(executor.drain(10)))
    draining.start()
    assert held.end() == {"name": "a"}
    draining.join(60)
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
    assert argvs(commands.ran) == [("do",), ("undo",), ("undo",)]
