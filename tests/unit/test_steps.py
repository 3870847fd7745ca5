"""What an operation is at, in its command's own words."""

from collections.abc import Callable, Sequence
from typing import BinaryIO

import pytest

from agent.errors import Interrupted
from agent.operations.journal import Journal
from agent.operations.steps import Steps
from agent.plans.plan import Plan, Step
from agent.tools.command import Command, Result

from .fake_runner import asked

INSTALL = Command(("virt-install", "--name=a"))


class Talking:
    """A runner whose commands say lines, between which a test looks."""

    def __init__(self, lines: Sequence[str], look: Callable[[], None]) -> None:
        self._lines = lines
        self._look = look
        self.error: Exception | None = None

    def run(
        self,
        argv: Sequence[str],
        stdin: str | None = None,
        operation: str | None = None,
        output: BinaryIO | None = None,
    ) -> Result:
        for line in self._lines:
            if output is not None:
                output.write(line.encode())
                output.flush()
            self._look()
        if self.error is not None:
            raise self.error
        return Result(tuple(argv), 0, "", "", 0.0)


LINES = ["\n", "Starting install...\n", "Retrieving 'vmlinuz'   | 10 MB  00:01\n", "a\rb\n", "  \n"]
SEEN = [None, "Starting install...", "Retrieving 'vmlinuz'", "a", "a"]


def phases(command: Command, error: Exception | None = None) -> list[str | None]:
    """What was seen while a command ran, and after it."""
    seen: list[str | None] = []
    journal = Journal(":memory:")
    runner = Talking(LINES, lambda: seen.append(steps.phase("one")))
    runner.error = error
    steps = Steps(runner, journal)  # type: ignore[arg-type]
    journal.begin("one", asked(), Plan("try", ()))
    plan = Plan("try", (Step("try", command),))
    assert steps.phase("one") is None
    if error is None:
        steps.run("one", plan)
    else:
        with pytest.raises(type(error)):
            steps.run("one", plan)
    return [*seen, steps.phase("one")]


def test_an_install_says_what_it_is_at() -> None:
    assert phases(INSTALL) == [*SEEN, None]


@pytest.mark.parametrize("error", [Interrupted(INSTALL.argv, None, ""), ZeroDivisionError()])
def test_nothing_is_left_of_it_when_it_fails(error: Exception) -> None:
    assert phases(INSTALL, error) == [*SEEN, None]


def test_other_commands_say_nothing() -> None:
    assert phases(Command(("virsh", "list"))) == [None] * 6
