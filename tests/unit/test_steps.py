"""What an operation is at, and what becomes of a command that prints what it should not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from agent.errors import CommandFailed, ImageUnavailable, Interrupted, StateChanged
from agent.operations.journal import Journal
from agent.operations.steps import Steps
from agent.plans.plan import Plan, Step
from agent.tools.command import Command, Result
from agent.tools.commands.curl import fetch

from .fake_runner import World, asked, shown_command, step, takes_back

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


@pytest.mark.parametrize("error", [None, Interrupted(("prlimit",), None, "")])
def test_a_fetch_says_how_much_it_has(tmp_path: Path, error: Exception | None) -> None:
    """Of the file as it is, which is not there at first."""
    file = tmp_path / "image"
    sizes = iter((None, 0, 1 << 19, 3 << 20))
    seen: list[str | None] = []

    def look() -> None:
        size = next(sizes)
        if size is not None:
            file.write_bytes(bytes(size))
        seen.append(steps.phase("one"))
        assert steps.phase("another") is None

    runner = Talking([""] * 4, look)
    runner.error = error
    journal = Journal(":memory:")
    steps = Steps(runner, journal)  # type: ignore[arg-type]
    plan = Plan("try", (Step("fetch", fetch("http://a/", str(file), 1 << 30)),))
    journal.begin("one", asked(), plan)
    # The runner prints no "200".
    with pytest.raises(ImageUnavailable if error is None else Interrupted):
        steps.run("one", plan)
    assert seen == [None, "fetched 0.0 MB", "fetched 0.5 MB", "fetched 3.0 MB"]
    assert steps.phase("one") is None


SEE = Command(("virsh", "domstate", "a"), expects="shut off")
FETCH = fetch("http://a/", "/f", 1)


@pytest.mark.parametrize(
    ("command", "printed", "kind", "error"),
    [
        (SEE, "running\n\n", StateChanged, "it printed 'running', not 'shut off'"),
        (SEE, "", StateChanged, "it printed '', not 'shut off'"),
        (FETCH, "204", ImageUnavailable, "it printed '204', not '200'"),
    ],
)
def test_a_command_that_prints_something_else_has_failed(
    world: World, command: Command, printed: str, kind: type[CommandFailed], error: str
) -> None:
    """What began before it is taken back; the journal has why."""
    world.commands.prints[command.argv] = printed
    plan = Plan("try", (step("one"), Step("see", command), step("two")))
    with pytest.raises(kind) as caught:
        world.perform(plan)
    assert caught.value.facts() == {
        "command": str(command),
        "exit_code": 0,
        "stderr": error,
    }
    found = world.journal.get("one")
    assert found is not None
    assert (found["status"], found["error"]["detail"]) == ("undone", caught.value.detail)
    line = str(command)
    assert found["commands"] == [
        shown_command("do one", 0),
        shown_command(line, 1, stdout=printed, ok=False, error=error, argv=list(command.argv)),
        *(shown_command(undo, 0, True) for undo in takes_back("one")),
    ]


def test_a_command_that_prints_what_it_should(world: World) -> None:
    world.commands.prints[SEE.argv] = "shut off\n\n"
    plan = Plan("try", (Step("see", SEE), step("one")))
    assert world.perform(plan) == "told"
    assert world.commands.words() == ["virsh domstate a", "do one"]
    assert world.status() == "done"
