"""virsh processes that are kept, over a virsh that goes wrong when it is told to."""

import dataclasses
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config
from agent.errors import (
    AgentError,
    CommandFailed,
    CommandTimeout,
    Interrupted,
    InvalidOutput,
    OutOfReach,
    ToolMissing,
)
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.kept_virsh import Warm
from agent.operations import leftovers
from agent.tools.command import Result
from agent.tools.run import Runner

from .test_run import lives, wait_until

FAKE = Path(__file__).with_name("fake_virsh.py")
# By its state folder the processes of an agent are found: other tests run at the same time.
CONFIG = Config(libvirt_uri="test:///default", state_dir=f"/state/of/{os.getpid()}")
# What a virsh may take that is to be late: a fake one has to start within it on a busy machine.
LIMIT = 4.0
DOWN = "error: failed to connect to the hypervisor\nerror: Failed to connect socket: refused\n"


class Stage:
    """A fake virsh, those who run it, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runner = Runner({"": 120.0})
        self.warm: Warm | None = None

    def start(self, config: Config = CONFIG, **settings: Any) -> Warm:
        """The warm processes, for the rest of the test."""
        self.warm = Warm(self.runner, config, **settings)
        return self.warm

    def ask(self, command: str) -> str:
        """Ask the warm processes for one command, and answer what it printed on stdout."""
        assert self.warm is not None
        return answer(self.warm.run(batch(command)))

    def told(self, name: str) -> list[str]:
        """The lines of a file that the fake virsh has written."""
        try:
            return (self.folder / name).read_text().splitlines()
        except FileNotFoundError:
            return []

    def down(self, starts: int) -> None:
        """Let so many of the next virsh find no libvirt."""
        (self.folder / "down").write_text(str(starts))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    tools = tmp_path / "tools"
    tools.mkdir()
    virsh = tools / "virsh"
    virsh.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {FAKE} {tmp_path} "$@"\n')
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    made = Stage(tmp_path)
    yield made
    if made.warm is not None:
        made.warm.close()


def batch(*commands: str, mark: str = "MARK") -> tuple[str, ...]:
    """The argv of the virsh that carries commands out, as `Virsh.batch` makes it."""
    text = "; ".join(f"{command}; echo {mark}; echo --err {mark}" for command in commands)
    return ("virsh", "--connect=test:///default", text)


def answer(result: Result) -> str:
    """What one command printed on stdout, without what follows its mark."""
    return result.stdout.partition("MARK\n")[0]


def failure(run: Callable[[tuple[str, ...]], Result], command: str) -> tuple[Any, ...]:
    """All that is told of the failure of a command."""
    with pytest.raises(CommandFailed) as caught:
        run(batch(command))
    return type(caught.value), caught.value.detail, caught.value.facts()


def test_one_process_answers_all(stage: Stage) -> None:
    stage.start()
    pids = {stage.ask("pid x") for _ in range(20)}
    assert len(pids) == 1
    assert stage.told("starts") == ["warm"]


def test_the_answer_is_that_of_a_virsh_of_its_own(stage: Stage) -> None:
    warm = stage.start()
    reads = batch("say one two", "fail no such thing", "say three")
    kept, own = warm.run(reads), stage.runner.run(reads)
    assert dataclasses.replace(kept, seconds=own.seconds) == own


def test_the_environment_is_the_runner_s_and_keeps_virsh_to_itself(stage: Stage) -> None:
    warm = stage.start()
    stage.runner.run(batch("say x"))
    own = json.loads((stage.folder / "environment").read_text())
    stage.ask("say x")
    kept = json.loads((stage.folder / "environment").read_text())
    assert kept == {
        **own,
        "STAGING_AGENT_OPERATION": warm.token,
        # Its user's own files.
        "XDG_CACHE_HOME": "/dev/null",
        "VIRSH_HISTSIZE": "0",
        "INPUTRC": "/dev/null",
    }
    assert kept["STAGING_AGENT_OPERATION"] == f"virsh of {CONFIG.state_dir}"


@pytest.mark.parametrize(
    "word",
    ["die", "die-halfway", "rubbish", "again", "disconnected", "reconnected", "cut-off"],
)
def test_what_is_odd_is_thrown_away_and_asked_of_a_virsh_of_its_own(
    stage: Stage, word: str
) -> None:
    stage.start()
    assert stage.ask("say before") == "before\n"
    assert stage.ask(f"{word} right") == "right\n"
    assert stage.ask("say after") == "after\n"
    assert stage.told("starts") == ["warm", "once", "warm"]


def test_a_command_that_virsh_does_not_know_reads_as_from_a_virsh_of_its_own(stage: Stage) -> None:
    stage.start()
    assert stage.ask("unparsable right") == "right\n"
    assert stage.told("starts") == ["warm", "once"]


def test_a_disconnection_while_nobody_asks_is_seen_before_the_next_answer(stage: Stage) -> None:
    stage.start()
    assert stage.ask("say then-disconnect") == "then-disconnect\n"
    wait_until(lambda: bool(stage.told("disconnected")))
    assert stage.ask("say next") == "next\n"
    assert stage.ask("say last") == "last\n"
    # Whether it was heard with the first answer or before the second.
    assert stage.told("starts") in (["warm", "once", "warm"], ["warm", "once", "once", "warm"])


def test_a_late_answer_is_the_failure_that_a_virsh_of_its_own_would_be(stage: Stage) -> None:
    stage.runner = Runner({"": LIMIT})
    warm = stage.start()
    late = failure(warm.run, "stuck x")
    assert late == failure(stage.runner.run, "stuck x")
    assert late[:2] == (
        CommandTimeout,
        "virsh was killed: it ran past its limit of 4 s: half a word",
    )
    assert stage.ask("say next") == "next\n"
    pids = [int(pid) for line in stage.told("hanging") for pid in line.split()]
    wait_until(lambda: not any(map(lives, pids)))
    assert len(pids) == 4


def test_a_failure_to_connect_is_that_of_a_virsh_of_its_own(stage: Stage) -> None:
    stage.down(2)
    warm = stage.start()
    result = warm.run(batch("say x"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", DOWN)
    # Nobody had reached it yet, so there was no use in asking again.
    assert stage.told("starts") == ["warm", "once"]


def test_a_libvirt_that_is_restarted_costs_a_slow_answer(stage: Stage) -> None:
    stage.start(patience_seconds=60.0)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    stage.down(5)
    assert stage.ask("say right") == "right\n"
    assert stage.told("starts") == ["warm", "once", "warm", "once", "warm", "once", "warm"]
    assert stage.told("down") == ["0"]


def test_a_read_that_somebody_killed_is_asked_again(stage: Stage) -> None:
    stage.start(patience_seconds=60.0)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    (stage.folder / "killed").touch()
    assert stage.ask("say right") == "right\n"
    assert stage.told("starts") == ["warm", "once", "warm"]


def test_a_libvirt_that_stays_away_is_waited_for_once(stage: Stage) -> None:
    warm = stage.start(patience_seconds=0.3)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    stage.down(1000)
    hypervisor = Hypervisor(stage.runner, CONFIG, warm=warm)
    with pytest.raises(OutOfReach) as caught:
        hypervisor.domains()
    assert caught.value.facts() == {
        "command": "virsh --connect=test:///default domstats --state",
        "exit_code": 1,
        "stderr": DOWN.strip(),
    }
    before = len(stage.told("starts"))
    with pytest.raises(OutOfReach):
        hypervisor.domains()
    assert stage.told("starts")[before:] == ["warm", "once"]
    stage.down(0)
    assert stage.ask("say after") == "after\n"


@pytest.mark.parametrize("value", ["it's", '"', "a\tb", "żółw", "$HOME", "a\\b", "a\nsay b", "*"])
def test_a_text_that_needs_quoting_is_not_for_a_kept_process(stage: Stage, value: str) -> None:
    stage.start()
    assert stage.ask(f"say {value}") == f"{value}\n"
    assert stage.told("starts") == ["once"]


def test_another_command_is_not_for_a_kept_process(stage: Stage) -> None:
    warm = stage.start()
    assert warm.run(("virsh", "--connect=other", "say x")).stdout == "x\n"
    assert warm.run(("echo", "x")).stdout == "x\n"
    assert warm.run(("cat",), "x").stdout == "x"
    assert stage.told("starts") == ["once"]


def test_more_than_a_pipe_holds_goes_both_ways_at_once(stage: Stage) -> None:
    warm = stage.start()
    value = "v" * 1000
    commands = [f"{word} {value}" for word in ("say", "fail") for _ in range(400)]
    result = warm.run(batch(*commands))
    assert result.stdout.count(f"{value}\nMARK\n") == 400
    assert result.stderr == "error: MARK\n" * 400 + f"error: {value}\nerror: MARK\n" * 400
    assert stage.told("starts") == ["warm"]


def test_every_thread_gets_its_own_answer(stage: Stage) -> None:
    stage.start()
    odd = {25: "die", 50: "disconnected", 75: "rubbish", 0: "again"}
    asked = [f"{odd.get(number % 100, 'say')} answer-{number}" for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(stage.ask, asked))
    assert answers == [f"answer-{number}\n" for number in range(400)]


def test_while_all_are_busy_a_virsh_of_its_own_answers(stage: Stage) -> None:
    warm = stage.start(dataclasses.replace(CONFIG, warm_virsh=1))
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(warm.run, batch("hang x"))
        wait_until(lambda: bool(stage.told("hanging")))
        assert stage.ask("say x") == "x\n"
        assert stage.told("starts") == ["warm", "once"]
        stage.runner.interrupt()
        with pytest.raises(Interrupted):
            hanging.result()


def test_an_interrupt_ends_what_is_asked_now(stage: Stage) -> None:
    warm = stage.start()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(warm.run, batch("hang x"))
        wait_until(lambda: bool(stage.told("hanging")))
        stage.runner.interrupt()
        with pytest.raises(Interrupted) as caught:
            hanging.result()
    assert caught.value.detail == "virsh was killed because the agent is stopping"
    assert stage.ask("say next") == "next\n"


def test_a_process_that_nobody_needs_ends(stage: Stage) -> None:
    stage.start(idle_seconds=0.1)
    before = threading.active_count()
    pid = int(stage.ask("pid x"))
    wait_until(lambda: not lives(pid))
    wait_until(lambda: threading.active_count() <= before)
    assert int(stage.ask("pid x")) != pid


def test_a_kept_process_ends_with_the_agent(stage: Stage) -> None:
    warm = stage.start()
    pid = int(stage.ask("pid x"))
    warm.close()
    assert not lives(pid)
    assert int(stage.ask("pid x")) != pid
    assert stage.told("starts") == ["warm", "once"]


def test_the_next_agent_finds_those_of_one_that_was_killed(stage: Stage) -> None:
    warm = stage.start()
    pid = int(stage.ask("pid x"))
    assert leftovers.end(warm.token) == [pid]
    assert stage.ask("say next") == "next\n"
    assert stage.told("starts") == ["warm", "once"]


def test_nothing_is_left_open(stage: Stage) -> None:
    stage.start()
    stage.ask("say x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        stage.ask("die x")
        stage.ask("say x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_virsh_is_the_same_failure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    warm = stage.start()
    monkeypatch.setenv("PATH", str(stage.folder))
    missing = failure(warm.run, "say x")
    assert missing[:2] == (ToolMissing, "virsh cannot be run: virsh: No such file or directory")
    assert missing[2]["exit_code"] is None


def test_what_cannot_be_read_is_an_error_as_ever(stage: Stage) -> None:
    warm = stage.start()
    hypervisor = Hypervisor(stage.runner, CONFIG, mark=lambda: "MARK", warm=warm)
    with pytest.raises(AgentError) as caught:
        hypervisor.domains()
    assert type(caught.value) is InvalidOutput
    assert caught.value.detail == (
        "virsh domstats printed what the agent cannot read"
        " (not a domain and not a figure): '--state'"
    )


def together(warm: Warm, *commands: str) -> list[str] | None:
    """What commands print that are run at the same time."""
    return warm.together(
        [
            (("virsh", "--connect=test:///default", command), lambda result: result.stdout)
            for command in commands
        ]
    )


def test_two_are_answered_at_the_same_time(stage: Stage) -> None:
    warm = stage.start()
    assert together(warm, "say x", "say y") is None, "libvirt has not answered yet"
    stage.ask("say x")
    for number in range(20):
        assert together(warm, f"say {number}", f"say {-number}") == [f"{number}\n", f"{-number}\n"]
    pids = together(warm, "pid x", "pid x") or []
    assert len(set(pids)) == 2
    assert stage.told("starts") == ["warm", "warm"]


def test_each_is_read_before_the_next_has_answered(stage: Stage) -> None:
    warm = stage.start()
    stage.ask("say x")
    read: list[str] = []

    def first(result: Result) -> str:
        # The other cannot end before this.
        (stage.folder / "go").touch()
        read.append(result.stdout)
        return result.stdout

    argv = ("virsh", "--connect=test:///default")
    told = warm.together(
        [((*argv, "say x"), first), ((*argv, "wait go"), lambda result: result.stdout)]
    )
    assert (told, read) == (["x\n", "go\n"], ["x\n"])


def test_fewer_processes_than_are_asked_for_answer_nothing(stage: Stage) -> None:
    warm = stage.start(dataclasses.replace(CONFIG, warm_virsh=1))
    stage.ask("say x")
    assert together(warm, "say x", "say y") is None
    assert together(warm, "say x") == ["x\n"]
    assert stage.told("starts") == ["warm"]


@pytest.mark.parametrize("odd", [("die x", "say y"), ("say x", "rubbish y"), ("say it's", "say y")])
def test_when_one_is_odd_all_are_asked_again(stage: Stage, odd: tuple[str, str]) -> None:
    warm = stage.start()
    stage.ask("say x")
    assert together(warm, *odd) is None
    assert together(warm, "say x", "say y") == ["x\n", "y\n"]


def test_a_late_one_is_the_failure_of_all(stage: Stage) -> None:
    stage.runner = Runner({"": LIMIT})
    warm = stage.start()
    stage.ask("say x")
    with pytest.raises(CommandTimeout):
        together(warm, "stuck x", "say y")
    # Nothing is known of what the other process has said by then.
    assert together(warm, "say a", "say b") == ["a\n", "b\n"]
    assert stage.told("starts") == ["warm"] * 4
