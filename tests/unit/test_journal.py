"""The journal, on a real file: what is written, by many at once, pruned, killed and damaged."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import JournalFailed
from agent.operations.journal import MOST_OUTPUT, Journal
from agent.operations.operation import (
    DONE,
    FAILED,
    UNDONE,
    UNSETTLED,
    WAITING,
    Outcome,
    Request,
)
from agent.plans.plan import Install, Plan, Step
from agent.tools.command import Command

PLAN = Plan(
    "make a",
    (
        Step("first", Command(("one", "it's"), "text\n"), (Command(("undo one",)),)),
        Step("second", Command(("two",), None, ("gone",))),
    ),
)
TEXT = st.text(st.characters(blacklist_categories=("Cs",)))


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def asked(**more: Any) -> Request:
    """A request by a client."""
    return Request(
        "POST", "/hosts/a", {"memory": 1}, "request", "127.0.0.1", **{"host": "a", **more}
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.sqlite", clock=Clock())


def ran(step: int, argv: list[str], shell: str, stdin: str | None = None) -> dict[str, Any]:
    """The row of a command of a step that has begun."""
    ended = ("seconds", "exit_code", "ok", "stdout", "stderr", "error")
    row = {"step": step, "undo": False, "argv": argv, "stdin": stdin, "shell": shell}
    return {**row, "began": 1000.0, **dict.fromkeys(ended)}


def test_a_whole_operation(journal: Journal) -> None:
    journal.begin("id", asked(), PLAN)
    first = journal.begin_step("id", 0, PLAN.steps[0].command, undo=False)
    journal.end_step("id", first, Outcome(0.5, 0, True, "out", "err"))
    second = journal.begin_step("id", 1, PLAN.steps[1].command, undo=False)
    journal.end_step("id", second, Outcome(0.25, None, False, "", "", "it was killed"))
    undo = journal.begin_step("id", 0, PLAN.steps[0].undo[0], undo=True)
    journal.end("id", UNSETTLED, {"detail": "two failed"})
    brief = {
        "id": "id",
        "number": 1,
        "does": "make a",
        "host": "a",
        "network": None,
        "status": "unsettled",
        "began": 1000.0,
        "ended": 1000.0,
        "steps": 2,
        "steps_done": 1,
        "undo_commands": 1,
        "request": {
            "method": "POST",
            "path": "/hosts/a",
            "body": {"memory": 1},
            "request_id": "request",
            "client": "127.0.0.1",
        },
        "error": {"detail": "two failed"},
    }
    assert (first, second, undo) == (0, 1, 2)
    assert journal.find() == [brief]
    assert journal.get("id") == {
        **brief,
        "plan": PLAN.to_json(),
        "commands": [
            {
                **ran(0, ["one", "it's"], "one 'it'\"'\"'s' <<'EOF'\ntext\nEOF", "text\n"),
                "seconds": 0.5,
                "exit_code": 0,
                "ok": True,
                "stdout": "out",
                "stderr": "err",
            },
            {
                **ran(1, ["two"], "two"),
                "seconds": 0.25,
                "ok": False,
                "stdout": "",
                "stderr": "",
                "error": "it was killed",
            },
            {**ran(0, ["undo one"], "'undo one'"), "undo": True},
        ],
    }
    assert journal.unfinished() == ["id"]
    assert journal.get("other") is None


def begin_install(journal: Journal, operation: str, after_install: str = "start") -> str:
    """Have an operation end after which an install goes on; answers the id of that."""
    install = Install("a", "uuid", "http://tree/", after_install)
    journal.begin(operation, asked(), Plan("install host a", (), install))
    journal.end(operation, DONE)
    (found,) = [row for row in journal.installs() if row["status"] == WAITING]
    return str(found["id"])


@pytest.mark.parametrize("after_install", ["start", "off"])
def test_the_install_after_an_operation(journal: Journal, after_install: str) -> None:
    """It is an operation of its own, which begins none when it ends."""
    install = begin_install(journal, "one", after_install)
    row = {"id": install, "host": "a", "domain": "uuid", "after_install": after_install}
    assert journal.installs() == [{**row, "status": "waiting"}]
    assert journal.unfinished() == []
    shown = {"began": 1000.0, "location": "http://tree/", "error": None, "override": 0}
    assert journal.install("uuid") == {**shown, "status": "waiting", "ended": None}
    journal.end(install, DONE)
    assert (journal.installs(), [row["id"] for row in journal.find()]) == ([], [install, "one"])
    assert journal.install("uuid") == {**shown, "status": "done", "ended": 1000.0}


def test_an_install_that_runs_is_a_start(journal: Journal) -> None:
    """Its plan is then that of the start, which has no install."""
    install = begin_install(journal, "one")
    journal.set_plan(install, PLAN)
    row = {"id": install, "host": "a", "domain": "uuid", "after_install": "start"}
    assert journal.installs() == [{**row, "status": "running"}]


def test_what_a_boot_override_has_booted(journal: Journal) -> None:
    """It is followed as an install is, and known from one."""
    plan = Plan("start host a", (), Install("a", "uuid", None, override=True))
    journal.begin("one", asked(), Plan.from_json(plan.to_json()))
    journal.end("one", DONE)
    found = journal.install("uuid")
    assert found is not None
    assert (found["status"], found["location"], found["override"]) == (WAITING, None, 1)


@pytest.mark.parametrize("left_out", ["install", "after_install"])
def test_an_install_of_an_earlier_version(journal: Journal, left_out: str) -> None:
    """Neither its plan had an install, nor that of the create what comes after it."""
    install = begin_install(journal, "one", "off")
    plan = Plan("install host a", (), Install("a", "uuid", None)).to_json()
    del plan["install"]["override"]
    del (plan["install"] if left_out == "after_install" else plan)[left_out]
    with journal._database.writing() as db:
        db.execute("update operations set plan = ?", (json.dumps(plan),))
    assert [(row["id"], row["after_install"]) for row in journal.installs()] == [(install, "start")]
    assert (journal.install("uuid") or {})["override"] == 0


def test_an_install_before_the_end_of_another(journal: Journal) -> None:
    """The installer that runs is the new one's."""
    first = begin_install(journal, "one")
    second = begin_install(journal, "two", "off")
    assert [row["id"] for row in journal.installs()] == [second]
    found = journal.get(first)
    assert found is not None
    assert (found["status"], found["ended"], found["error"]) == (
        "failed",
        1000.0,
        {"detail": "the host was installed again before its installer had ended"},
    )


def test_what_a_command_printed_is_bounded(journal: Journal) -> None:
    journal.begin("id", asked(), PLAN)
    number = journal.begin_step("id", 0, PLAN.steps[0].command, undo=False)
    journal.end_step("id", number, Outcome(0, 0, True, "x" * (MOST_OUTPUT + 5), ""))
    found = journal.get("id")
    assert found is not None
    assert found["commands"][0]["stdout"] == "x" * MOST_OUTPUT + "\n[5 characters more]\n"


def test_finding(journal: Journal) -> None:
    """Newest first, filtered, and page by page."""
    for index in range(6):
        kind = "host" if index % 2 else "network"
        journal.begin(f"id{index}", asked(**{"host": None, kind: f"n{index % 3}"}), PLAN)
        journal.end(f"id{index}", DONE if index < 3 else UNDONE)

    def ids(**filters: Any) -> list[str]:
        return [row["id"] for row in journal.find(**filters)]

    assert ids() == ["id5", "id4", "id3", "id2", "id1", "id0"]
    assert ids(status=DONE) == ["id2", "id1", "id0"]
    assert ids(host="n0") == ["id3"]
    assert ids(network="n1") == ["id4"]
    assert ids(network="n1", status=DONE) == []
    assert ids(limit=2) == ["id5", "id4"]
    assert ids(before=5, limit=2) == ["id3", "id2"]


def test_pruning_by_count_and_age(tmp_path: Path) -> None:
    """Ended operations go; one that was cut off stays whatever its age."""
    clock = Clock()
    journal = Journal(tmp_path / "journal.sqlite", days=1, count=3, clock=clock, uptime=clock)
    journal.begin("cut off", asked(), PLAN)
    for index, status in enumerate((DONE, UNDONE, FAILED, DONE)):
        journal.begin(f"id{index}", asked(), PLAN)
        journal.begin_step(f"id{index}", 0, PLAN.steps[0].command, undo=False)
        journal.end(f"id{index}", status)
    journal.begin("id4", asked(), PLAN)
    assert [row["id"] for row in journal.find()] == ["id4", "id3", "id2", "cut off"]
    journal.end("id4", DONE)
    clock.now += 86401
    journal.begin("id5", asked(), PLAN)
    assert [row["id"] for row in journal.find()] == ["id5", "cut off"]
    steps = sqlite3.connect(tmp_path / "journal.sqlite").execute("select count(*) from steps")
    assert steps.fetchone() == (0,)


def test_a_clock_that_jumps_makes_nothing_forgotten(tmp_path: Path) -> None:
    """Neither ahead nor back; operations age by the uptime meanwhile."""
    clock, uptime = Clock(), Clock()
    journal = Journal(tmp_path / "journal.sqlite", days=10, clock=clock, uptime=uptime)

    def operations(*names: str) -> list[str]:
        for name in names:
            journal.begin(name, asked(), PLAN)
            journal.end(name, DONE)
        return [row["id"] for row in journal.find()]

    assert operations("a", "b") == ["b", "a"]
    clock.now += 365 * 86400
    assert operations("ahead") == ["ahead", "b", "a"]
    clock.now -= 2 * 365 * 86400
    assert operations("behind") == ["behind", "ahead", "b", "a"]
    clock.now += 365 * 86400
    # What was written down under a clock that was behind is as old as it says.
    assert operations("right") == ["right", "ahead", "b", "a"]
    for each in (clock, uptime):
        each.now += 10 * 86400 + 1
    # That of the future goes when that has come.
    assert operations("later") == ["later", "ahead"]


def test_a_clock_that_is_ahead_at_the_start_makes_nothing_forgotten(tmp_path: Path) -> None:
    """Only what is half as old as may be goes, counted from the last operation."""
    clock, uptime = Clock(), Clock()

    def journal() -> Journal:
        return Journal(tmp_path / "journal.sqlite", days=10, clock=clock, uptime=uptime)

    first = journal()
    for name in ("old", "last"):
        first.begin(name, asked(), PLAN)
        first.end(name, DONE)
        clock.now += 6 * 86400
    first.close()
    clock.now += 365 * 86400
    second = journal()
    second.begin("ahead", asked(), PLAN)
    assert [row["id"] for row in second.find()] == ["ahead", "last"]
    clock.now -= 365 * 86400
    second.begin("right", asked(), PLAN)
    assert [row["id"] for row in second.find()] == ["right", "ahead", "last"]


def test_eight_writers_and_a_reader(tmp_path: Path) -> None:
    """Each sees its own operations whole, while old ones are pruned under them."""
    journal = Journal(tmp_path / "journal.sqlite", count=40)
    # One agent makes it, and holds its folder; only what is there is read by others.
    journal.check()
    ended = threading.Event()

    def write(writer: int) -> None:
        for index in range(25):
            name = f"{writer}-{index}"
            journal.begin(name, asked(host=name), PLAN)
            for step in range(2):
                number = journal.begin_step(name, step, PLAN.steps[step].command, undo=False)
                journal.end_step(name, number, Outcome(0, 0, True, name, ""))
            found = journal.get(name)
            assert found is not None
            assert [command["stdout"] for command in found["commands"]] == [name, name]
            journal.end(name, DONE)

    def read() -> None:
        # Another process's view: a connection of its own.
        with closing(Journal(tmp_path / "journal.sqlite")) as other:
            while not ended.is_set():
                for row in other.find(limit=20):
                    assert row["steps_done"] <= row["steps"]

    with ThreadPoolExecutor(9) as pool:
        reader = pool.submit(read)
        try:
            assert list(pool.map(write, range(8))) == [None] * 8
        finally:
            ended.set()
        reader.result(60)
    assert journal.unfinished() == []
    journal.begin("last", asked(), PLAN)
    numbers = [row["number"] for row in journal.find(limit=500)]
    assert numbers[0] == 201
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) < 120


_WRITER = """
import sys
from agent.operations.journal import Journal
from agent.operations.operation import Request, Outcome
from agent.tools.command import Command
from agent.plans.plan import Plan, Step
journal = Journal(sys.argv[1])
plan = Plan("make", (Step("one", Command(("one",))),))
for index in range(10**9):
    journal.begin(f"id{index}", Request("POST", "/", None, "r", None, host="a"), plan)
    journal.begin_step(f"id{index}", 0, plan.steps[0].command, undo=False)
    print(index, flush=True)
"""


def test_what_was_written_survives_sigkill(tmp_path: Path) -> None:
    """All that was answered for is there, and the file is sound."""
    path = tmp_path / "journal.sqlite"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(50):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        last = int((process.stdout.read().split() or [str(last)])[-1])
    journal = Journal(path)
    found = journal.find(limit=500)
    assert {f"id{index}" for index in range(last + 1)} <= {row["id"] for row in found}
    whole = journal.get(f"id{last}")
    assert whole is not None
    assert [command["argv"] for command in whole["commands"]] == [["one"]]
    assert sqlite3.connect(path).execute("pragma integrity_check").fetchone() == ("ok",)


def see_that_it_is_unusable(use: Callable[[], object], path: Path, why: str) -> None:
    with pytest.raises(JournalFailed) as caught:
        use()
    assert caught.value.detail == (
        f"the journal {path} cannot be used: {why}; no change is made without it"
    )


def test_a_damaged_file_is_named_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    journal = Journal(path)
    for use in (journal.check, journal.find, lambda: journal.begin("id", asked(), PLAN)):
        see_that_it_is_unusable(use, path, "file is not a database")
    path.unlink()
    journal.check()
    assert journal.find() == []


def test_a_full_disk_leaves_no_half_operation(journal: Journal) -> None:
    """SQLite's own limit stands for the disk's."""
    journal.begin("before", asked(), PLAN)
    with journal._database.reading() as db:
        db.execute("pragma max_page_count = 10")
    big = Plan("make a", (Step("x" * 100_000, Command(("one",))),))
    with pytest.raises(JournalFailed) as caught:
        journal.begin("after", asked(), big)
    assert "database or disk is full" in caught.value.detail
    assert [row["id"] for row in journal.find()] == ["before"]
    with journal._database.reading() as db:
        db.execute("pragma max_page_count = 100000")
    journal.begin("after", asked(), big)
    assert [row["id"] for row in journal.find()] == ["after", "before"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "journal.sqlite"
    see_that_it_is_unusable(Journal(path).check, path, "unable to open database file")


@settings(max_examples=100)
@given(argv=st.lists(TEXT, min_size=1), stdin=st.none() | TEXT, said=TEXT)
def test_any_argv_stdin_and_output(argv: list[str], stdin: str | None, said: str) -> None:
    journal = Journal(":memory:")
    command = Command(tuple(argv), stdin)
    plan = Plan(said, (Step(said, command),))
    journal.begin("id", asked(), plan)
    number = journal.begin_step("id", 0, command, undo=False)
    journal.end_step("id", number, Outcome(0, 0, True, said, said))
    found = journal.get("id")
    assert found is not None
    assert Plan.from_json(json.loads(json.dumps(found["plan"]))) == plan
    (ran,) = found["commands"]
    assert (ran["argv"], ran["stdin"], ran["stdout"]) == (argv, stdin, said)
    journal.close()


def test_the_file_is_the_agents_alone(tmp_path: Path) -> None:
    """It holds what clients sent, which is nobody else's to read."""
    path = tmp_path / "journal.sqlite"
    Journal(path).check()
    assert oct(os.stat(path).st_mode & 0o777) == "0o600"
