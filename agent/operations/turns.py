"""How many changes that make something run at once, and how many more may wait for that."""

import threading
from collections import deque

from agent.errors import Stopping, TooMany


class Ticket:
    """A turn, or a place among those that wait for one. waited: whether it ever was the latter."""

    waited = False


class Turns:
    """So many run at once; as many more as there is room for wait, and go on in their order.

    most: how many run at once. waiting: how many wait.
    """

    def __init__(self, most: int, waiting: int) -> None:
        self._most = most
        self._waiting = waiting
        self._condition = threading.Condition()
        # Those that have a turn come first.
        self._tickets: deque[Ticket] = deque()
        self._refusal: str | None = None

    def enter(self) -> Ticket:
        """Have a turn, or a place among those that wait, until `leave`; never waits itself.

        Answers a ticket. Raises TooMany when there is no place left.
        """
        with self._condition:
            if len(self._tickets) >= self._most + self._waiting:
                raise TooMany(
                    f"{self._most} changes that make something run and {self._waiting} wait for"
                    " their turn, which is as many as may; ask again later"
                )
            ticket = Ticket()
            self._tickets.append(ticket)
            ticket.waited = not self._is_on(ticket)
            return ticket

    def wait(self, ticket: Ticket) -> None:
        """Wait until it is this one's turn; raises Stopping when `close` comes before it."""
        with self._condition:
            self._condition.wait_for(lambda: self._is_on(ticket) or self._refusal is not None)
            if self._refusal is not None and not self._is_on(ticket):
                raise Stopping(self._refusal)

    def leave(self, ticket: Ticket) -> None:
        """Give a turn, or a place, to the next one."""
        with self._condition:
            self._tickets.remove(ticket)
            self._condition.notify_all()

    def close(self, refusal: str) -> None:
        """Let nobody wait any more: who does is told that."""
        with self._condition:
            self._refusal = refusal
            self._condition.notify_all()

    def _is_on(self, ticket: Ticket) -> bool:
        return ticket in list(self._tickets)[: self._most]
