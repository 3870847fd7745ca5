"""How many requests may wait for commands at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import TooMany


class Places:
    """So many requests may wait for commands, which may hang; a thread is left for others.

    most: how many. Changes have at most three quarters of them: however many of those hang,
    some are left to reads.
    """

    def __init__(self, most: int) -> None:
        self._lock = threading.Lock()
        self._left = most
        self._left_to_changes = max(1, most * 3 // 4)

    @contextmanager
    def one(self, *, change: bool = False) -> Iterator[None]:
        """Have a place for as long as the `with` block takes.

        change: whether it is for a change. Raises TooMany when all are taken.
        """
        with self._lock:
            if self._left == 0 or (change and self._left_to_changes == 0):
                raise TooMany("too many requests wait for libvirt; try again later")
            self._left -= 1
            self._left_to_changes -= change
        try:
            yield
        finally:
            with self._lock:
                self._left += 1
                self._left_to_changes += change
