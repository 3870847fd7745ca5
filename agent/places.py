"""How many requests may wait for commands at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import TooMany


class Places:
    """So many requests may wait for commands, which may hang; a thread is left for others.

    most: how many.
    """

    def __init__(self, most: int) -> None:
        self._left = threading.BoundedSemaphore(most)

    def take(self) -> None:
        """Have one of the places until `give_back`; raises TooMany when all are taken."""
        if not self._left.acquire(blocking=False):
            raise TooMany("as many requests as may wait for libvirt do so; ask again later")

    def give_back(self) -> None:
        """Leave a place to others."""
        self._left.release()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have a place for as long as the `with` block takes; raises TooMany."""
        self.take()
        try:
            yield
        finally:
            self.give_back()
