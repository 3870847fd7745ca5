"""Requests that share a read, one step at a time."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from agent.errors import CommandFailed, NotFound, TooMany
from agent.http.places import Places
from agent.http.shared_reads import SharedRead, SharedReads
from agent.operations import trace

from .test_run import wait_until


class Reads:
    """Reads that end when, and as, the test says."""

    def __init__(self) -> None:
        self.begun: list[Future[str]] = []
        self.at_once = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        reading: Future[str] = Future()
        with self._lock:
            self.at_once += 1
            assert self.at_once == 1
            self.begun.append(reading)
        try:
            return reading.result(60)
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(100) as made:
        yield made


class Scene:
    """Requests for a shared read, begun one by one."""

    def __init__(
        self, pool: ThreadPoolExecutor, places: int = 0, usual_seconds: float = 60.0
    ) -> None:
        self.reads = Reads()
        self._shared = SharedRead(self.reads, Places(places), usual_seconds)
        self._pool = pool
        self._waiting = 0

    def ask(self, count: int = 1) -> "list[Future[str]]":
        """Ask that many times; all of them have come to wait when it returns."""
        came = threading.Semaphore(0)

        def request() -> str:
            came.release()
            return self._shared()

        asked = [self._pool.submit(request) for _ in range(count)]
        for _ in asked:
            assert came.acquire(timeout=60)
        return asked

    def begun(self, count: int) -> "Future[str]":
        """Wait until that many reads have begun in all; answers the last of them."""
        wait_until(lambda: len(self.reads.begun) >= count)
        assert len(self.reads.begun) == count
        return self.reads.begun[-1]


def test_one_request_is_one_read(pool: ThreadPoolExecutor) -> None:
    scene = Scene(pool)
    for number in (1, 2, 3):
        (asked,) = scene.ask()
        scene.begun(number).set_result(f"read {number}")
        assert asked.result(60) == f"read {number}"


def test_a_request_in_the_middle_of_a_read_gets_the_next(pool: ThreadPoolExecutor) -> None:
    scene = Scene(pool)
    (first,) = scene.ask()
    reading = scene.begun(1)
    (second,) = scene.ask()
    assert not second.done()
    reading.set_result("old")
    assert first.result(60) == "old"
    scene.begun(2).set_result("new")
    assert second.result(60) == "new"


def test_no_answer_is_older_than_its_request(pool: ThreadPoolExecutor) -> None:
    """Whatever the order in which threads get to run."""
    lock = threading.Lock()
    clock = [0]

    def tick() -> int:
        with lock:
            clock[0] += 1
            return clock[0]

    shared = SharedRead(tick, Places(1))

    def request(_: int) -> bool:
        asked = tick()
        return shared() > asked

    assert all(pool.map(request, range(20_000)))


def test_a_hundred_requests_are_a_few_reads(pool: ThreadPoolExecutor) -> None:
    scene = Scene(pool)
    (first,) = scene.ask()
    reading = scene.begun(1)
    others = scene.ask(99)
    # Each of them has the lock to itself for a moment, and then waits for the second read.
    wait_until(lambda: scene._shared._next is not None)
    reading.set_result("old")
    assert first.result(60) == "old"
    # A thread that was slow to come has the third.
    for number in (1, 2):
        wait_until(lambda n=number: len(scene.reads.begun) > n or all(o.done() for o in others))
        for late in scene.reads.begun[number:]:
            late.set_result("new")
    assert {other.result(60) for other in others} == {"new"}


def test_an_error_is_shared(pool: ThreadPoolExecutor) -> None:
    scene = Scene(pool)
    (first,) = scene.ask()
    reading = scene.begun(1)
    others = scene.ask(2)
    wait_until(lambda: scene._shared._next is not None)
    told = CommandFailed(("virsh", "x"), 1, "error: no\n")
    reading.set_exception(told)
    second = CommandFailed(("virsh", "y"), 1, "error: nor this\n")
    scene.begun(2).set_exception(second)
    assert first.exception(60) is told
    assert [other.exception(60) for other in others] == [second] * 2


def test_an_error_is_not_kept(pool: ThreadPoolExecutor) -> None:
    scene = Scene(pool)
    (first,) = scene.ask()
    scene.begun(1).set_exception(NotFound("there is none"))
    assert isinstance(first.exception(60), NotFound)
    (second,) = scene.ask()
    scene.begun(2).set_result("there is one")
    assert second.result(60) == "there is one"


def test_a_read_that_hangs_leaves_threads_to_others(pool: ThreadPoolExecutor) -> None:
    """Two are there to read, and as many wait as there are places; the others are told."""
    scene = Scene(pool, places=3, usual_seconds=0.05)
    (first,) = scene.ask()
    reading = scene.begun(1)
    (second,) = scene.ask()
    wait_until(lambda: scene._shared._next is not None)
    others = scene.ask(10)
    wait_until(lambda: sum(other.done() for other in others) == 7)
    refused = [other for other in others if other.done()]
    assert {type(other.exception(60)) for other in refused} == {TooMany}
    # By now it is known to be slow.
    (late,) = scene.ask()
    assert isinstance(late.exception(60), TooMany)
    reading.set_result("old")
    assert first.result(60) == "old"
    scene.begun(2).set_result("new")
    assert second.result(60) == "new"
    assert {other.result(60) for other in others if other not in refused} == {"new"}
    # And their places are free again.
    again = scene.ask(1)
    scene.begun(3).set_result("newest")
    assert again[0].result(60) == "newest"


def test_a_request_knows_whose_read_it_shares() -> None:
    """The one that reads for others, too, is answered by its own."""
    reads = Reads()
    shared = SharedRead(reads, Places(0), 60.0)
    told: dict[str, str | None] = {}

    def request(name: str) -> None:
        trace.begin(name)
        shared()
        told[name] = trace.current().read_by

    threads = [threading.Thread(target=request, args=(name,)) for name in ("a", "b", "c")]
    threads[0].start()
    wait_until(lambda: len(reads.begun) == 1)
    threads[1].start()
    wait_until(lambda: shared._next is not None)
    threads[2].start()
    wait_until(lambda: threads[2].is_alive() and "c" not in told)

    def all_are_answered() -> bool:
        for reading in reads.begun:
            if not reading.done():
                reading.set_result("rows")
        return not any(thread.is_alive() for thread in threads)

    wait_until(all_are_answered)
    assert told in (
        {"a": None, "b": None, "c": "b"},
        # It came after that read had begun, and so did its own.
        {"a": None, "b": None, "c": None},
    )


class ReadsByName:
    """Reads of names that end when, and as, the test says; never two of a name at once."""

    def __init__(self) -> None:
        self.of: dict[str, Reads] = {name: Reads() for name in ("a", "b", "c")}

    def __call__(self, name: str) -> str:
        return self.of[name]()


def test_each_name_has_a_read_of_its_own(pool: ThreadPoolExecutor) -> None:
    """It is shared by those who ask for that name, and forgotten with the last of them."""
    reads = ReadsByName()
    # Of each name one reads now and one next.
    shared = SharedReads(reads, Places(4))
    asked = {name: [pool.submit(shared, name) for _ in range(10)] for name in ("a", "b")}
    for name, requests in asked.items():
        begun = reads.of[name].begun

        def all_are_answered(
            name: str = name,
            begun: list[Future[str]] = begun,
            requests: list[Future[str]] = requests,
        ) -> bool:
            for reading in begun:
                if not reading.done():
                    reading.set_result(f"that of {name}")
            return all(request.done() for request in requests)

        wait_until(all_are_answered)
        assert {request.result(60) for request in requests} == {f"that of {name}"}
        assert len(begun) <= 10
    assert (shared._shared, shared._asking) == ({}, {})


def test_who_asks_meanwhile_shares_the_next_read_of_a_name(pool: ThreadPoolExecutor) -> None:
    reads = ReadsByName()
    shared = SharedReads(reads, Places(2))
    first = pool.submit(shared, "a")
    wait_until(lambda: len(reads.of["a"].begun) == 1)
    others = [pool.submit(shared, "a") for _ in range(50)]
    wait_until(lambda: shared._asking["a"] == 51)
    one_read = shared._shared["a"]
    reads.of["a"].begun[0].set_exception(NotFound("there is none"))
    assert isinstance(first.exception(60), NotFound)
    wait_until(lambda: len(reads.of["a"].begun) == 2)
    assert shared._shared["a"] is one_read
    reads.of["a"].begun[1].set_result("there is one")
    assert {other.result(60) for other in others} == {"there is one"}
    assert (shared._shared, shared._asking) == ({}, {})


def test_as_many_names_are_read_as_there_are_places(pool: ThreadPoolExecutor) -> None:
    """Each that hangs has a thread: of another name, who asks is told, and has no part in them."""
    reads = ReadsByName()
    shared = SharedReads(reads, Places(2))
    asked = {name: pool.submit(shared, name) for name in ("a", "b")}
    wait_until(lambda: all(len(reads.of[name].begun) == 1 for name in asked))
    assert isinstance(pool.submit(shared, "c").exception(60), TooMany)
    assert {*shared._shared} == {*shared._asking} == {"a", "b"}
    for name, request in asked.items():
        reads.of[name].begun[0].set_result(name)
        assert request.result(60) == name
    third = pool.submit(shared, "c")
    wait_until(lambda: len(reads.of["c"].begun) == 1)
    reads.of["c"].begun[0].set_result("c")
    assert third.result(60) == "c"
    assert (shared._shared, shared._asking) == ({}, {})
