"""Lets requests for the same thing share one read of it."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from agent.http.places import Places
from agent.operations import trace

T = TypeVar("T")


class Shared(Generic[T]):
    """A read that is never done twice at the same time.

    Whoever asks while it is being done gets the answer of the next one, which begins when
    this one has ended, together with all who have asked by then. So each answer was read
    after it was asked for, and any number of requests cost one read at a time.

    read: does it. places: of which those who wait need one, besides the two that read now and
    next, once the read takes longer than usual: it may hang, and each has a thread.
    usual_seconds: how long that is. A list is no sooner there than libvirt has ended or started
    the machine that it is at: QEMU takes 1.4 s to end when emulated, and more with disks to flush.
    """

    def __init__(self, read: Callable[[], T], places: Places, usual_seconds: float = 5.0) -> None:
        self._read = read
        self._places = places
        self._usual_seconds = usual_seconds
        self._condition = threading.Condition()
        # When the read began that is being done.
        self._since: float | None = None
        self._next: _Round[T] | None = None

    def __call__(self) -> T:
        """The answer of a read that begins now or later.

        Raises what that read raised, and TooMany.
        """
        with self._condition:
            turn = self._next
            if turn is None:
                mine = self._next = _Round[T](trace.current().request)
            since = self._since
        if turn is not None:
            slow = since is not None and time.monotonic() - since > self._usual_seconds
            if slow or not turn.done.wait(self._usual_seconds):
                with self._places.one():
                    turn.done.wait()
            trace.shares(turn.reader)
            return turn.answer()
        self._lead(mine)
        return mine.answer(first=True)

    def _lead(self, turn: "_Round[T]") -> None:
        """Do the next read, for all who have asked by the time that it begins."""
        with self._condition:
            self._condition.wait_for(lambda: self._since is None)
            self._since = time.monotonic()
            self._next = None
        try:
            turn.value = [self._read()]
        except BaseException as error:
            turn.error = error
        finally:
            with self._condition:
                self._since = None
                self._condition.notify()
            turn.done.set()


class _Round(Generic[T]):
    """One read, and those who wait for it. reader: the request in whose thread it is done."""

    def __init__(self, reader: str | None) -> None:
        self.reader = reader
        self.done = threading.Event()
        self.value: list[T] = []
        self.error: BaseException | None = None

    def answer(self, *, first: bool = False) -> T:
        """What was read. first: by who has read it, and gets the error as it was."""
        if self.error is not None:
            raise self.error if first else _again(self.error)
        return self.value[0]


def _again(error: BaseException) -> BaseException:
    """The same error anew: an exception that many threads raise collects all their tracebacks."""
    kind = type(error)
    fresh = kind.__new__(kind, *error.args)
    fresh.__dict__.update(error.__dict__)
    fresh.__cause__ = error.__cause__
    return fresh
