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
from agent.hypervisor.kept_virsh import KeptVirsh, Unusable
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
        self.kept: KeptVirsh | None = None

    def start(self, config: Config = CONFIG, **settings: Any) -> KeptVirsh:
        """Kept processes, for the rest of the test."""
        self.kept = KeptVirsh(self.runner, config, **settings)
        return self.kept

    def ask(self, command: str) -> str:
        """Ask the kept processes for one command, and answer what it printed on stdout."""
        assert self.kept is not None
        return answer(self.kept.run(batch(command)))

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
    if made.kept is not None:
        made.kept.close()


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
    assert stage.told("starts") == ["kept"]


def test_the_answer_is_that_of_a_virsh_of_its_own(stage: Stage) -> None:
    kept = stage.start()
    reads = batch("say one two", "fail no such thing", "say three")
    told, own = kept.run(reads), stage.runner.run(reads)
    assert dataclasses.replace(told, seconds=own.seconds) == own


def test_the_environment_is_the_runner_s_and_keeps_virsh_to_itself(stage: Stage) -> None:
    kept = stage.start()
    stage.runner.run(batch("say x"))
    own = json.loads((stage.folder / "environment").read_text())
    stage.ask("say x")
    told = json.loads((stage.folder / "environment").read_text())
    assert told == {
        **own,
        "STAGING_AGENT_OPERATION": kept.token,
        # Its user's own files.
        "XDG_CACHE_HOME": "/dev/null",
        "VIRSH_HISTSIZE": "0",
        "INPUTRC": "/dev/null",
    }
    assert told["STAGING_AGENT_OPERATION"] == f"virsh of {CONFIG.state_dir}"


@pytest.mark.parametrize(
    "word",
    [
        *("die", "die-halfway", "rubbish", "again"),
        *("disconnected", "reconnected", "cut-off", "unparsable", "halved"),
    ],
)
def test_what_is_odd_is_thrown_away_and_asked_of_a_virsh_of_its_own(
    stage: Stage, word: str
) -> None:
    stage.start()
    assert stage.ask("say before") == "before\n"
    assert stage.ask(f"{word} right") == "right\n"
    assert stage.ask("say after") == "after\n"
    assert stage.told("starts") == ["kept", "once", "kept"]


def test_a_disconnection_while_nobody_asks_is_seen_before_the_next_answer(stage: Stage) -> None:
    stage.start()
    assert stage.ask("say then-disconnect") == "then-disconnect\n"
    wait_until(lambda: bool(stage.told("disconnected")))
    assert stage.ask("say next") == "next\n"
    assert stage.ask("say last") == "last\n"
    # Whether it was heard with the first answer or before the second.
    assert stage.told("starts") in (["kept", "once", "kept"], ["kept", "once", "once", "kept"])


def test_a_late_answer_is_the_failure_that_a_virsh_of_its_own_would_be(stage: Stage) -> None:
    stage.runner = Runner({"": LIMIT})
    kept = stage.start()
    with ThreadPoolExecutor(2) as pool:
        late, own = pool.map(lambda run: failure(run, "stuck x"), (kept.run, stage.runner.run))
    assert late == own
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
    kept = stage.start()
    result = kept.run(batch("say x"))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", DOWN)
    # Nobody had reached it yet, so there was no use in asking again.
    assert stage.told("starts") == ["kept", "once"]


def test_a_libvirt_that_is_restarted_costs_a_slow_answer(stage: Stage) -> None:
    stage.start(patience_seconds=60.0)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    stage.down(5)
    assert stage.ask("say right") == "right\n"
    assert stage.told("starts") == ["kept", "once", "kept", "once", "kept", "once", "kept"]
    assert stage.told("down") == ["0"]


def test_a_read_that_somebody_killed_is_asked_again(stage: Stage) -> None:
    stage.start(patience_seconds=60.0)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    (stage.folder / "killed").touch()
    assert stage.ask("say right") == "right\n"
    assert stage.told("starts") == ["kept", "once", "kept"]


def test_a_libvirt_that_stays_away_is_waited_for_once(stage: Stage) -> None:
    kept = stage.start(patience_seconds=0.3)
    os.kill(int(stage.ask("pid x")), signal.SIGKILL)
    stage.down(1000)
    hypervisor = Hypervisor(stage.runner, CONFIG, kept=kept)
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
    assert stage.told("starts")[before:] == ["kept", "once"]
    stage.down(0)
    assert stage.ask("say after") == "after\n"


@pytest.mark.parametrize("value", ["it's", '"', "a\tb", "żółw", "$HOME", "a\\b", "a\nsay b", "*"])
def test_a_text_that_needs_quoting_is_not_for_a_kept_process(stage: Stage, value: str) -> None:
    stage.start()
    assert stage.ask(f"say {value}") == f"{value}\n"
    assert stage.told("starts") == ["once"]


def test_more_than_a_pipe_holds_is_asked_and_told(stage: Stage) -> None:
    kept = stage.start()
    value = "v" * 280
    reads = batch(*(f"fail {value}" for _ in range(380)))
    # As long as an argument may be, and more than a pipe of the usual size.
    assert 1 << 16 < len(reads[-1]) < 1 << 17
    assert kept.run(reads).stderr == f"error: {value}\nerror: MARK\n" * 380
    assert stage.told("starts") == ["kept"]


def test_more_than_can_be_asked_at_once_is_for_a_virsh_of_its_own(stage: Stage) -> None:
    kept = stage.start()
    own = Result(("virsh",), 0, "", "", 0.0)
    stage.runner.run = lambda argv, *_: own  # type: ignore[method-assign, assignment, misc]
    assert kept.run(batch(f"say {'v' * (1 << 18)}")) is own
    assert stage.told("starts") in ([], ["kept"])


def test_every_thread_gets_its_own_answer(stage: Stage) -> None:
    stage.start()
    odd = {25: "die", 50: "disconnected", 75: "rubbish", 0: "again"}
    asked = [f"{odd.get(number % 100, 'say')} answer-{number}" for number in range(400)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(stage.ask, asked))
    assert answers == [f"answer-{number}\n" for number in range(400)]


def test_while_all_are_busy_a_virsh_of_its_own_answers_until_an_interrupt(stage: Stage) -> None:
    kept = stage.start(dataclasses.replace(CONFIG, warm_virsh=1))
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(kept.run, batch("hang x"))
        wait_until(lambda: bool(stage.told("hanging")))
        assert stage.ask("say x") == "x\n"
        assert stage.told("starts") == ["kept", "once"]
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
    kept = stage.start()
    pid = int(stage.ask("pid x"))
    kept.close()
    assert not lives(pid)
    assert int(stage.ask("pid x")) != pid
    assert stage.told("starts") == ["kept", "once"]


def test_the_next_agent_finds_those_of_one_that_was_killed(stage: Stage) -> None:
    kept = stage.start()
    pid = int(stage.ask("pid x"))
    assert leftovers.end(kept.token) == [pid]
    assert stage.ask("say next") == "next\n"
    assert stage.told("starts") == ["kept", "once"]


def test_nothing_is_left_open(stage: Stage) -> None:
    stage.start()
    stage.ask("say x")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        stage.ask("die x")
        stage.ask("say x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_virsh_is_the_same_failure(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = stage.start()
    monkeypatch.setenv("PATH", str(stage.folder))
    missing = failure(kept.run, "say x")
    assert missing[:2] == (ToolMissing, "virsh cannot be run: virsh: No such file or directory")
    assert missing[2]["exit_code"] is None


def test_what_cannot_be_read_is_an_error_as_ever(stage: Stage) -> None:
    kept = stage.start()
    hypervisor = Hypervisor(stage.runner, CONFIG, mark=lambda: "MARK", kept=kept)
    with pytest.raises(AgentError) as caught:
        hypervisor.domains()
    assert type(caught.value) is InvalidOutput
    assert caught.value.detail == (
        "virsh domstats printed what the agent cannot read"
        " (not a domain and not a figure): '--state'"
    )


def together(kept: KeptVirsh, *commands: str) -> list[str]:
    """What commands print that are run at the same time."""
    argvs = [("virsh", "--connect=test:///default", command) for command in commands]
    return [result.stdout for result in kept.run_at_once(argvs)]


def test_two_are_answered_at_the_same_time(stage: Stage) -> None:
    kept = stage.start()
    with pytest.raises(Unusable, match="libvirt is out of reach"):
        together(kept, "say x", "say y")
    stage.ask("say x")
    for number in range(20):
        assert together(kept, f"say {number}", f"say {-number}") == [f"{number}\n", f"{-number}\n"]
    pids = together(kept, "pid x", "pid x")
    assert len(set(pids)) == 2
    assert stage.told("starts") == ["kept", "kept"]


def test_each_is_told_before_the_next_has_answered(stage: Stage) -> None:
    kept = stage.start()
    stage.ask("say x")
    argv = ("virsh", "--connect=test:///default")
    results = kept.run_at_once([(*argv, "say x"), (*argv, "wait go")])
    assert next(results).stdout == "x\n"
    # The other cannot end before this.
    (stage.folder / "go").touch()
    assert [result.stdout for result in results] == ["go\n"]


def test_what_nobody_waits_for_any_more_is_no_answer_to_others(stage: Stage) -> None:
    kept = stage.start()
    stage.ask("say x")
    assert together(kept, "say x", "say y") == ["x\n", "y\n"]
    argv = ("virsh", "--connect=test:///default")
    results = kept.run_at_once([(*argv, "say x"), (*argv, "say y")])
    next(results)
    results.close()
    assert together(kept, "say a", "say b") == ["a\n", "b\n"]
    assert stage.told("starts") == ["kept"] * 3


def test_fewer_processes_than_are_asked_for_answer_nothing(stage: Stage) -> None:
    kept = stage.start(dataclasses.replace(CONFIG, warm_virsh=1))
    stage.ask("say x")
    with pytest.raises(Unusable, match="too few processes are free"):
        together(kept, "say x", "say y")
    assert together(kept, "say x") == ["x\n"]
    assert stage.told("starts") == ["kept"]


@pytest.mark.parametrize("odd", [("die x", "say y"), ("say x", "rubbish y"), ("say it's", "say y")])
def test_when_one_is_odd_all_are_asked_again(stage: Stage, odd: tuple[str, str]) -> None:
    kept = stage.start()
    stage.ask("say x")
    with pytest.raises(Unusable):
        together(kept, *odd)
    assert together(kept, "say x", "say y") == ["x\n", "y\n"]


def test_what_is_odd_is_asked_again_by_itself(stage: Stage) -> None:
    kept = stage.start()
    stage.ask("say x")
    argv = ("virsh", "--connect=test:///default")
    results = kept.run_each([(*argv, "say x"), (*argv, "rubbish y")])
    assert [result.stdout for result in results] == ["x\n", "y\n"]
    # Of the other process first, which is odd as well, and then of a virsh of its own.
    assert stage.told("starts") == ["kept", "kept", "once"]


def test_a_late_one_is_the_failure_of_all(stage: Stage) -> None:
    kept = stage.start()
    stage.ask("say x")
    assert together(kept, "say x", "say y") == ["x\n", "y\n"]
    stage.runner.set_limits({"": 0.1})
    with pytest.raises(CommandTimeout):
        together(kept, "stuck x", "say y")
    stage.runner.set_limits({"": 120.0})
    # Nothing is known of what the other process has said by then.
    assert together(kept, "say a", "say b") == ["a\n", "b\n"]
    assert stage.told("starts") == ["kept"] * 4
