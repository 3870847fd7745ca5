"""Changes that a thread carries out while nobody waits for them."""

import pytest

from agent.errors import Busy
from agent.operations.operation import DONE, UNDONE, Change
from agent.plans.plan import Plan
from agent.tools.command import Command

from .fake_runner import CREATE, HOST, World, asked, takes_back

ALL = ["do one", "do two", "do three", "do four"]


@pytest.fixture
def world() -> World:
    return World()


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
