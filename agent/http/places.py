"""How many requests may wait for commands at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import falcon

from agent.errors import TooMany


class Places:
    """So many requests may wait for commands, which may hang; a thread is left for others.

    most: how many. within: others, of which each of these is one, too.
    """

    def __init__(self, most: int, within: "Places | None" = None) -> None:
        self._left = threading.BoundedSemaphore(most)
        self._within = within

    def take(self) -> None:
        """Have one of the places until `give_back`; raises TooMany when all are taken."""
        if not self._left.acquire(blocking=False):
            raise TooMany("as many requests as may wait for libvirt do so; ask again later")
        if self._within is not None:
            try:
                self._within.take()
            except TooMany:
                self._left.release()
                raise

    def give_back(self) -> None:
        """Leave a place to others."""
        if self._within is not None:
            self._within.give_back()
        self._left.release()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a place for as long as the `with` block takes; raises TooMany."""
        self.take()
        try:
            yield
        finally:
            self.give_back()


def leave_place(req: falcon.Request) -> None:
    """Give back the place that a request has, if any: it waits for no command any more."""
    place: Places | None = getattr(req.context, "place", None)
    if place is not None:
        req.context.place = None
        place.give_back()


class TakePlace:
    """Keeps some threads free of requests that wait for commands, which may hang.

    places: for requests that may run commands. changes: those of them that changes may have.
    free: the beginnings of paths that run none, or none that may hang. shared: paths of which a
    GET sees to its own place.
    """

    def __init__(
        self, places: Places, changes: Places, free: tuple[str, ...], shared: tuple[str, ...]
    ) -> None:
        self._changes = changes
        self._free = free
        self._shared = shared
        self._places = places

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing; raises TooMany."""
        req.context.place = None
        if req.path.startswith(self._free) or (req.method == "GET" and req.path in self._shared):
            return
        places = self._places if req.method == "GET" else self._changes
        places.take()
        req.context.place = places

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        leave_place(req)
