"""`Prefer: respond-async`: the change is begun, and its operation answered."""

import threading
from typing import Any

import pytest

from agent.operations.locks import Claim
from agent.operations.steps import Steps

from .changes import CASES, CREATE_NETWORK, DELETE_NETWORK
from .fake_runner import shown
from .processes import wait_until
from .web import Agent, see_invalid, see_problem

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """No step begins before it is set."""
    event = threading.Event()
    run = Steps.run

    def wait(*arguments: Any) -> None:
        assert event.wait(60)
        run(*arguments)

    monkeypatch.setattr(Steps, "run", wait)
    return event


def ended(agent: Agent, gate: threading.Event, operation: str) -> dict[str, Any]:
    """Let an operation go on; answers what the journal has of it once it has ended."""
    gate.set()
    found: list[dict[str, Any]] = []

    def has_ended() -> bool:
        shown = agent.journal.get(operation)
        assert shown is not None
        found.append(shown)
        return bool(shown["status"] != "running")

    wait_until(has_ended)
    assert agent.executor.drain(10)
    return found[-1]


@pytest.mark.parametrize("change", CASES)
def test_a_change_is_begun(agent: Agent, gate: threading.Event, change: str) -> None:
    case = CASES[change]
    case.expect(agent)
    case.expect_steps(agent)
    answer = case.ask(agent, headers={**ASYNC, "X-Request-ID": "request"})
    operation = answer.headers["x-operation-id"]
    headers = {name: answer.headers[name] for name in ("location", "preference-applied")}
    assert (answer.status_code, headers) == (
        202,
        {"location": f"/operations/{operation}", "preference-applied": "respond-async"},
    )
    kind, name = case.path.split("/")[1:3]
    assert answer.json == shown(
        operation,
        case.plan,
        host=name if kind == "hosts" else None,
        network=name if kind == "networks" else None,
        request={
            "method": case.method,
            "path": case.path,
            "body": case.body,
            "request_id": "request",
            "client": "127.0.0.1",
        },
        plan=case.plan.to_json(),
        commands=[],
    )
    found = ended(agent, gate, operation)
    assert (found["status"], found["steps_done"]) == ("done", len(case.plan.steps))
    assert [ran["argv"] for ran in found["commands"]] == [
        list(step.command.argv) for step in case.plan.steps
    ]


def test_a_change_that_fails_later(agent: Agent, gate: threading.Event) -> None:
    define, start, _ = CREATE_NETWORK.plan.steps
    CREATE_NETWORK.expect(agent)
    agent.runs(*define.command.argv)
    agent.runs(*start.command.argv, stderr="error: no\n", returncode=1)
    agent.runs(*start.undo[0].argv)
    agent.runs(*define.undo[0].argv)
    answer = CREATE_NETWORK.ask(agent, headers=ASYNC)
    assert answer.status_code == 202
    found = ended(agent, gate, answer.json["id"])
    assert (found["status"], found["error"]) == (
        "undone",
        {
            "detail": "virsh failed: no",
            "command": str(start.command),
            "exit_code": 1,
            "stderr": "error: no",
        },
    )


@pytest.mark.parametrize(
    "prefer",
    ["Respond-Async", "respond-async, wait=10", "wait=10,respond-async", 'respond-async; a="b"'],
)
def test_ways_to_prefer_it(agent: Agent, gate: threading.Event, prefer: str) -> None:
    DELETE_NETWORK.expect(agent)
    DELETE_NETWORK.expect_steps(agent)
    answer = DELETE_NETWORK.ask(agent, headers={"Prefer": prefer})
    assert answer.status_code == 202
    assert ended(agent, gate, answer.json["id"])["status"] == "done"


@pytest.mark.parametrize("prefer", ["", "wait=10", "return=minimal", "no-respond-async"])
def test_other_preferences(agent: Agent, prefer: str) -> None:
    DELETE_NETWORK.expect(agent)
    DELETE_NETWORK.expect_steps(agent)
    answer = DELETE_NETWORK.ask(agent, headers={"Prefer": prefer})
    assert (answer.status_code, "preference-applied" in answer.headers) == (200, False)


def test_a_change_that_cannot_be_is_refused_at_once(agent: Agent) -> None:
    CREATE_NETWORK.expect(agent)
    body = {"bridge": "br9", "vlan": 10}
    answer = agent("POST", CREATE_NETWORK.path, json=body, headers=ASYNC)
    detail = "Open vSwitch has no bridge 'br9'; it has fixbr0"
    see_invalid(answer, ("bridge", detail))
    assert "location" not in answer.headers
    assert agent.journal.find() == []


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=str)
def test_so_is_one_of_a_name_that_is_held(agent: Agent, headers: dict[str, str]) -> None:
    agent.locks.acquire([Claim("network", "fixture-transient")], "one")
    answer = DELETE_NETWORK.ask(agent, headers=headers)
    see_problem(
        answer,
        409,
        "operation one holds network 'fixture-transient'; try again when it has ended",
        held_by="one",
    )
    assert "location" not in answer.headers
    assert agent.journal.find() == []
