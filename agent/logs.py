"""Where the log goes: stderr, written by one thread."""

import logging
import logging.handlers
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Lines that wait to be written, past which they are dropped: stderr may be a pipe that nobody
# reads, or a terminal that somebody has stopped.
MOST_WAITING = 10_000
# How long the last lines may take to be written.
_END_SECONDS = 2.0
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def to_stderr() -> Iterator[None]:
    """Write the log to stderr until the end of the `with` block, and a little longer.

    The threads that answer requests only leave their lines in a queue. They would wait for each
    other's writes: with 32 clients that took a third of what the agent could answer.
    """
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(logging.Formatter(_FORMAT))
    handler = _Enqueue(lines)
    listener = logging.handlers.QueueListener(lines, writer)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        # A thread, since it would wait for as long as stderr takes nothing.
        last = threading.Thread(target=listener.stop, daemon=True)
        last.start()
        last.join(_END_SECONDS)


class _Enqueue(logging.handlers.QueueHandler):
    """Leaves lines in the queue, and says how many it had to drop once it has room again."""

    def __init__(self, lines: "queue.SimpleQueue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self._waiting = lines.qsize
        self._dropped = 0

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Have no lock: the queue needs none, and threads would wait for each other."""
        self.lock = None

    def enqueue(self, record: logging.LogRecord) -> None:
        """Called by logging with a line that is ready."""
        if self._waiting() >= MOST_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            args = (dropped,)
            text = "%d lines were dropped here: stderr took none"
            told = logging.LogRecord("agent", logging.WARNING, __file__, 0, text, args, None)
            super().enqueue(told)
        super().enqueue(record)
