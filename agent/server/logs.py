"""Where the log goes: stderr, written by one thread, as text or as JSON."""

import copy
import json
import logging
import logging.handlers
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from agent.operations import trace
from agent.tools.masking import masked, masked_text

# Lines that wait to be written, past which they are dropped: stderr may be a pipe that nobody
# reads, or a terminal that somebody has stopped.
MOST_WAITING = 10_000
# How long the last lines may take to be written.
_END_SECONDS = 2.0


class Log:
    """The form and the level of the log, which may be changed while it is written."""

    def __init__(self, writer: logging.Handler) -> None:
        self._writer = writer

    def configure(self, form: str, level: str) -> None:
        """Write as `form`, "text" or "json", what is of `level`, "debug" to "warning", or above."""
        self._writer.setFormatter(_Json() if form == "json" else _Text())
        # Of the libraries only what is of use to an operator.
        logging.getLogger("agent").setLevel(level.upper())


@contextmanager
def to_stderr(form: str = "text", level: str = "info") -> Iterator[Log]:
    """Write the log to stderr until the end of the `with` block, and a little longer.

    form, level: as for `Log.configure`.
    The threads that answer requests only leave their lines in a queue. They would wait for each
    other's writes: with 32 clients that took a third of what the agent could answer.
    """
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    writer = logging.StreamHandler(sys.stderr)
    handler = _Enqueue(lines)
    listener = logging.handlers.QueueListener(lines, writer)
    root, ours = logging.getLogger(), logging.getLogger("agent")
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    log = Log(writer)
    log.configure(form, level)
    listener.start()
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
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

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Called by logging, in the thread that logs, for what the writer's cannot know.

        No line has passwords: whoever reads the log need not be one who may have them.
        """
        record = copy.copy(record)
        record.msg, record.args = masked_text(record.getMessage()), None
        if record.exc_info:
            record.exc_text = masked_text(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        if hasattr(record, "fields"):
            record.fields = masked(record.fields)
        at_work = trace.current()
        record.ids = {"request_id": at_work.request, "operation": at_work.operation}
        return record

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


class _Text(logging.Formatter):
    """A line for a person; what is not printable is escaped, so that nobody can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging in the writer's thread."""
        message = record.getMessage()
        for name, value in _ids(record).items():
            told = f"{name.removesuffix('_id')} {value}"
            if told not in message:
                message += f", {told}"
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {_printable(message)}"
        # A traceback ends with the error's text, which may be a client's: indented, none of its
        # lines looks like one of the log's own.
        traceback = (record.exc_text or "").splitlines()
        return "\n    ".join((line, *map(_printable, traceback)))


class _Json(logging.Formatter):
    """An object a line, with a traceback as one text."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging in the writer's thread."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {
            "time": time.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(record),
            **getattr(record, "fields", {}),
        }
        if record.exc_text:
            told["exception"] = record.exc_text
        return json.dumps(told, default=str)


def _ids(record: logging.LogRecord) -> dict[str, str]:
    given = getattr(record, "ids", {})
    return {name: value for name, value in given.items() if value is not None}


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
