"""Whether changes are taken now, and how many are at work."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from agent.errors import AgentError, Stopping


class Admission:
    """Lets changes in, unless all are refused for now, and counts those that are in."""

    def __init__(self) -> None:
        self._idle = threading.Condition()
        self._active = 0
        self._refusal: AgentError | None = None

    @property
    def active(self) -> int:
        """How many changes are in."""
        return self._active

    def suspend(self, refusal: AgentError) -> None:
        """Let no more in until `resume`: each is refused with that error."""
        with self._idle:
            self._refusal = refusal

    def resume(self) -> None:
        """Let changes in again, unless they are refused because the agent is stopping."""
        with self._idle:
            if not isinstance(self._refusal, Stopping):
                self._refusal = None

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Be in for the length of the block; raises the refusal."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    def enter(self) -> None:
        """Be in until `leave`; raises the refusal."""
        with self._idle:
            if self._refusal is not None:
                raise type(self._refusal)(self._refusal.detail)
            self._active += 1

    def leave(self) -> None:
        """Be in no longer."""
        with self._idle:
            self._active -= 1
            self._idle.notify_all()

    def idle(self, seconds: float) -> bool:
        """Wait until none is in, so long at most; answers whether none is."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._active, seconds)
