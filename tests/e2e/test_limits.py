"""The bounds: of bodies, of hosts, of what runs and of who waits."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from . import stack
from .daemon import Agent, Answer
from .faults import Faults
from .stack import V10, own

BODY = {"memory": 64, "disks": [1], "networks": [V10]}
CLIENTS = 200
# Hangs while the file `hangs` is there, noting each call, and is then the real tool.
HANGING = """#!/bin/sh
here=$(dirname "$0")
echo >>"$here/calls"
while [ -e "$here/hangs" ]; do sleep 0.1; done
PATH=${PATH#"$here:"} exec "$(basename "$0")" "$@"
"""


class Hanging:
    """A tool that hangs in the `with` block, or until `free`."""

    def __init__(self, faults: Faults, tool: str) -> None:
        self._faults = faults
        faults.none()
        self._hangs = faults.folder / "hangs"
        self._hangs.touch()
        faults.replace(tool, HANGING)

    def __enter__(self) -> "Hanging":
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def calls(self) -> int:
        """How many calls there were."""
        return self._faults.calls()

    def free(self) -> None:
        """Let it hang no more."""
        self._hangs.unlink(missing_ok=True)


def _names(count: int) -> list[str]:
    return [own(f"n{number}") for number in range(count)]


def _waiting(agent: Agent) -> list[str]:
    return [row["host"] for row in agent.get("operations").body if row["status"] == "waiting"]


def _assert_told_to_come_again(answer: Answer) -> None:
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


def _assert_that_virsh_alone_fails(agent: Agent) -> None:
    parts = agent.get("health").body
    failing = {part for part in parts if part != "status" and parts[part]["status"] == "failing"}
    assert failing == {"libvirt", "pool"}


def test_what_one_host_may_have(start_agent: Callable[..., Agent]) -> None:
    """Each field that is beyond is named with its limit; what is within is made."""
    agent = start_agent(host_memory=64, host_vcpus=1, host_disks=2, host_disk_gb=2, host_total_gb=3)
    beyond = {"memory": 65, "vcpus": 2, "disks": [3, 1], "networks": []}
    answer = agent.post("hosts", own("n"), body=beyond)
    assert (answer.status, answer.body["errors"]) == (
        400,
        [
            {"field": "memory", "detail": "65 is greater than the maximum of 64"},
            {"field": "disks[0]", "detail": "3 is greater than the maximum of 2"},
            {"field": "vcpus", "detail": "2 is greater than the maximum of 1"},
            {
                "field": "disks",
                "detail": "4 GB together are more than the maximum of 3 for a host",
            },
        ],
    )
    answer = agent.post("hosts", own("n"), body={**BODY, "disks": [1, 1, 1]})
    assert answer.body["detail"] == "disks: 3 are more than the maximum of 2"
    assert agent.post("hosts", own("n"), body={**BODY, "disks": [2, 1]}).status == 200


@pytest.mark.parametrize("prefer", [None, "respond-async"])
def test_creates_wait_for_their_turn(
    start_agent: Callable[..., Agent], faults: Faults, prefer: str | None
) -> None:
    """With their names held; past the queue they are refused, and all else is answered."""
    agent = start_agent(path=faults.path, creates=2, creates_waiting=1)
    names = _names(4)
    headers = {"Prefer": prefer} if prefer else {}

    def post(name: str) -> Answer:
        return agent.request("POST", f"/hosts/{name}", BODY, headers)

    with (
        stack.unchanged(),
        ThreadPoolExecutor(3) as pool,
        Hanging(faults, "virt-install") as hanging,
    ):
        asked = [pool.submit(post, name) for name in names[:2]]
        stack.wait_for(lambda: hanging.calls() == 2, "two virt-installs that hang")
        asked.append(pool.submit(post, names[2]))
        stack.wait_for(lambda: _waiting(agent) == [names[2]], "a create that waits")
        assert post(names[2]).status == 409
        _assert_told_to_come_again(post(names[3]))
        assert agent.get("health").status == 200
        assert agent.get("hosts").status == 200
        assert agent.get("hosts", names[0]).status == 404
        hanging.free()
        assert [each.result(240).status for each in asked] == [202 if prefer else 200] * 3
        stack.wait_for(
            lambda: [row["status"] for row in agent.get("operations").body] == ["done"] * 3,
            "an end to the creates",
        )
        assert hanging.calls() == 3
        assert [agent.delete("hosts", name).status for name in names[:3]] == [200] * 3


def test_a_create_that_waits_when_the_agent_is_told_to_stop(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """It is told that nothing was done; the one that runs may end."""
    agent = start_agent(path=faults.path, creates=1)
    runs, waits = _names(2)
    with ThreadPoolExecutor(2) as pool, Hanging(faults, "virt-install") as hanging:
        running = pool.submit(agent.post, "hosts", runs, body=BODY)
        stack.wait_for(lambda: hanging.calls() == 1, "a virt-install that hangs")
        waiting = pool.submit(agent.post, "hosts", waits, body=BODY)
        stack.wait_for(lambda: _waiting(agent) == [waits], "a create that waits")
        agent.process.send_signal(signal.SIGTERM)
        answer = waiting.result(240)
        _assert_told_to_come_again(answer)
        assert "nothing was done" in answer.body["detail"]
        hanging.free()
        assert running.result(240).status == 200
        assert agent.process.wait(240) == 0
    assert stack.domains() == {runs}
    agent.start()
    operation = agent.get("operations", answer.body["operation"]).body
    assert (operation["status"], operation["commands"]) == ("undone", [])


def test_all_places_are_taken_by_what_hangs(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """By creates, which leave one place to reads, and then by a read, which leaves none."""
    few = {"threads": 4, "creates": 2, "creates_waiting": 1, "warm_virsh": 0}
    agent = start_agent(path=faults.path, virsh_seconds=600, **few)
    *names, other = _names(4)
    stack.define_domain(other)
    with ThreadPoolExecutor(4) as pool, Hanging(faults, "virt-install") as hanging:
        creates = [pool.submit(agent.post, "hosts", name, body=BODY) for name in names]
        stack.wait_for(lambda: len(_waiting(agent)) == 1, "a create that waits")
        stack.wait_for(lambda: hanging.calls() == 2, "two virt-installs that hang")
        _assert_told_to_come_again(agent.delete("hosts", other))
        for path in (("hosts", other), ("hosts",), ("networks",), ("health",)):
            assert agent.get(*path).status == 200
        faults.replace("virsh", HANGING)
        read = pool.submit(agent.get, "hosts", other)
        stack.wait_for(lambda: hanging.calls() == 3, "a read that hangs")
        _assert_told_to_come_again(agent.get("hosts", other))
        assert agent.get("operations").status == 200
        _assert_that_virsh_alone_fails(agent)
        hanging.free()
        assert [each.result(240).status for each in creates] == [200] * 3
        assert read.result(240).status == 200
    assert agent.get("health").status == 200
    assert [agent.delete("hosts", name).status for name in (*names, other)] == [200] * 4


def _all_at_once(ask: Callable[[], Any]) -> list[Any]:
    together = threading.Barrier(CLIENTS)

    def client(_: int) -> Any:
        together.wait(240)
        return ask()

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(client, range(CLIENTS)))


def _answered(agent: Agent) -> Answer:
    """The list of hosts, for a client that comes again when it is told to."""

    def ask() -> Answer | None:
        answer = agent.get("hosts")
        if answer.status == 200:
            return answer
        _assert_told_to_come_again(answer)
        return None

    told: Answer = stack.wait_for(ask, "a list of hosts")
    return told


def test_200_clients_at_once(agent: Agent) -> None:
    """Each that polls the list of hosts is answered."""
    stack.define_domain(own("n"))
    answers = _all_at_once(lambda: [_answered(agent) for _ in range(3)])
    told = [answer for each in answers for answer in each]
    assert all(own("n") in [row["name"] for row in answer.body] for answer in told)


def test_200_clients_of_a_list_that_hangs(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """Health and the journal answer meanwhile, and afterwards nothing is wrong."""
    agent = start_agent(path=faults.path, virsh_seconds=600)
    with ThreadPoolExecutor(1) as pool, Hanging(faults, "virsh") as hanging:
        polling = pool.submit(_all_at_once, lambda: agent.get("hosts").status)
        stack.wait_for(hanging.calls, "a read that hangs")
        agent.logged("GET /hosts: 503")
        assert agent.get("operations").status == 200
        _assert_that_virsh_alone_fails(agent)
        hanging.free()
        statuses = polling.result(240)
    # Those who could wait were answered, and the others told to come again.
    assert set(statuses) == {200, 503}
    assert agent.get("health").status == 200
    assert len(_all_at_once(lambda: _answered(agent))) == CLIENTS
