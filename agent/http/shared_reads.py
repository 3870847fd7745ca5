"""Lets requests for the same thing share one read of it."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from agent.errors import TooMany
from agent.http.places import Places
from agent.operations import trace

T = TypeVar("T")


class SharedRead(Generic[T]):
    """A read that is never done twice at the same time.

    Whoever asks while it is being done gets the answer of the next one, which begins when
    this one has ended, together with all who have asked by then. So each answer was read
    after it was asked for, and any number of requests cost one read at a time.

    read: does it. places: of which those who wait need one, besides the two that read now and
    next, once the next read takes longer than usual: it may hang, and each has a thread.
    usual_seconds: how long that is. A list is no sooner there than libvirt has ended or started
    the machine that it is at: QEMU takes 1.4 s to end when emulated, and more with disks to flush.
    """

    def __init__(self, read: Callable[[], T], places: Places, usual_seconds: float = 5.0) -> None:
        self._read = read
        self._places = places
        self._usual_seconds = usual_seconds
        # Held by who reads, and by nobody for long.
        self._reading = threading.Lock()
        self._lock = threading.Lock()
        self._next: _NextRead[T] | None = None

    def __call__(self) -> T:
        """The answer of a read that begins now or later.

        Raises what that read raised, and TooMany.
        """
        with self._lock:
            shared = self._next
            if shared is None:
                own = self._next = _NextRead[T](time.monotonic() + self._usual_seconds)
        if shared is None:
            self._lead(own)
            return own.result()
        with contextlib.suppress(TimeoutError):
            shared.exception(max(0.0, shared.usual_until - time.monotonic()))
        if not shared.done():
            with self._places.one():
                shared.exception()
        trace.shares(shared.reader)
        return shared.result()

    def _lead(self, own: "_NextRead[T]") -> None:
        """Do the next read, for all who have asked by the time that it begins."""
        with self._reading:
            with self._lock:
                self._next = None
            try:
                own.set_result(self._read())
            except BaseException as error:
                own.set_exception(error)


class SharedReads(Generic[T]):
    """Shared reads of many things, by their names; each is there while somebody asks for it.

    read: does that of a name. places: of which who reads needs one, too, since there may be as many
    that read as there are names.
    """

    def __init__(self, read: Callable[[str], T], places: Places) -> None:
        self._read = read
        self._places = places
        self._lock = threading.Lock()
        self._shared: dict[str, SharedRead[T]] = {}
        self._asking: Counter[str] = Counter()

    def __call__(self, name: str) -> T:
        """The answer of a read of that name that begins now or later.

        Raises what that read raised, and TooMany.
        """
        with self._lock:
            shared = self._shared.get(name)
            if shared is None:
                read = partial(self._read, name)
                shared = self._shared[name] = _ReadWithPlace(read, self._places)
            self._asking[name] += 1
        try:
            return shared()
        finally:
            with self._lock:
                self._asking[name] -= 1
                if not self._asking[name]:
                    del self._asking[name], self._shared[name]


class _ReadWithPlace(SharedRead[T]):
    """A shared read whose reader needs a place from the start."""

    def _lead(self, own: "_NextRead[T]") -> None:
        try:
            with self._places.one():
                super()._lead(own)
        except TooMany as error:
            # There is none for those who have joined by now either.
            with self._lock:
                self._next = None
            own.set_exception(error)


class _NextRead(Future[T]):
    """What a read that has not begun will come to.

    usual_until: when it takes longer than usual, on the monotonic clock. `reader`: the request in
    whose thread it is done.
    """

    def __init__(self, usual_until: float) -> None:
        super().__init__()
        self.usual_until = usual_until
        self.reader = trace.current().request
