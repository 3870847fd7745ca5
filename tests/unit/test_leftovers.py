"""Real processes that outlived the agent, known by the operation in their environment."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.operations import leftovers
from agent.tools.run import OPERATION_VARIABLE

from .processes import lives, wait_until

ENDS_ON_SIGINT = "trap 'exit 1' INT; touch {file}; while :; do sleep 0.05; done"
IGNORES_SIGINT = "trap '' INT; touch {file}; while :; do sleep 0.05; done"
CLEANS_UP = "trap 'touch {file}.cleaned; exit 1' INT; touch {file}; while :; do sleep 0.05; done"
WITH_A_CHILD = "sleep 600 & echo $! >{file}.child; touch {file}; wait"


@pytest.fixture
def operation(tmp_path: Path) -> str:
    """An id that no other process of this machine has in its environment."""
    return f"test-{os.getpid()}-{tmp_path.name}"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str | None], "subprocess.Popen[bytes]"]]:
    """Starts shells in sessions of their own; answers each once it is at work."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(script: str, operation: str | None) -> "subprocess.Popen[bytes]":
        file = tmp_path / str(len(processes))
        environment = {"PATH": "/usr/bin:/bin"}
        if operation is not None:
            environment[OPERATION_VARIABLE] = operation
        process = subprocess.Popen(
            ["sh", "-c", script.format(file=file)], env=environment, start_new_session=True
        )
        processes.append(process)
        wait_until(file.exists)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


Start = Callable[[str, str | None], "subprocess.Popen[bytes]"]


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes next to no time to clean up: these use none."""
    monkeypatch.setattr(leftovers, "_GRACE_SECONDS", 0.1)


@pytest.mark.usefixtures("no_grace")
def test_all_processes_of_an_operation_are_ended(
    start: Start, operation: str, tmp_path: Path
) -> None:
    """Children too; a shell's background job ignores SIGINT."""
    processes = [start(ENDS_ON_SIGINT, operation), start(WITH_A_CHILD, operation)]
    child = int((tmp_path / "1.child").read_text())
    assert {process.pid for process in processes} | {child} <= set(leftovers.end(operation))
    for process in processes:
        process.wait(60)
    assert not lives(child)


def test_one_may_clean_up(start: Start, operation: str, tmp_path: Path) -> None:
    process = start(CLEANS_UP, operation)
    leftovers.end(operation)
    assert process.wait(60) == 1
    assert (tmp_path / "0.cleaned").exists()


@pytest.mark.usefixtures("no_grace")
def test_one_that_ignores_sigint_is_killed(start: Start, operation: str) -> None:
    process = start(IGNORES_SIGINT, operation)
    assert process.pid in leftovers.end(operation)
    assert process.wait(60) == -9


@pytest.mark.parametrize("other", [None, "", "{}-2", "x{}"])
def test_others_are_left_alone(start: Start, operation: str, other: str | None) -> None:
    """Those of no operation, and of one whose id has this one's in it."""
    process = start(ENDS_ON_SIGINT, None if other is None else other.format(operation))
    assert leftovers.end(operation) == []
    assert process.poll() is None


def test_one_that_says_so_elsewhere_is_left_alone(operation: str, tmp_path: Path) -> None:
    """In its arguments, or in the value of another variable."""
    file = tmp_path / "begun"
    text = f"{OPERATION_VARIABLE}={operation}"
    with subprocess.Popen(
        ["sh", "-c", f"touch {file}; read line", text],
        env={"PATH": "/usr/bin:/bin", "OTHER": text},
        stdin=subprocess.PIPE,
    ) as process:
        wait_until(file.exists)
        assert leftovers.end(operation) == []
        assert process.poll() is None


def test_the_agent_itself_is_no_leftover(operation: str) -> None:
    """A process that has the id and looks for it does not end itself."""
    look = f"from agent.operations import leftovers; print(leftovers.end({operation!r}))"
    done = subprocess.run(
        [sys.executable, "-c", look],
        env={**os.environ, OPERATION_VARIABLE: operation},
        cwd=Path(leftovers.__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_what_a_dead_virt_install_fetched_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what is older, not what is no virt-install's, and nothing while one runs."""
    boot, proc = tmp_path / "boot", tmp_path / "proc"
    running = proc / "7"
    for folder in (boot, running):
        folder.mkdir(parents=True)
    (running / "cmdline").write_bytes(b"/usr/bin/python3\0/usr/bin/virt-install\0--name=a\0")
    for name, age in (("virtinst-old-linux", 100), ("virtinst-new-linux", 0), ("other", 0)):
        (boot / name).touch()
        os.utime(boot / name, (1000 - age, 1000 - age))
    monkeypatch.setattr(leftovers, "_FETCHED", boot)
    monkeypatch.setattr(leftovers, "_PROC", proc)
    assert leftovers.remove_fetched(990) == []
    (running / "cmdline").unlink()
    assert leftovers.remove_fetched(990) == [boot / "virtinst-new-linux"]
    assert sorted(os.listdir(boot)) == ["other", "virtinst-old-linux"]
