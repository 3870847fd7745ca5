"""A request is followed to its commands by the log alone."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from agent.server import logs
from agent.tools.masking import masked

from .changes import CASES
from .recorded import batch_argv
from .test_http_async import ASYNC
from .web import LIST, STATES, Agent

REQUEST = {"X-Request-ID": "one"}


# Ends the log, and returns its lines as objects.
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    with ExitStack() as stack:
        stack.enter_context(logs.to_stderr("json", "debug"))

        def end() -> list[dict[str, Any]]:
            stack.close()
            return [json.loads(line) for line in stderr.getvalue().splitlines()]

        yield end


def commands(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == "agent.command"]


@pytest.mark.parametrize(
    ("change", "headers"),
    [*((change, ASYNC) for change in CASES), ("delete-host", {}), ("delete-network", {})],
)
def test_a_change(agent: Agent, lines: Lines, change: str, headers: dict[str, str]) -> None:
    """Its reads, its commands and its own lines have both ids, in whichever thread."""
    case = CASES[change]
    case.expect(agent)
    case.expect_steps(agent)
    answer = case.ask(agent, headers={**REQUEST, **headers})
    assert agent.executor.drain(10)
    told = lines()
    ids = {(line.get("request_id"), line.get("operation")) for line in told}
    # Nothing else is logged but that the agent waits for the operation, which is nobody's.
    ids -= {(None, None)}
    assert ids == {("one", answer.headers["x-operation-id"])}
    ran = [line["command"] for line in commands(told) if line["level"] == "info"]
    assert ran == [masked(list(step.command.argv)) for step in case.plan.steps]
    assert {line["level"] for line in commands(told)} == {"debug", "info"}
    (request,) = [line for line in told if line["logger"] == "agent.http"]
    assert request["status"] == answer.status_code


def test_a_read(agent: Agent, lines: Lines) -> None:
    """Its command is a line of debugging."""
    agent.reads(STATES, LIST)
    assert agent("GET", "/hosts", headers=REQUEST).status_code == 200
    command, request = lines()
    assert {name: command[name] for name in ("request_id", "level", "command", "exit_code")} == {
        "request_id": "one",
        "level": "debug",
        "command": batch_argv((STATES, LIST)),
        "exit_code": 0,
    }
    assert (request["request_id"], request["path"], request["status"]) == ("one", "/hosts", 200)
    assert "operation" not in request


def test_a_thread_is_at_work_for_one_request_after_another(agent: Agent, lines: Lines) -> None:
    agent("GET", "/nope", headers=REQUEST)
    agent("GET", "/nope", headers={"X-Request-ID": "two"})
    assert [line["request_id"] for line in lines()] == ["one", "two"]
