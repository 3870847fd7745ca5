"""Which changes are let in and run, and what an executor does with the others."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from agent.errors import Busy, JournalFailed, Stopping, TooMany
from agent.operations.admission import Admission
from agent.operations.executor import Executor
from agent.operations.locks import Claim
from agent.operations.operation import DONE, RUNNING, UNDONE, WAITING, Change
from agent.operations.steps import Steps
from agent.tools.command import Command

from .fake_runner import CREATE, World, asked
from .processes import wait_until


def test_so_many_run_so_many_wait_in_their_order() -> None:
    admission = Admission(2, 2)
    waits = [admission.enter(name, makes=True) for name in "abcd"]
    assert waits == [False, False, True, True]
    with pytest.raises(TooMany) as caught:
        admission.enter("e", makes=True)
    assert caught.value.detail == (
        "2 creates run and 2 wait for their turn, which is the most; try again later"
    )
    order: list[str] = []

    def work(name: str) -> None:
        admission.wait(name)
        order.append(name)
        admission.leave(name)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(work, name) for name in "dc"]
        admission.leave("b")
        for each in waiting:
            each.result(60)
    assert order == ["c", "d"]
    admission.leave("a")
    assert not admission.enter("f", makes=True)


def test_one_that_gives_up_waiting_makes_room() -> None:
    admission = Admission(1, 1)
    admission.enter("a", makes=True)
    admission.enter("b", makes=True)
    admission.leave("b")
    assert admission.enter("c", makes=True)


def test_one_may_be_too_many_beside_others() -> None:
    admission = Admission()
    for name in "ab":
        admission.enter(name, makes=False)
    with pytest.raises(TooMany) as caught:
        admission.enter("c", makes=False, most=2)
    assert caught.value.detail == "2 operations run already; try again later"
    assert not admission.enter("c", makes=False, most=3)
    assert admission.active == 3


def test_while_it_is_suspended_none_is_let_in() -> None:
    """While the journal cannot say what was cut off, nothing may be made of any name."""
    admission = Admission()
    admission.suspend(JournalFailed("it cannot be read"))
    with pytest.raises(JournalFailed) as caught:
        admission.enter("a", makes=False)
    assert (caught.value.detail, admission.active) == ("it cannot be read", 0)
    admission.resume()
    admission.enter("a", makes=False)
    admission.suspend(Stopping("the agent is stopping"))
    admission.resume()
    with pytest.raises(Stopping):
        admission.enter("b", makes=False)


class Busied:
    """A world whose only turn is held by a create of host "a" until `free`; one may wait."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.world = World()
        self.free = threading.Event()
        self._pool = pool
        world = self.world
        steps = Steps(world.commands, world.journal)  # type: ignore[arg-type]
        self.executor = Executor(
            *(steps, world.journal, world.locks, world.unsettled.append, lambda: None),
            Admission(1, 1),
        )

        def hang() -> tuple[int, str]:
            self.free.wait(60)
            return 0, ""

        world.commands.answers[Command(("do", "one")).argv] = hang
        self.first = self.perform("a")
        wait_until(lambda: bool(world.commands.ran))

    def change(self, name: str, *, makes: bool = True) -> Change:
        return Change((Claim("host", name),), lambda: CREATE, lambda: name, makes)

    def perform(self, name: str) -> "Future[Any]":
        """Have a host made by a client that waits for it; the operation has its name."""
        return self._pool.submit(self.executor.perform, self.change(name), name, asked(name))

    def status(self, name: str) -> Any:
        return self.world.status(name)


@pytest.fixture
def busied() -> Iterator[Busied]:
    with ThreadPoolExecutor(4) as pool:
        busied = Busied(pool)
        try:
            yield busied
        finally:
            busied.free.set()


def test_a_create_waits_with_its_name_held(busied: Busied) -> None:
    second = busied.perform("b")
    wait_until(lambda: busied.status("b") == WAITING)
    assert busied.status("a") == RUNNING
    with pytest.raises(Busy) as caught:
        busied.executor.perform(busied.change("b"), "b2", asked("b"))
    assert caught.value.held_by == "b"
    assert len(busied.world.commands.ran) == 1
    busied.free.set()
    assert (busied.first.result(60), second.result(60)) == ("a", "b")
    assert (busied.status("a"), busied.status("b")) == (DONE, DONE)
    assert len(busied.world.commands.ran) == 8


def test_a_submitted_create_waits_too(busied: Busied) -> None:
    busied.executor.submit(busied.change("b"), "b", asked("b"))
    assert busied.status("b") == WAITING
    busied.free.set()
    wait_until(lambda: busied.status("b") == DONE)
    assert busied.executor.drain(10)


def test_past_the_queue_nothing_is_held_or_written_down(busied: Busied) -> None:
    busied.executor.submit(busied.change("b"), "b", asked("b"))
    for ask in (busied.executor.perform, busied.executor.submit):
        with pytest.raises(TooMany):
            ask(busied.change("c"), "c", asked("c"))
    assert busied.status("c") is None
    busied.world.locks.acquire([Claim("host", "c")], "other")


def test_what_makes_nothing_does_not_wait(busied: Busied) -> None:
    busied.world.commands.answers.clear()
    change = busied.change("b", makes=False)
    assert busied.executor.perform(change, "b", asked("b")) == "b"


def test_a_plan_that_cannot_be_gives_its_place_up(busied: Busied) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            busied.executor.perform(
                Change((Claim("host", "b"),), lambda: 1 / 0, str, True),  # type: ignore[arg-type, return-value]
                "b",
                asked("b"),
            )
    busied.executor.submit(busied.change("b"), "b", asked("b"))
    assert busied.status("b") == WAITING


def test_an_agent_that_stops_lets_nobody_wait(busied: Busied) -> None:
    """Nothing was done of it, and it is told so; what runs may end."""
    second = busied.perform("b")
    wait_until(lambda: busied.status("b") == WAITING)
    with ThreadPoolExecutor(1) as pool:
        drained = pool.submit(busied.executor.drain, 10)
        with pytest.raises(Stopping) as caught:
            second.result(60)
        busied.free.set()
        assert drained.result(60)
    detail = "the agent is stopping, and nothing was done; try again when it is back"
    assert caught.value.detail == detail
    assert busied.first.result(60) == "a"
    found = busied.world.journal.get("b")
    assert found is not None
    assert (found["status"], found["error"], found["commands"]) == (UNDONE, {"detail": detail}, [])
    busied.world.locks.acquire([Claim("host", "b")], "other")


def test_an_agent_that_died_had_done_nothing_of_what_waited(busied: Busied) -> None:
    busied.executor.submit(busied.change("b"), "b", asked("b"))
    later = World(busied.world.journal)
    later.recovery.start()
    found = later.journal.get("b")
    assert found is not None
    assert (found["status"], found["commands"]) == (UNDONE, [])
    assert found["error"] == {
        "detail": "it was interrupted: the agent ended while it waited for its turn"
    }
