"""Which operations the journal forgets, and the clock by which they age."""

import sqlite3
from collections.abc import Callable

from agent.operations.operation import DONE, FAILED, UNDONE

# Each operation that begins forgets that many at most, so that none waits for long.
_PRUNED_AT_ONCE = 50


class Pruner:
    """Forgets operations of the journal that have ended.

    days, count: they go when they are older, or when there are more. clock: seconds since the
        epoch. uptime: seconds, by a clock that nobody can set.
    """

    def __init__(
        self,
        *,
        days: float,
        count: int,
        clock: Callable[[], float],
        uptime: Callable[[], float],
    ) -> None:
        self._days = days
        self._count = count
        self._clock = clock
        self._uptime = uptime
        # What the clock said, as far as it is believed, at what uptime.
        self._anchor: tuple[float, float] | None = None

    def keep(self, *, days: float, count: int) -> None:
        """Forget operations that have ended by other limits from now on."""
        self._days, self._count = days, count

    def prune(self, db: sqlite3.Connection) -> None:
        """Forget ended operations past the age or the count, some at a time."""
        db.execute(
            "delete from operations where number in ("
            " select number from operations where status in (?, ?, ?) order by number limit ?)"
            " and (began < ? or number <= (select max(number) from operations) - ?)",
            (
                DONE,
                UNDONE,
                FAILED,
                _PRUNED_AT_ONCE,
                self._aging_clock(db) - self._days * 86400,
                self._count,
            ),
        )

    def _aging_clock(self, db: sqlite3.Connection) -> float:
        """The time by which operations age, which does not jump ahead when somebody sets the clock.

        From the agent's start on it is counted by the uptime. A clock that was ahead by then is
        believed half the age at which operations go: then none goes that was not half as old.
        """
        if self._anchor is None:
            last = db.execute(
                "select began from operations order by number desc limit 1 offset 1"
            ).fetchone()
            believed = self._clock()
            if last is not None:
                believed = min(believed, last["began"] + self._days * 86400 / 2)
            self._anchor = (believed, self._uptime())
        believed, since = self._anchor
        return min(self._clock(), believed + self._uptime() - since)
