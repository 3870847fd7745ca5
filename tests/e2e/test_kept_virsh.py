"""Reads by virsh processes that stay connected, on real libvirt, while they are killed."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config

from . import libvirtd, stack
from .daemon import Agent, Answer, serving
from .libvirtd import Libvirt

StartAgent = Callable[..., Agent]
CLIENTS = 8
ANSWERS = 10_000
# Within which the agent surely waits for a libvirtd that is restarted.
PATIENCE_SECONDS = 5


def kept_by(agent: Agent) -> list[int]:
    """The virsh processes that an agent keeps, known by their environment."""
    token = f"STAGING_AGENT_OPERATION=virsh of {agent.state_dir}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if token in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def own_of(agent: Agent) -> list[int]:
    """The virsh processes that an agent has started for one read each."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == agent.process.pid and len(_words(folder)) > 2:
                    found.append(int(folder.name))
    return found


def _words(process: Path) -> list[bytes]:
    return (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")


class Killer:
    """Kills every virsh of an agent again and again, and libvirtd now and then.

    By the answers and not by the clock, so that a slow machine is not killed at every turn.
    killed: how often. away: the seconds of the longest time that libvirtd was away.
    """

    def __init__(self, agent: Agent, libvirt: Libvirt) -> None:
        self._agent = agent
        self._libvirt = libvirt
        self._restart = threading.Lock()
        self.killed = {"kept": 0, "own": 0, "libvirtd": 0}
        self.away = 0.0

    def answered(self, dice: random.Random) -> None:
        """There was an answer, in the thread of its client; the other clients go on."""
        if dice.random() < 1 / 20:
            for kind, pids in (("kept", kept_by(self._agent)), ("own", own_of(self._agent))):
                for pid in pids:
                    if dice.random() < (0.5 if kind == "kept" else 0.05):
                        with suppress(ProcessLookupError):
                            os.kill(pid, dice.choice((signal.SIGKILL, signal.SIGTERM)))
                            self.killed[kind] += 1
        if dice.random() < 1 / 900:
            with self._restart:
                began = time.monotonic()
                self._libvirt.end(dice.choice((signal.SIGKILL, signal.SIGTERM)))
                self._libvirt.start()
                self.away = max(self.away, time.monotonic() - began)
                self.killed["libvirtd"] += 1


def test_answers_are_the_same_with_and_without_kept_processes(start_agent: StartAgent) -> None:
    names = [stack.own(f"h{number}") for number in range(3)]
    odd = stack.own("with 'quotes', a \"b\" and żółw")
    for name in (*names, odd):
        stack.define_domain(
            name, f"<interface type='network'><source network='{stack.V10}'/></interface>"
        )
    keeping, plain = start_agent(warm_virsh=2), start_agent(warm_virsh=0)
    made = {"memory": 64, "disks": [1], "networks": [stack.V20]}
    host = stack.own("made")
    assert keeping.post("hosts", host, body=made).status == 200
    paths = [
        *(("hosts", name) for name in (*names, odd, host, stack.own("none"), "-h", "1; list")),
        *(("networks", name) for name in (*stack.VLANS, stack.own("none"))),
    ]
    for path in paths:
        # Twice: the second time the agent knows the UUID.
        answers = [agent.get(*path) for agent in (keeping, keeping, plain, plain)]
        assert len({(answer.status, answer.text) for answer in answers}) == 1, path
    for path, ours in (("hosts", {*names, odd, host}), ("networks", set(stack.VLANS))):
        # Others may make theirs at the same time.
        own = [
            [row for row in agent.get(path).body if row["name"].startswith(stack.PREFIX)]
            for agent in (keeping, plain)
        ]
        assert own[0] == own[1]
        assert {row["name"] for row in own[0]} == ours
    assert len(kept_by(keeping)) in (1, 2)
    assert kept_by(plain) == []


def test_what_changes_by_hand_is_seen_at_once(start_agent: StartAgent) -> None:
    """What was seen of a name is never an answer."""
    agent = start_agent()
    first, second = stack.own("first"), stack.own("second")
    stack.define_domain(first)
    uuid = agent.get("hosts", first).body["id"]
    for old, new in ((first, second), (second, first)):
        stack.virsh("domrename", old, new)
        assert agent.get("hosts", old).status == 404
        assert agent.get("hosts", new).body["id"] == uuid
    stack.virsh("undefine", first)
    assert agent.get("hosts", first).status == 404
    stack.define_domain(first)
    other = agent.get("hosts", first).body["id"]
    assert other != uuid
    assert other == stack.virsh("domuuid", first).strip()


@pytest.fixture
def agent_of_libvirt(libvirt: Libvirt, tmp_path: Path) -> Iterator[Agent]:
    """An agent of a libvirtd that may be killed."""
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as started:
        yield started


def test_no_answer_is_wrong_while_all_is_killed(libvirt: Libvirt, agent_of_libvirt: Agent) -> None:
    """Every virsh of the agent, kept or not, and libvirtd: ten thousand answers."""
    agent = agent_of_libvirt
    names = [stack.own(f"h{number}") for number in range(12)]
    for name in names:
        libvirt.virsh("define", "/dev/stdin", stdin=stack.domain_xml(name))
    nets = [stack.own(f"n{number}") for number in range(3)]
    for name in nets:
        xml = f"<network><name>{name}</name><forward mode='none'/></network>"
        libvirt.virsh("net-define", "/dev/stdin", stdin=xml)
    rows = [
        {"id": libvirt.virsh("domuuid", name).strip(), "name": name, "state": "shut off"}
        for name in names
    ]
    expected: dict[tuple[str, ...], Any] = {
        ("hosts", name): agent.get("hosts", name) for name in names
    }
    assert [answer.body["id"] for answer in expected.values()] == [row["id"] for row in rows]
    for path in (("hosts",), ("networks",), ("hosts", stack.own("none"))):
        expected[path] = agent.get(*path)
    assert sorted(expected["hosts",].body, key=lambda row: names.index(row["name"])) == rows
    told = {path: (answer.status, answer.text) for path, answer in expected.items()}

    killer = Killer(agent, libvirt)

    def ask(path: tuple[str, ...], dice: random.Random) -> Answer:
        answer = agent.get(*path)
        killer.answered(dice)
        return answer

    def client(number: int) -> list[str]:
        """Ask, and answer what was wrong."""
        dice = random.Random(number)  # noqa: S311
        # Lists half of the time.
        paths = dice.choices(list(told), [1] * len(names) + [8, 4, 2], k=ANSWERS // CLIENTS)
        answers = ((path, ask(path, dice)) for path in paths)
        return [
            f"{path}: {answer.status}: {answer.text}"
            for path, answer in answers
            if (answer.status, answer.text) != told[path]
        ]

    with ThreadPoolExecutor(CLIENTS) as pool:
        wrong = [text for each in pool.map(client, range(CLIENTS)) for text in each]
    if killer.away > PATIENCE_SECONDS:
        # The agent does not wait for longer than that, and says so.
        wrong = [text for text in wrong if ": 503: " not in text]
    assert wrong == []
    # It was no idle threat.
    assert killer.killed["kept"] > 50
    assert killer.killed["libvirtd"] > 3
    assert agent.get("hosts").status == 200
    assert 1 <= len(kept_by(agent)) <= Config().warm_virsh


def test_the_processes_end_with_the_agent_and_are_found_after_a_kill(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    virsh = tools / "virsh"
    # One that goes on when its stdin ends, as a virsh does that libvirt does not answer.
    virsh.write_text(
        f'#!/bin/sh\n{shutil.which("virsh")} "$@"\nended=$?\n'
        "[ $# -gt 1 ] || sleep 1000\nexit $ended\n"
    )
    virsh.chmod(0o755)
    agent = Agent(tmp_path / "killed", path=f"{tools}:{os.environ['PATH']}")
    try:
        agent.start()
        agent.get("hosts")
        agent.stop(signal.SIGKILL)
        assert kept_by(agent) != []
        agent.start()
        assert kept_by(agent) == []
        agent.get("hosts")
        assert kept_by(agent) != []
        assert agent.stop() == 0
        stack.wait_for(lambda: kept_by(agent) == [], "an end to what it had kept")
    finally:
        agent.kill()


def test_a_libvirt_that_stays_away_is_told_as_by_a_virsh_of_its_own(
    libvirt: Libvirt, tmp_path: Path
) -> None:
    told = {}
    for most in (2, 0):
        with serving(libvirtd.agent(libvirt, tmp_path / str(most), warm_virsh=most)) as agent:
            assert agent.get("hosts").status == 200
            libvirt.end(signal.SIGKILL)
            answers = [agent.get("hosts") for _ in range(3)]
            told[most] = {(answer.status, answer.text) for answer in answers}
            libvirt.start()
            assert agent.get("hosts").status == 200
    assert told[2] == told[0]
    assert [status for status, _ in told[0]] == [503]
