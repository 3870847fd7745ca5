"""How many requests may wait for commands at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
