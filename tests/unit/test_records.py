"""What a command says is on disk, whoever lives to hear it."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import CommandTimeout
from agent.operations import leftovers
from agent.tools.records import Records
from agent.tools.run import OPERATION_VARIABLE, Runner

from .processes import wait_until

BOTH = ("sh", "-c", "echo out; echo err >&2; exit 3")


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "records")


def test_a_command_says_to_its_record_what_it_says(records: Records) -> None:
    with records.open("one", 0) as record:
        result = Runner({"": 20.0}).run(BOTH, record=record)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert records.said("one", 0) == ("out\n", "err\n")
    assert records.said("one", 1) == ("", "")


def test_one_that_is_killed_is_heard_as_well(records: Records) -> None:
    with records.open("one", 0) as record, pytest.raises(CommandTimeout) as caught:
        Runner({"": 1.0}).run(("sh", "-c", "echo e >&2; exec sleep 600"), record=record)
    assert caught.value.stderr == "e"
    assert records.said("one", 0) == ("", "e\n")


def test_it_outlives_who_ran_the_command(records: Records, tmp_path: Path) -> None:
    """A command whose agent is killed says how it ends all the same."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    script = f"touch {begun}; while ! [ -e {go} ]; do sleep 0.01; done; echo out; echo err >&2"
    agent = (
        "import sys; from pathlib import Path; from agent.tools.records import Records;"
        " from agent.tools.run import Runner\n"
        "with Records(Path(sys.argv[1])).open('one', 0) as record:\n"
        "    Runner({'': 20.0}).run(('sh', '-c', sys.argv[2]), record=record)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", agent, str(tmp_path / "records"), script],
        cwd=Path(leftovers.__file__).parent.parent.parent,
    ) as process:
        wait_until(begun.exists)
        assert records.awaited("one")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    go.touch()
    wait_until(lambda: records.said("one", 0) == ("out\n", "err\n"))
    assert not records.awaited("one")


def test_the_room_that_is_kept_for_it_says_nothing(records: Records, tmp_path: Path) -> None:
    with records.open("one", 0):
        pass
    assert (tmp_path / "records" / "one.0.err").read_bytes() == b"\0" * 4096
    assert records.said("one", 0) == ("", "")
    assert records.awaited("one")


def test_a_record_is_forgotten(records: Records, tmp_path: Path) -> None:
    """By itself, or with all those of operations that are settled."""
    for operation, number in (("one", 0), ("one", 10), ("two", 0)):
        with records.open(operation, number):
            pass
    records.forget("one", 0)
    records.forget("one", 0)
    assert sorted(os.listdir(tmp_path / "records")) == [
        *("one.10.err", "one.10.out", "two.0.err", "two.0.out"),
    ]
    records.keep_only(["two"])
    assert sorted(os.listdir(tmp_path / "records")) == ["two.0.err", "two.0.out"]
    assert (records.awaited("one"), records.awaited("two")) == (False, True)


def test_on_a_full_disk_a_command_says_it_to_the_agent_alone(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its failure would say nothing, and what it found taken would be undone."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with records.open("one", 0) as record:
        assert record is None
        assert Runner({"": 20.0}).run(BOTH, record=record).stderr == "err\n"


def test_without_a_folder_a_command_runs_all_the_same(tmp_path: Path) -> None:
    records = Records(tmp_path / "missing" / "records")
    records.keep_only([])
    with records.open("one", 0) as record:
        assert record is None
        assert Runner({"": 20.0}).run(BOTH, record=record).stdout == "out\n"
    assert not records.awaited("one")


def test_what_still_runs_gets_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it said what is awaited, or has ended, or has had its time."""
    operation = f"test-{os.getpid()}-{tmp_path.name}"
    leftovers.let_end(operation, lambda: True)  # none runs
    environment = {"PATH": "/usr/bin:/bin", OPERATION_VARIABLE: operation}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        asked = iter([True, True, False])
        leftovers.let_end(operation, lambda: next(asked))
        assert next(asked, None) is None
        monkeypatch.setattr(leftovers, "_LAST_WORDS_SECONDS", 0.1)
        leftovers.let_end(operation, lambda: True)
        assert process.poll() is None
        process.kill()
