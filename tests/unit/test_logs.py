"""The log: lines in order, none waited for, those dropped told."""

import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.operations import trace
from agent.server import logs

from .test_run import wait_until

PROJECT = Path(__file__).resolve().parents[2]
_log = logging.getLogger("agent.test")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is written last have all the time that it may need on a busy machine."""
    monkeypatch.setattr(logs, "_END_SECONDS", 60.0)


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
    assert (rest[1], rest[-1]) == (
        "    Traceback (most recent call last):",
        "    ValueError: a reason",
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the log writes to stderr."""
    stderr = io.StringIO()
    # pytest sets sys.stderr anew for the test itself.
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stderr=stderr))
    return stderr


def objects(written: io.StringIO) -> list[dict[str, Any]]:
    """The log's lines, each of which has to be an object."""
    return [json.loads(line) for line in written.getvalue().split("\n")[:-1]]


def test_json_is_an_object_a_line(written: io.StringIO) -> None:
    with logs.to_stderr("json"):
        _log.info("a\nb %s", "\x1b[0m żółw \u2028", extra={"fields": {"status": 200}})
    (line,) = objects(written)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "agent.test",
        "message": "a\nb \x1b[0m żółw \u2028",
        "status": 200,
    }
    assert written.getvalue().isascii()


def test_an_exception_is_one_line_of_json(written: io.StringIO) -> None:
    with logs.to_stderr("json"):
        try:
            raise ValueError("a\nreason")
        except ValueError:
            _log.exception("unforeseen")
    (line,) = objects(written)
    assert (line["level"], line["message"]) == ("error", "unforeseen")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("\nValueError: a\nreason")


FORGED = "2026-01-01 00:00:00,000 INFO agent: forged"


@pytest.mark.parametrize("between", ["\n", "\r", "\x0b", "\x85", "\u2028"])
def test_nobody_forges_a_line_of_text(written: io.StringIO, between: str) -> None:
    """Neither in a message nor as the text of an error."""
    with logs.to_stderr():
        _log.info("a%s", between + FORGED)
        try:
            raise ValueError(between + FORGED)
        except ValueError:
            _log.exception("b")
    lines = written.getvalue().splitlines()
    assert [line for line in lines if line.startswith("2026-01-01 00:00:00,000")] == []
    escaped = between.encode("unicode_escape").decode()
    assert lines[0].endswith(f"INFO agent.test: a{escaped}{FORGED}")
    assert lines[-1] == f"    {FORGED}"


def test_a_line_says_what_its_thread_is_at_work_for(written: io.StringIO) -> None:
    with logs.to_stderr() as log:
        trace.begin("one")
        _log.info("a")
        with trace.operation("two"):
            _log.info("operation two begins")
            log.configure("json", "info")
            _log.info("b")
        trace.end()
        _log.info("c")
    first, second, third, last = written.getvalue().splitlines()
    # The writer may be late, and the form of the first two either.
    assert "one" in first
    assert "two" not in first
    assert "one" in second
    assert "two" in second
    ids = {"request_id": "one", "operation": "two"}
    assert {name: json.loads(third).get(name) for name in ids} == ids
    assert {name: json.loads(last).get(name) for name in ids} == dict.fromkeys(ids)


def test_text_ends_with_the_ids_that_it_does_not_have(written: io.StringIO) -> None:
    with logs.to_stderr():
        trace.begin("one")
        with trace.operation("two"):
            _log.info("one")
            _log.info("operation two begins")
        trace.end()
    told = [line.partition("agent.test: ")[2] for line in written.getvalue().splitlines()]
    assert told == ["one, request one, operation two", "operation two begins, request one"]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warning"]),
        ("info", ["info", "warning"]),
        ("warning", ["warning"]),
    ],
)
def test_a_level(written: io.StringIO, level: str, told: list[str]) -> None:
    """It is the agent's own; of the libraries' lines those of debugging never come."""
    with logs.to_stderr("json") as log:
        log.configure("json", level)
        for each in ("debug", "info", "warning"):
            getattr(_log, each)(each)
        logging.getLogger("other").debug("not this")
    assert [line["level"] for line in objects(written)] == told


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_has_passwords(written: io.StringIO, form: str) -> None:
    """Neither a message, what it has besides, nor a traceback; whatever the quotes are."""
    url, cmdline = "http://user:s3cret@h/a", "quiet 'x' password=s3cret"
    argv = ["virt-install", f"--location={url}", f"--extra-args={cmdline}", "--boot=hd"]
    with logs.to_stderr(form):
        _log.info("%s: %s", "0.1 s", shlex.join(argv), extra={"fields": {"command": argv}})
        _log.warning("killed: %s", argv)
        try:
            raise ValueError(f"{url} {argv}")
        except ValueError:
            _log.exception("fetch %s", url)
    text = written.getvalue()
    assert "s3cret" not in text
    assert text.count("http://user:***@h/a") == {"text": 5, "json": 6}[form]
    assert text.count("--extra-args=***") == {"text": 3, "json": 4}[form]
    if form == "json":
        first = objects(written)[0]
        location = "--location=http://user:***@h/a"
        assert first["command"] == ["virt-install", location, "--extra-args=***", "--boot=hd"]
        line = f"virt-install {location} '--extra-args=***' --boot=hd"
        assert first["message"] == f"0.1 s: {line}"


class Stopped(io.StringIO):
    """A terminal that takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.begun.set()
        self.goes_on.wait(60)
        return super().write(text)


@contextmanager
def nobody_takes(
    monkeypatch: pytest.MonkeyPatch, lines: int, most_waiting: int
) -> Iterator[Stopped]:
    """Log so many lines after a first one while stderr takes none; then it goes on."""
    written = Stopped()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logs, "MOST_WAITING", most_waiting)
    with logs.to_stderr():
        _log.info("first")
        assert written.begun.wait(60)
        for number in range(lines):
            _log.info("line %d", number)
        written.goes_on.set()
        yield written


def test_lines_that_nobody_takes_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_takes(monkeypatch, 30, most_waiting=10) as written:
        pass
    with logs.to_stderr():
        _log.info("last")
    told = [line.partition(": ")[2] for line in written.getvalue().splitlines()]
    assert told == ["first", *(f"line {number}" for number in range(10)), "last"]


def test_what_was_dropped_is_told_once_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_takes(monkeypatch, 4, most_waiting=1) as written:
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
        "from agent.server import logs\n"
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
