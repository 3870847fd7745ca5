"""Commands as real processes: bounded, in a group of their own, in a clean environment."""

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pytest_subprocess import FakeProcess

from agent.errors import CommandFailed, CommandTimeout, Interrupted, ToolMissing
from agent.tools import run as processes
from agent.tools.run import Runner

from .processes import lives, wait_until


@pytest.fixture
def runner() -> Runner:
    return Runner({"": 20.0})


MANY = "żółw\n" * 100_000


@pytest.mark.parametrize(
    ("argv", "stdin", "outcome"),
    [
        (("sh", "-c", "echo out; echo err >&2; exit 3"), None, (3, "out\n", "err\n")),
        (("sh", "-c", "kill -KILL $$"), None, (-signal.SIGKILL, "", "")),
        (("cat",), MANY, (0, MANY, "")),
        (("cat",), None, (0, "", "")),
        (("cat",), "", (0, "", "")),
        # Nobody reads it, which is no failure.
        (("true",), "x" * 1_000_000, (0, "", "")),
        # It is not UTF-8.
        (("printf", r"a\377b\n"), None, (0, "a\ufffdb\n", "")),
        # Arguments pass through no shell.
        (("printf", "%s", "$HOME; `id` 'a'"), None, (0, "$HOME; `id` 'a'", "")),
        (("pwd",), None, (0, "/\n", "")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_command_gets_and_what_comes_of_it(
    runner: Runner, argv: tuple[str, ...], stdin: str | None, outcome: tuple[int, str, str]
) -> None:
    result = runner.run(argv, stdin)
    assert (result.exit_code, result.stdout, result.stderr) == outcome
    assert result.argv == argv


def test_output_to_a_file_is_there_before_the_end(runner: Runner, tmp_path: Path) -> None:
    """The command goes on only once its first line was seen."""
    seen = tmp_path / "seen"
    wait = f"while ! [ -e {seen} ]; do sleep 0.01; done"
    script = f"printf 'one\\n'; {wait}; printf 'a\\377b'; echo e >&2"
    with (tmp_path / "output").open("w+b") as output, ThreadPoolExecutor(1) as pool:
        ran = pool.submit(runner.run, ("sh", "-c", script), output=output)
        wait_until(lambda: (tmp_path / "output").read_bytes() == b"one\n")
        seen.touch()
        result = ran.result(60)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "one\na\ufffdb", "e\n")


def test_the_environment(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nowhere",
        "LANG": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "LC_ALL": "de_DE.UTF-8",
        "LC_MESSAGES": "de_DE.UTF-8",
        "LIBVIRT_DEFAULT_URI": "test:///default",
        "PYTHONPATH": "/nowhere",
        "http_proxy": "http://proxy:1",
        "HTTPS_PROXY": "http://proxy:2",
        "no_proxy": "localhost",
    }.items():
        monkeypatch.setenv(name, value)
    expected = [
        "HOME=/nowhere",
        "HTTPS_PROXY=http://proxy:2",
        "LC_ALL=C.UTF-8",
        "PATH=/usr/bin:/bin",
        "PYTHONUNBUFFERED=1",
        "http_proxy=http://proxy:1",
        "no_proxy=localhost",
    ]
    assert sorted(runner.run(("env",)).stdout.splitlines()) == expected
    of_a_plan = runner.run(("env",), operation="one").stdout.splitlines()
    assert sorted(of_a_plan) == sorted([*expected, "STAGING_AGENT_OPERATION=one"])


def test_a_search_path_where_there_is_none(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert path in runner.run(("/usr/bin/env",)).stdout.splitlines()


def test_a_tool_that_is_missing(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(ToolMissing) as caught:
        runner.run(("no-such-tool", "x"))
    assert caught.value.detail == (
        "no-such-tool cannot be run: no-such-tool: No such file or directory"
    )
    assert caught.value.facts() == {
        "command": "no-such-tool x",
        "exit_code": None,
        "stderr": "no-such-tool: No such file or directory",
    }


def test_a_tool_that_may_not_be_run(runner: Runner, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.touch(mode=0o644)
    with pytest.raises(ToolMissing) as caught:
        runner.run((str(tool),))
    assert caught.value.detail == f"{tool} cannot be run: {tool}: Permission denied"


def test_the_limit_of_a_tool_is_its_own(fp: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    communicate = processes.communicate

    def timed(process, stdin, limit):  # type: ignore[no-untyped-def]
        limits.append(limit)
        return communicate(process, stdin, limit)

    monkeypatch.setattr(processes, "communicate", timed)
    runner = Runner({"virsh": 1.0, "virsh vol-upload": 3.0, "prlimit curl": 4.0, "": 2.0})
    for line in (
        "virsh",
        "ovs-vsctl",
        "virsh --connect=qemu:///system vol-upload --vol=a",
        "virsh vol-upload",
        "virsh --connect=qemu:///system vol-delete --vol=vol-upload",
        # What it does is told by its first words alone.
        "virsh --connect=qemu:///system metadata vol-upload",
        "prlimit --fsize=1 curl -q",
        "curl -q",
    ):
        fp.register(line.split())
        runner.run(line.split())
    assert limits == [1.0, 2.0, 3.0, 3.0, 1.0, 1.0, 4.0, 2.0]


def test_how_a_process_is_started(fp: FakeProcess) -> None:
    recorder = fp.register(["virsh", "list"])
    Runner({"": 1.0}).run(("virsh", "list"))
    kwargs = recorder.calls[0].kwargs
    assert kwargs is not None
    assert {name: kwargs[name] for name in ("cwd", "process_group", "stdin")} == {
        "cwd": "/",
        "process_group": 0,
        "stdin": subprocess.DEVNULL,
    }


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give commands next to no time to clean up: these use none."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.1)


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that every command makes once it is at work: its limit counts from there."""
    file = tmp_path / "at work"

    class AtWork(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            wait_until(file.exists)

    monkeypatch.setattr(subprocess, "Popen", AtWork)
    return file


@pytest.mark.usefixtures("no_grace")
def test_past_its_limit_the_whole_group_is_killed(at_work: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    begins = f"sleep 600 & echo $! > {pid}; echo begun >&2; touch '{at_work}'; wait"
    with pytest.raises(CommandTimeout) as caught:
        Runner({"": 1.0}).run(("sh", "-c", begins))
    assert caught.value.detail == "sh was killed: it ran past its limit of 1 s: begun"
    assert caught.value.exit_code is None
    grandchild = int(pid.read_text())
    wait_until(lambda: not lives(grandchild))


@pytest.fixture
def long_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give commands all the time that they may need to clean up on a busy machine."""
    monkeypatch.setattr(processes, "GRACE_SECONDS", 60.0)


@pytest.mark.usefixtures("long_grace")
def test_a_process_may_clean_up_past_its_limit(at_work: Path, tmp_path: Path) -> None:
    cleaned = tmp_path / "cleaned"
    trap = f"trap 'touch {cleaned}; exit 1' INT; touch '{at_work}'"
    with pytest.raises(CommandTimeout):
        Runner({"": 0.2}).run(("sh", "-c", f"{trap}; while :; do sleep 0.05; done"))
    assert cleaned.exists()


@pytest.mark.usefixtures("long_grace")
def test_what_a_process_leaves_in_its_group_is_killed(at_work: Path, tmp_path: Path) -> None:
    """It ends on SIGINT, which a shell's background job ignores, and keeps no output open."""
    pid = tmp_path / "pid"
    leave = f"sleep 600 >/dev/null 2>&1 & echo $! > {pid}; touch '{at_work}'; wait"
    with pytest.raises(CommandTimeout):
        Runner({"": 0.2}).run(("sh", "-c", leave))
    left = int(pid.read_text())
    wait_until(lambda: not lives(left))


def ignores_sigint(pid: Path, begun: Path) -> tuple[str, ...]:
    return ("sh", "-c", f"trap '' INT; echo $$ > {pid}; touch '{begun}'; exec sleep 600")


@pytest.mark.usefixtures("no_grace")
def test_a_process_that_ignores_sigint_is_killed(at_work: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(CommandTimeout):
        Runner({"": 0.2}).run(ignores_sigint(pid, at_work))
    assert not lives(int(pid.read_text()))


@pytest.mark.usefixtures("no_grace")
def test_one_that_left_the_group_does_not_hold_the_runner(at_work: Path, tmp_path: Path) -> None:
    """It keeps the outputs open: the runner lets it have them."""
    pid = tmp_path / "pid"
    leave = f"setsid sh -c 'echo $$ > {pid}; touch \"{at_work}\"; exec sleep 600' & wait"
    with pytest.raises(CommandTimeout):
        Runner({"": 0.2}).run(("sh", "-c", leave))
    left = int(pid.read_text())
    assert lives(left)
    os.kill(left, signal.SIGKILL)


class Running:
    """A command that runs in a thread of its own, once it has made the file it is given."""

    def __init__(self, runner: Runner, argv: tuple[str, ...], begun: Path) -> None:
        self.error: CommandFailed | None = None
        self._thread = threading.Thread(target=self._run, args=(runner, argv))
        self._thread.start()
        wait_until(begun.exists)

    def _run(self, runner: Runner, argv: tuple[str, ...]) -> None:
        try:
            runner.run(argv)
        except CommandFailed as error:
            self.error = error

    def ended(self) -> CommandFailed | None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.error


def test_interrupt_ends_every_command(runner: Runner, tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    running = [
        Running(runner, ("sh", "-c", f"touch {file}; exec sleep 600"), file) for file in files
    ]
    runner.interrupt()
    for command in running:
        error = command.ended()
        assert isinstance(error, Interrupted)
        assert error.detail == "sh was killed because the agent is stopping"


@pytest.mark.usefixtures("no_grace")
def test_interrupt_kills_one_that_ignores_sigint(runner: Runner, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    running = Running(runner, ignores_sigint(tmp_path / "pid", begun), begun)
    runner.interrupt()
    assert isinstance(running.ended(), Interrupted)


def test_interrupt_ends_a_command_that_is_being_started(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hit(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            runner.interrupt()

    monkeypatch.setattr(subprocess, "Popen", Hit)
    with pytest.raises(Interrupted) as caught:
        runner.run(("sleep", "600"))
    assert caught.value.detail == "sleep was killed because the agent is stopping"


def test_interrupt_with_nothing_to_end(runner: Runner) -> None:
    runner.interrupt()
    assert runner.run(("true",)).exit_code == 0
