"""/operations and /operations/{operation}: the journal over HTTP."""

from urllib.parse import quote

import pytest

from agent.operations.operation import DONE, UNDONE, UNSETTLED, Outcome, Request
from agent.operations.steps import Steps
from agent.plans.plan import Plan
from agent.plans.script import script

from .fake_runner import CREATE, DELETE, asked, shown, shown_command
from .web import NOW, Agent, see_invalid, see_problem

KNOWN = "host, network, status, before, limit"
STATUSES = "running, waiting, done, undone, failed, unsettled"


def begin(agent: Agent, operation: str, plan: Plan = DELETE, **more: str) -> None:
    agent.journal.begin(operation, asked(**more), plan)


@pytest.fixture
def six(agent: Agent) -> Agent:
    """Six operations: of hosts and networks by turns, three of them done."""
    for index in range(6):
        begin(agent, f"id{index}", name=f"n{index % 3}", kind="host" if index % 2 else "network")
        agent.journal.end(f"id{index}", DONE if index < 3 else UNDONE)
    return agent


def test_there_are_none(agent: Agent) -> None:
    answer = agent("GET", "/operations")
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (
        200,
        "application/json",
        "[]\n",
    )


def test_the_list(agent: Agent) -> None:
    """Newest first, without plans and commands."""
    begin(agent, "one")
    agent.journal.end("one", UNSETTLED, {"detail": "no"})
    begin(agent, "two")
    answer = agent("GET", "/operations")
    assert (answer.status_code, answer.json) == (
        200,
        [
            shown("two", DELETE, number=2),
            shown("one", DELETE, status="unsettled", ended=NOW, error={"detail": "no"}),
        ],
    )


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "543210"),
        ("status=done", "210"),
        ("status=running", ""),
        ("host=n0", "3"),
        ("network=n1", "4"),
        ("host=N0", ""),
        ("host=", ""),
        ("network=n1&status=done", ""),
        ("host=n1&status=done", "1"),
        ("limit=2", "54"),
        ("limit=500", "543210"),
        ("limit=2&before=5", "32"),
        ("before=1", ""),
        ("before=4611686018427387904", "543210"),
        ("limit=002", "54"),
    ],
)
def test_filters(six: Agent, query: str, ids: str) -> None:
    answer = six("GET", "/operations", query_string=query)
    assert (answer.status_code, [row["id"] for row in answer.json]) == (
        200,
        [f"id{number}" for number in ids],
    )


def test_paging_to_the_end(six: Agent) -> None:
    """The number of the last one goes on where the list ended."""
    found, query = [], "limit=4"
    while rows := six("GET", "/operations", query_string=query).json:
        found.append([row["id"] for row in rows])
        query = f"limit=4&before={rows[-1]['number']}"
    assert found == [["id5", "id4", "id3", "id2"], ["id1", "id0"]]


def test_a_list_is_fifty_long_unless_asked(agent: Agent) -> None:
    for index in range(51):
        begin(agent, f"id{index}")
    assert len(agent("GET", "/operations").json) == 50


WRONG = [
    *(
        (f"limit={quote(number)}", "limit", f"'{number}' is not a number from 1 to 500")
        for number in ("0", "501", "-1", "1.5", "", "all", "²", "\u0661")
    ),
    *(
        (f"before={number}", "before", f"'{number}' is not a number from 1 to 4611686018427387904")
        for number in ("0", "x", "4611686018427387905", "1" * 20, "9" * 19, "9" * 5000)
    ),
    *(
        (f"status={status}", "status", f"'{status}' is not one of {STATUSES}")
        for status in ("odd", "DONE", "")
    ),
    ("name=a", "name", f"there is no such query parameter; the parameters are {KNOWN}"),
    ("limit=1&limit=1", "limit", "is given more than once"),
    ("status=done&status=odd", "status", "is given more than once"),
    ("host=a&host=b", "host", "is given more than once"),
]


@pytest.mark.parametrize(("query", "field", "detail"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_query_parameter(agent: Agent, query: str, field: str, detail: str) -> None:
    answer = agent("GET", "/operations", query_string=query)
    see_invalid(answer, (field, detail))


def test_every_wrong_one_is_named(agent: Agent) -> None:
    answer = agent("GET", "/operations", query_string="limit=0&x=1&status=odd&a=2&host=n")
    unknown = f"there is no such query parameter; the parameters are {KNOWN}"
    see_invalid(
        answer,
        ("a", unknown),
        ("x", unknown),
        ("limit", "'0' is not a number from 1 to 500"),
        ("status", f"'odd' is not one of {STATUSES}"),
    )


def test_one_as_json(agent: Agent) -> None:
    begin(agent, "one", CREATE)
    number = agent.journal.begin_step("one", 0, CREATE.steps[0].command, undo=False)
    agent.journal.end_step("one", number, Outcome(0.5, 1, False, "out", "error: no"))
    answer = agent("GET", "/operations/one")
    assert (answer.status_code, answer.json) == (
        200,
        {
            **shown("one", CREATE),
            "plan": CREATE.to_json(),
            "commands": [
                shown_command(
                    *("do one", 0),
                    seconds=0.5,
                    exit_code=1,
                    ok=False,
                    stdout="out",
                    stderr="error: no",
                )
            ],
            "phase": None,
        },
    )


def test_one_says_what_it_is_at(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(agent, "one")
    begin(agent, "two")
    phases = {"one": "Retrieving 'vmlinuz'"}
    monkeypatch.setattr(Steps, "phase", lambda steps, operation: phases.get(operation))
    found = [agent("GET", f"/operations/{name}").json["phase"] for name in ("one", "two")]
    assert found == ["Retrieving 'vmlinuz'", None]


def test_one_as_a_script(agent: Agent) -> None:
    begin(agent, "one", CREATE)
    agent.journal.end("one", UNDONE, {"detail": "no"})
    answer = agent("GET", "/operations/one", headers={"Accept": "text/x-shellscript"})
    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/x-shellscript; charset=utf-8",
    )
    assert answer.text == script(
        CREATE,
        [
            "operation one, which is undone",
            "asked for by 127.0.0.1 with POST /hosts/a (request request)",
        ],
    )


def test_a_path_of_lines_stays_a_comment(agent: Agent) -> None:
    path = "/hosts/a\nrm -rf /"
    agent.journal.begin("one", Request("POST", path, None, "r", None, host="a"), DELETE)
    answer = agent("GET", "/operations/one", headers={"Accept": "text/x-shellscript"})
    comment = "# asked for by None with POST /hosts/a rm -rf / (request r)"
    assert comment in answer.text.splitlines()


@pytest.mark.parametrize("accept", ["application/json", "text/x-shellscript"])
def test_one_that_is_not_there(agent: Agent, accept: str) -> None:
    answer = agent("GET", "/operations/one", headers={"Accept": accept})
    see_problem(answer, 404, "there is no operation 'one'")
