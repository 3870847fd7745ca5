"""A journal that cannot be used: nothing is changed, and all else is answered."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_subprocess import FakeProcess

from agent.operations.locks import Claim

from .changes import CASES, DELETE_NETWORK
from .test_http_health import expect_good_health
from .web import LIST, STATES, Agent, see_problem


def folder(path: Path) -> str:
    path.mkdir()
    return "unable to open database file"


def damaged(path: Path) -> str:
    path.write_bytes(b"not a database at all" * 100)
    return "file is not a database"


@pytest.fixture(params=[folder, damaged])
def broken(
    request: pytest.FixtureRequest, fp: FakeProcess, tmp_path: Path
) -> tuple[Agent, str, Path]:
    """An agent without a journal, what it says of it, and where that would be."""
    spoil: Callable[[Path], str] = request.param
    path = tmp_path / "journal.sqlite"
    why = spoil(path)
    detail = f"the journal {path} cannot be used: {why}; no change is made without it"
    return Agent(fp, path), detail, path


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}], ids=["now", "later"])
@pytest.mark.parametrize("change", CASES)
def test_no_change_is_made(
    broken: tuple[Agent, str, Path], change: str, headers: dict[str, str]
) -> None:
    agent, detail, _ = broken
    CASES[change].expect(agent)
    answer = CASES[change].ask(agent, headers=headers)
    see_problem(answer, 503, detail)
    assert "x-operation-id" in answer.headers
    assert "location" not in answer.headers
    agent.locks.acquire([Claim("host", "fixture.example.com"), Claim("network", "vlan:10")], "one")
    assert agent.unsettled == []


def test_hosts_are_listed(broken: tuple[Agent, str, Path]) -> None:
    agent, _, _ = broken
    agent.reads(STATES, LIST)
    answer = agent("GET", "/hosts")
    assert (answer.status_code, len(answer.json)) == (200, 4)


def test_a_dry_run_is_shown(broken: tuple[Agent, str, Path]) -> None:
    agent, _, _ = broken
    DELETE_NETWORK.expect(agent)
    answer = DELETE_NETWORK.ask(agent, params={"dry_run": "true"})
    assert (answer.status_code, answer.json) == (200, DELETE_NETWORK.plan.to_json())


@pytest.mark.parametrize("path", ["/operations", "/operations/one"])
def test_operations_are_not(broken: tuple[Agent, str, Path], path: str) -> None:
    agent, detail, _ = broken
    see_problem(agent("GET", path), 503, detail)


def test_health_names_it(broken: tuple[Agent, str, Path]) -> None:
    agent, detail, _ = broken
    healthy = expect_good_health(agent)
    answer = agent("GET", "/health")
    assert (answer.status_code, answer.json) == (
        503,
        {**healthy, "status": "failing", "journal": {"status": "failing", "detail": detail}},
    )


def test_changes_are_made_once_it_is_back(broken: tuple[Agent, str, Path]) -> None:
    agent, _, path = broken
    DELETE_NETWORK.expect(agent)
    assert DELETE_NETWORK.ask(agent).status_code == 503
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()
    DELETE_NETWORK.expect(agent)
    DELETE_NETWORK.expect_steps(agent)
    assert DELETE_NETWORK.ask(agent).status_code == 200
    assert [row["status"] for row in agent.journal.find()] == ["done"]
