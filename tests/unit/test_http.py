"""What holds for every route: headers, HEAD, trailing slashes, errors, what is unknown."""

import json
import re
import sys

import falcon.inspect
import pytest

from agent import errors
from agent.compute.hosts import Hosts
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations.locks import Claim
from agent.operations.operation import Change

from .recorded import Read, virsh
from .web import LIST, NET_ROWS, STATES, Agent, see_invalid, see_problem

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_the_routes_are_the_documented_ones(agent: Agent) -> None:
    routes = falcon.inspect.inspect_app(agent.app).routes
    found = {
        route.path: {method.method for method in route.methods if not method.internal}
        for route in routes
        if not route.path.startswith("/redfish")
    }
    assert found == {
        "/": {"GET"},
        "/page/{file}": {"GET"},
        "/overview": {"GET"},
        "/hosts": {"GET"},
        "/hosts/{name}": {"GET", "POST", "DELETE"},
        "/hosts/{name}/console": {"GET"},
        "/hosts/{name}/screen": {"GET"},
        "/hosts/{name}/usage": {"GET"},
        "/hosts/{name}/boot": {"PUT"},
        "/hosts/{name}/install": {"PUT"},
        "/hosts/{name}/media": {"PUT", "DELETE"},
        "/hosts/{name}/snapshots": {"GET"},
        "/hosts/{name}/snapshots/{snapshot}": {"GET", "POST", "DELETE"},
        "/hosts/{name}/snapshots/{snapshot}/revert": {"PUT"},
        "/hosts/{name}/start": {"PUT"},
        "/hosts/{name}/shutdown": {"PUT"},
        "/hosts/{name}/stop": {"PUT"},
        "/hosts/{name}/reboot": {"PUT"},
        "/hosts/{name}/reset": {"PUT"},
        "/hosts/{name}/networks/{network}": {"GET", "POST", "DELETE"},
        "/networks": {"GET"},
        "/networks/{network}": {"GET", "POST", "DELETE"},
        "/operations": {"GET"},
        "/operations/{operation}": {"GET"},
        "/health": {"GET"},
        "/openapi.json": {"GET"},
        "/docs": {"GET"},
        "/docs/{page}": {"GET"},
        "/metrics": {"GET"},
    }


@pytest.mark.parametrize("path", ["/nope", "/hosts/a/b", "/networks/a/b", "/hosts/a/networks"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
def test_nothing_there(agent: Agent, method: str, path: str) -> None:
    see_problem(agent(method, path), 404, f"there is nothing at {path}")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/hosts", "GET"),
        ("DELETE", "/hosts", "GET"),
        ("PUT", "/hosts/a", "DELETE, GET, POST"),
        ("PATCH", "/networks/a", "DELETE, GET, POST"),
        ("PUT", "/hosts/a/networks/b", "DELETE, GET, POST"),
        ("POST", "/networks", "GET"),
        ("POST", "/operations", "GET"),
        ("DELETE", "/operations/a", "GET"),
        ("POST", "/health", "GET"),
    ],
)
def test_a_method_that_is_not_taken(agent: Agent, method: str, path: str, allow: str) -> None:
    answer = agent(method, path)
    taken = answer.headers["allow"]
    methods = {name for name in taken.split(", ") if name not in ("OPTIONS", "HEAD")}
    assert ", ".join(sorted(methods)) == allow
    detail = f"{path} does not take {method}; it takes {taken}"
    see_problem(answer, 405, detail)


@pytest.mark.parametrize("path", ["/hosts", "/hosts/"])
def test_a_trailing_slash_is_the_same_resource(agent: Agent, path: str) -> None:
    agent.reads(STATES, LIST)
    assert len(agent("GET", path).json) == 4


def test_a_trailing_slash_after_a_name(agent: Agent) -> None:
    agent.reads(LIST)
    assert agent("GET", "/hosts/nope/").json["detail"] == "there is no host 'nope'"


def test_head_is_get_without_the_body(agent: Agent) -> None:
    agent.reads(STATES, LIST)
    agent.reads(STATES, LIST)
    head, get = agent("HEAD", "/hosts"), agent("GET", "/hosts")
    assert (head.status_code, head.text) == (200, "")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_head_of_nothing(agent: Agent) -> None:
    agent.reads(LIST)
    head = agent("HEAD", "/hosts/nope")
    assert (head.status_code, head.text) == (404, "")


def test_every_answer_has_a_request_id_of_its_own(agent: Agent) -> None:
    ids = [agent("GET", "/nope").headers["x-request-id"] for _ in range(2)]
    assert all(UUID.fullmatch(found) for found in ids)
    assert ids[0] != ids[1]


@pytest.mark.parametrize("given", ["a", "A-z_0.9:1", "x" * 128])
def test_a_client_names_its_request(agent: Agent, given: str) -> None:
    answer = agent("GET", "/nope", headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a\tb"])
def test_a_name_that_could_confuse_a_log_is_replaced(agent: Agent, given: str) -> None:
    answer = agent("GET", "/nope", headers={"X-Request-ID": given})
    assert UUID.fullmatch(answer.headers["x-request-id"])


def test_the_log_has_a_line_for_every_request(
    agent: Agent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "agent.http")
    agent("GET", "/a%0Ab", headers={"X-Request-ID": "one"})
    (line,) = caplog.messages
    assert re.fullmatch(r"127\.0\.0\.1 GET /a\\nb: 404 Not Found in \d\.\d{3} s", line)
    (record,) = caplog.records
    fields = vars(record)["fields"]
    assert fields.pop("seconds") >= 0
    assert fields == {"method": "GET", "path": "/a\nb", "status": 404, "client": "127.0.0.1"}


NO_NETWORKS = Read("net-list --all --uuid", virsh("empty-net-list-uuid"))


@pytest.mark.parametrize(("path", "read"), [("/hosts/nope", LIST), ("/networks/nope", NO_NETWORKS)])
def test_every_change_has_an_operation_id(agent: Agent, path: str, read: Read) -> None:
    agent.reads(read)
    answer = agent("DELETE", path)
    assert UUID.fullmatch(answer.headers["x-operation-id"])
    assert answer.json["operation"] == answer.headers["x-operation-id"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/hosts/a", '{"memory": 1, "disks": [], "networks": []}'),
        ("DELETE", "/hosts/a", ""),
        ("POST", "/networks/a", '{"bridge": "br0", "vlan": 1}'),
        ("DELETE", "/networks/a", ""),
        ("DELETE", "/hosts/a/networks/b", ""),
    ],
)
def test_a_query_parameter_that_is_not_known(
    agent: Agent, method: str, path: str, body: str
) -> None:
    answer = agent(method, path, body=body, query_string="force=yes&dry-run")
    why = "there is no such query parameter; the parameters are dry_run"
    see_invalid(answer, ("dry-run", why), ("force", why))


def test_a_body_that_is_too_large(agent: Agent) -> None:
    answer = agent("POST", "/hosts/a", body=b" " * (65536 + 1))
    see_problem(answer, 413, "a body has at most 65536 bytes")


def test_the_largest_body_is_read(agent: Agent) -> None:
    answer = agent("POST", "/hosts/a", body=b" " * 65536)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value: line 1 column 1 (char 0)"),
        (b"{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (b"memory=512", "Expecting value: line 1 column 1 (char 0)"),
        (b'{"memory": NaN}', "NaN is not a number in JSON"),
        (b'{"memory": -Infinity}', "-Infinity is not a number in JSON"),
        (b"[" * 60_000, "it is nested too deeply"),
    ],
)
@pytest.mark.parametrize("path", ["/hosts/a", "/networks/a", "/hosts/a/networks/a"])
def test_a_body_that_is_not_json(agent: Agent, path: str, body: bytes, why: str) -> None:
    detail = f"it is not JSON: {why}"
    answer = agent("POST", path, body=body)
    see_invalid(answer, ("body", detail))


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        *(("POST", "/hosts/a", field) for field in ("memory", "disks", "networks")),
        ("POST", "/networks/a", "trunk"),
        ("PUT", "/hosts/a/media", "image"),
        ("POST", "/redfish/v1/SessionService/Sessions", "Password"),
    ],
)
def test_a_body_that_is_nested_as_deeply_as_can_be_read(
    agent: Agent, method: str, path: str, field: str
) -> None:
    """However close to Python's own limit that is."""
    limit = sys.getrecursionlimit()
    for depth in range(limit - 120, limit):
        body = json.dumps({field: "*"}).replace('"*"', "[" * depth + "]" * depth)
        assert agent(method, path, body=body).status_code == 400


FAILED = (("virsh", "list"), 1, "error: no")
RAISED: list[tuple[errors.AgentError, int]] = [
    (errors.AgentError("odd"), 500),
    (errors.ConfigError("odd"), 500),
    (errors.TokensUnusable("odd"), 500),
    (errors.InvalidRequest([errors.FieldError("memory", "odd")]), 400),
    (errors.NotFound("odd"), 404),
    (errors.AlreadyExists("odd"), 409),
    (errors.InUse("odd"), 409),
    (errors.Busy("odd", "one"), 409),
    (errors.WrongState("odd"), 409),
    (errors.TooMany("odd"), 503),
    (errors.Stopping("odd"), 503),
    (errors.JournalFailed("odd"), 503),
    (errors.AgentError("odd"), 500),
    (errors.DomainGone(*FAILED), 404),
    (errors.InvalidOutput("virsh", "odd", "why"), 500),
    (errors.CommandFailed(*FAILED), 500),
    (errors.NameTaken(*FAILED), 409),
    (errors.BadLocation(*FAILED), 400),
    (errors.ImageUnavailable(("curl", "http://a/"), 22, "curl: (22) 404"), 400),
    (errors.StateChanged(("virsh", "domstate"), 0, "it printed 'running'"), 409),
    (errors.NoRoom(*FAILED), 507),
    (errors.WrongVlan(*FAILED), 503),
    (errors.PortRefused(*FAILED), 503),
    (errors.OutOfReach(*FAILED), 503),
    (errors.PoolOff(*FAILED), 503),
    (errors.ToolMissing(("virsh", "list"), None, "virsh: No such file or directory"), 503),
    (errors.CommandTimeout(("virsh", "list"), 60.0, ""), 504),
    (errors.Interrupted(("virsh", "list"), None, ""), 503),
]


def every_class(base: type) -> set[type]:
    return {base}.union(*(every_class(kind) for kind in base.__subclasses__()))


def test_every_error_has_a_row_in_the_table() -> None:
    kinds = {kind for kind in every_class(errors.AgentError) if kind.__module__ == errors.__name__}
    assert {type(error) for error, _ in RAISED} == kinds


@pytest.mark.parametrize(("error", "status"), RAISED, ids=lambda value: type(value).__name__)
def test_each_error_has_its_status(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, error: errors.AgentError, status: int
) -> None:
    def fail(self: Hosts, name: str) -> None:
        raise error

    monkeypatch.setattr(Hosts, "delete", fail)
    answer = agent("DELETE", "/hosts/a")
    see_problem(answer, status, error.detail, **error.facts())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_error_that_nobody_foresaw(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    def bug(*_: object) -> Change:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(Hypervisor, "domain_named", bug)
    change = Change((Claim("host", "a"),), bug, dict)
    monkeypatch.setattr(Hosts, "delete", lambda *_: change)
    answer = agent(method, "/hosts/a", headers={"X-Request-ID": "one"})
    detail = "an unexpected error; the agent's log has it under request one"
    see_problem(answer, 500, detail)
    assert ("x-operation-id" in answer.headers) is (method == "DELETE")
    assert "ZeroDivisionError: a secret" in caplog.text


def test_text_that_is_no_unicode_is_answered(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise errors.NotFound("there is no host '\ud800'")

    monkeypatch.setattr(Hypervisor, "domain_named", fail)
    assert agent("GET", "/hosts/a").content == (
        b'{"title": "Not Found", "status": 404, "detail": "there is no host \'\\ud800\'"}\n'
    )


def test_a_change_is_refused_while_the_agent_stops(agent: Agent) -> None:
    agent.executor.drain(0)
    answer = agent("DELETE", "/hosts/a")
    see_problem(answer, 503, "the agent is stopping; try again when it is back")
    agent.reads(*NET_ROWS)
    assert agent("GET", "/networks").status_code == 200
