"""Which changes are let in, and which of those that make something run now."""

import threading

from agent.errors import AgentError, Stopping, TooMany


class Admission:
    """Lets changes in, bounds how many make something at once, and knows when none is left.

    making: how many of those that make something run at once. waiting: how many more may wait
    for their turn; they get it in the order in which they came.
    """

    def __init__(self, making: int, waiting: int) -> None:
        self._making = making
        self._waiting = waiting
        self._changed = threading.Condition()
        self._active: set[str] = set()
        # Those that make something, in the order in which they came: the first ones run.
        self._queue: list[str] = []
        self._refusal: AgentError | None = None

    @property
    def active(self) -> int:
        """How many changes are in."""
        return len(self._active)

    def enter(self, operation: str, makes: bool, most: int | None = None) -> bool:
        """Let a change in until `leave`; returns whether it has to wait for its turn.

        most: how many may be in with it, None for any number. Raises what all are refused with
        for now, and TooMany.
        """
        with self._changed:
            if self._refusal is not None:
                raise type(self._refusal)(self._refusal.detail)
            if most is not None and len(self._active) >= most:
                raise TooMany(f"{most} operations run already; try again later")
            if makes:
                if len(self._queue) >= self._making + self._waiting:
                    raise TooMany(
                        f"{self._making} creates run and {self._waiting} wait"
                        " for their turn, which is the most; try again later"
                    )
                self._queue.append(operation)
            self._active.add(operation)
            return makes and not self._has_turn(operation)

    def wait(self, operation: str) -> None:
        """Wait for the turn of a change; raises Stopping when the agent stops before it."""
        with self._changed:
            self._changed.wait_for(lambda: self._has_turn(operation) or self._stops())
            if not self._has_turn(operation):
                raise Stopping(
                    "the agent is stopping, and nothing was done; try again when it is back"
                )

    def leave(self, operation: str) -> None:
        """A change has ended; its turn is the next one's."""
        with self._changed:
            self._active.remove(operation)
            if operation in self._queue:
                self._queue.remove(operation)
            self._changed.notify_all()

    def suspend(self, refusal: AgentError) -> None:
        """Let no more in until `resume`: each is refused with that error.

        With Stopping, those that wait for their turn are refused as well, and there is no way
        back.
        """
        with self._changed:
            self._refusal = refusal
            self._changed.notify_all()

    def resume(self) -> None:
        """Let changes in again, unless the agent is stopping."""
        with self._changed:
            if not self._stops():
                self._refusal = None

    def idle(self, seconds: float) -> bool:
        """Wait until none is in, so long at most; returns whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._active, seconds)

    def _has_turn(self, operation: str) -> bool:
        return operation in self._queue[: self._making]

    def _stops(self) -> bool:
        return isinstance(self._refusal, Stopping)
