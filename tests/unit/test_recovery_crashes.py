"""Recovery that is cut off itself, at each of its commands."""

from collections.abc import Callable

import pytest

from agent.operations import leftovers
from agent.operations.operation import DONE, UNDONE, Outcome
from agent.plans.plan import Plan
from agent.tools.command import Command

from .fake_runner import CREATE, DELETE, BreakingJournal, Commands, World, takes_back
from .test_recovery import BAD, BEGAN, GOOD, write

TWO = takes_back("two", "one")


@pytest.fixture(autouse=True)
def no_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real process is looked for."""
    monkeypatch.setattr(leftovers, "end", lambda operation: [])


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
