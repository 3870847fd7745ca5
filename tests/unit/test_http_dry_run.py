"""`?dry_run=true`: the plan is shown, and nothing but its reads is run."""

import pytest

from agent.operations.locks import Claim
from agent.plans.script import script

from .changes import CASES, CREATE_NETWORK, DELETE_NETWORK
from .web import NET_ROWS, Agent, see_invalid

DRY = {"dry_run": "true"}
SHELL = {"Accept": "text/x-shellscript"}
CHANGES = pytest.mark.parametrize("change", CASES)


def assert_nothing_changed(agent: Agent) -> None:
    """No operation began, and no name is held."""
    assert (agent.journal.find(), agent.unsettled) == ([], [])
    agent.locks.acquire([Claim("host", "fixture.example.com"), Claim("network", "vlan:10")], "one")


@CHANGES
@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}], ids=str)
def test_the_plan(agent: Agent, change: str, headers: dict[str, str]) -> None:
    case = CASES[change]
    case.expect(agent)
    answer = case.ask(agent, params=DRY, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == case.plan.to_json()
    assert not {"x-operation-id", "preference-applied"} & set(answer.headers)
    assert_nothing_changed(agent)


@CHANGES
def test_the_script(agent: Agent, change: str) -> None:
    case = CASES[change]
    case.expect(agent)
    answer = case.ask(agent, params=DRY, headers=SHELL)
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/x-shellscript; charset=utf-8",
    )
    assert answer.text == script(case.plan, [f"dry run of {case.method} {case.path}"])
    assert_nothing_changed(agent)


def test_the_script_is_whole(agent: Agent) -> None:
    DELETE_NETWORK.expect(agent)
    answer = DELETE_NETWORK.ask(agent, params=DRY, headers=SHELL)
    lines = answer.text.splitlines()
    assert lines[:3] == [
        "#!/bin/sh",
        "# delete network fixture-transient",
        "# dry run of DELETE /networks/fixture-transient",
    ]
    assert lines[-5:] == [
        "# 1 of 2: stop network fixture-transient",
        "unless 'is not active' 'Network not found' -- virsh --connect=qemu:///system net-destroy"
        " --network=00000000-0000-4000-8000-000000000015",
        "",
        "# 2 of 2: undefine network fixture-transient",
        "unless 'Network not found' -- virsh --connect=qemu:///system net-undefine"
        " --network=00000000-0000-4000-8000-000000000015",
    ]


@pytest.mark.parametrize(
    ("accept", "is_script"),
    [
        ("*/*", False),
        ("application/json", False),
        ("text/html", False),
        ("text/*", True),
        ("application/json;q=0.5, text/x-shellscript", True),
        ("application/json, text/x-shellscript;q=0.5", False),
    ],
)
def test_what_the_client_would_rather_have(agent: Agent, accept: str, is_script: bool) -> None:
    DELETE_NETWORK.expect(agent)
    answer = DELETE_NETWORK.ask(agent, params=DRY, headers={"Accept": accept})
    assert answer.text.startswith("#!/bin/sh\n") is is_script


def test_a_change_that_cannot_be(agent: Agent) -> None:
    """It is refused as the change itself would be, of which there is none."""
    agent.reads(*NET_ROWS)
    agent.runs("ovs-vsctl", "--timeout=10", "list-br", stdout="br-ex\n")
    answer = CREATE_NETWORK.ask(agent, params=DRY)
    detail = "Open vSwitch has no bridge 'fixbr0'; it has br-ex"
    see_invalid(answer, ("bridge", detail))
    assert_nothing_changed(agent)


def test_it_waits_for_nobody(agent: Agent) -> None:
    """A name that is held, or an agent that stops, is no bar to a look."""
    agent.locks.acquire([Claim("network", "fixture-transient")], "one")
    agent.executor.drain(0)
    DELETE_NETWORK.expect(agent)
    answer = DELETE_NETWORK.ask(agent, params=DRY)
    assert (answer.status_code, answer.json) == (200, DELETE_NETWORK.plan.to_json())


@CHANGES
@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("dry_run=yes", "'yes' is neither true nor false"),
        ("dry_run=1", "'1' is neither true nor false"),
        ("dry_run=True", "'True' is neither true nor false"),
        ("dry_run=", "'' is neither true nor false"),
        ("dry_run", "'' is neither true nor false"),
        ("dry_run=true&dry_run=false", "is given more than once"),
        ("dry_run=true&dry_run=true", "is given more than once"),
    ],
)
def test_what_is_neither(agent: Agent, change: str, query: str, detail: str) -> None:
    answer = CASES[change].ask(agent, query_string=query)
    see_invalid(answer, ("dry_run", detail))
    assert_nothing_changed(agent)


def test_one_that_is_false_is_none(agent: Agent) -> None:
    DELETE_NETWORK.expect(agent)
    DELETE_NETWORK.expect_steps(agent)
    answer = DELETE_NETWORK.ask(agent, params={"dry_run": "false"})
    assert (answer.status_code, answer.json["name"]) == (200, "fixture-transient")
    assert [row["status"] for row in agent.journal.find()] == ["done"]
