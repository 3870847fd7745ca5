"""The log: lines in order, none waited for, those dropped told."""

import io
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent import logs

from .test_run import wait_until

PROJECT = Path(__file__).resolve().parents[2]
_log = logging.getLogger("agent.test")


def test_every_line_is_written_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    with logs.to_stderr():
        for number in range(1000):
            _log.info("line %d", number)
        _log.debug("not this")
        try:
            raise ValueError("a reason")
        except ValueError:
            _log.exception("unforeseen")
    _log.info("nor this")
    lines = [line.partition(" INFO ")[2] for line in written.getvalue().splitlines()[:1000]]
    assert lines == [f"agent.test: line {number}" for number in range(1000)]
    rest = written.getvalue().splitlines()[1000:]
    assert rest[0].partition(" ERROR ")[2] == "agent.test: unforeseen"
    assert (rest[1], rest[-1]) == ("Traceback (most recent call last):", "ValueError: a reason")


class Stopped(io.StringIO):
    """A terminal that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.begun.set()
        self.goes_on.wait(20)
        return super().write(text)


def test_lines_that_nobody_takes_are_dropped_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = Stopped()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logs, "MOST_WAITING", 10)
    with logs.to_stderr():
        _log.info("first")
        assert written.begun.wait(20)
        for number in range(30):
            _log.info("line %d", number)
        written.goes_on.set()
    with logs.to_stderr():
        _log.info("last")
    told = [line.partition(": ")[2] for line in written.getvalue().splitlines()]
    assert told == ["first", *(f"line {number}" for number in range(10)), "last"]


def test_what_was_dropped_is_told_once_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Stopped()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logs, "MOST_WAITING", 1)
    with logs.to_stderr():
        _log.info("first")
        assert written.begun.wait(20)
        for number in range(4):
            _log.info("line %d", number)
        written.goes_on.set()
        handler = logging.getLogger().handlers[-1]
        assert isinstance(handler, logging.handlers.QueueHandler)
        waiting = handler.queue.qsize
        wait_until(lambda: not waiting())
        _log.info("last")
    told = [line.partition(": ")[2] for line in written.getvalue().splitlines()]
    assert told == ["first", "line 0", "3 lines were dropped here: stderr took none", "last"]


def test_a_stderr_that_takes_nothing_holds_nobody_up() -> None:
    read, write = os.pipe()
    script = (
        "import logging, os\n"
        "from agent import logs\n"
        "logs._END_SECONDS = 0.2\n"
        "with logs.to_stderr():\n"
        "    for number in range(2000):\n"
        "        logging.getLogger('agent').info('%s', 'x' * 1000)\n"
        "os._exit(3)\n"
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script], cwd=PROJECT, stderr=write, check=False, timeout=60
        )
    finally:
        os.close(read)
        os.close(write)
    assert ended.returncode == 3
