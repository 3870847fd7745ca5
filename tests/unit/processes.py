"""What tests of threads and of real processes wait for."""

import time
from collections.abc import Callable
from pathlib import Path

_LIMIT_SECONDS = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; fails after a generous limit."""
    end = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"it did not come true within {_LIMIT_SECONDS:g} s")
        time.sleep(0.01)


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
