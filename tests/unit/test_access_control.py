"""Access control: tokens on every route there is, and web pages of other sites."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import falcon.inspect
import falcon.testing
import pytest
from falcon.constants import HTTP_METHODS, WEBDAV_METHODS
from pytest_subprocess import FakeProcess

from agent.access import tokens
from agent.access.control import SESSIONS, AccessControl, require_authentication
from agent.compute.hosts import Hosts
from agent.config import Config
from agent.errors import ConfigError

from .test_http_health import expect_good_health
from .web import CONFIG, LIST, STATES, Agent, see_problem, see_redfish_error

METHODS = (*HTTP_METHODS, *WEBDAV_METHODS, "QUERY", "NONSENSE")
READS = {"GET", "HEAD", "OPTIONS"}
REALM = 'Bearer realm="staging-agent"'
BASIC = 'Basic realm="staging-agent", charset="UTF-8"'
NEEDED = "this needs a token, in a header: Authorization: Bearer TOKEN"
NEEDED_BY_REDFISH = f"{NEEDED}; or as the password of HTTP Basic, or of a session"

# Falcon's test client says so of those that are not HTTP's own.
pytestmark = pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")


@pytest.fixture
def full(tokens_file: Path) -> str:
    return tokens.add(tokens_file, "ci", read_only=False)


@pytest.fixture
def read_only(tokens_file: Path) -> str:
    return tokens.add(tokens_file, "grafana", read_only=True)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def every_path(agent: Agent) -> Iterator[str]:
    """A path of every route, and some of none."""
    found = falcon.inspect.inspect_app(agent.app)
    routes = [route.path for route in found.routes]
    assert "/hosts/{name}" in routes
    assert f"{SESSIONS}/{{session}}" in routes
    # The files of the page are open.
    rest = [path for path in routes if not path.startswith("/page/")]
    yield from (path.replace("{", "").replace("}", "") for path in rest)
    yield from (f"{route.prefix}/a" for route in found.static_routes)
    # A sink is a regular expression: no path is made of it, so there must be none.
    assert found.sinks == []
    yield from ("/", "/nope", "/healthy", "/health/a", "/hosts/a/b/c", "/%2Fhealth")


def see_refused(answer: falcon.testing.Result, path: str, status: int, detail: str) -> None:
    """Fail unless an answer is this error, in the form that errors have at that path."""
    if path.startswith("/redfish") and path != "/redfishy":
        see_redfish_error(answer, status, detail)
    else:
        see_problem(answer, status, detail)


def test_every_route_is_closed_without_a_token(closed: Agent, full: str) -> None:
    """Whatever the method is, and with one and the same answer: strangers learn no path."""
    for path in (*every_path(closed), "/redfishy", "/redfish/v1/nope", "/redfish/v2"):
        redfish = path == "/redfish" or path.startswith("/redfish/")
        challenges = f"{REALM}, {BASIC}" if redfish else REALM
        for method in METHODS:
            if (method, path) in OPEN:
                continue
            answer = closed(method, path, body='{"bridge": "br0", "vlan": 1}')
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, challenges)
            assert "allow" not in answer.headers
            if method != "HEAD":
                see_refused(answer, path, 401, NEEDED_BY_REDFISH if redfish else NEEDED)
    assert closed.journal.find() == []


# What a client of Redfish finds out how to authenticate by.
OPEN = {
    *((method, path) for method in ("GET", "HEAD") for path in ("/redfish", "/redfish/v1")),
    ("POST", SESSIONS),
}


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_is_open_to_everybody(closed: Agent, full: str, method: str, path: str) -> None:
    for written in (path, f"{path}/"):
        assert closed(method, written).status_code not in (401, 403)


def test_what_falcon_refuses_by_itself(closed: Agent) -> None:
    """Before any middleware is asked, and alike on every path."""
    answers = [closed("WEBSOCKET", path) for path in every_path(closed)]
    told = {
        (answer.status_code, answer.json.get("title") or answer.json["error"]["message"])
        for answer in answers
    }
    assert told == {(400, "Bad Request"), (400, "400 Bad Request")}


def test_a_read_only_token_changes_nothing(closed: Agent, read_only: str) -> None:
    detail = "the token grafana is read-only; it permits only GET, HEAD and OPTIONS"
    for path in every_path(closed):
        for method in set(METHODS) - READS:
            if (method, path) in {("POST", SESSIONS), ("DELETE", f"{SESSIONS}/session")}:
                continue  # its own, which changes nothing else
            for query in ("", "dry_run=true"):
                answer = closed(method, path, headers=bearer(read_only), query_string=query)
                see_refused(answer, path, 403, detail)
    assert closed.journal.find() == []


@pytest.mark.parametrize("method", sorted(READS))
def test_a_read_only_token_reads_and_that_changes_nothing(
    closed: Agent, read_only: str, method: str
) -> None:
    """Of every route, by each way to read: what it runs fails here, and it begins no operation."""
    for path in every_path(closed):
        answer = closed(method, path, headers=bearer(read_only))
        assert answer.status_code not in (401, 403)
    assert closed.journal.find() == []


def test_a_full_token_is_let_in_everywhere(closed: Agent, full: str) -> None:
    for path in every_path(closed):
        for method in METHODS:
            answer = closed(method, path, headers=bearer(full), body="x")
            assert answer.status_code not in (401, 403)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_a_token_that_is_known(closed: Agent, full: str, scheme: str) -> None:
    closed.reads(STATES, LIST)
    answer = closed("GET", "/hosts", headers={"Authorization": f"{scheme} {full}"})
    assert (answer.status_code, len(answer.json)) == (200, 4)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("Bearer nope", False),
        ("Bearer", False),
        ("Bearer TOKEN x", False),
        ("Bearer TOKENx", False),
        ("Bearer \u00e9", False),
        ("Basic TOKEN", True),
        ("TOKEN", True),
        ("", True),
    ],
)
def test_what_is_no_token(closed: Agent, full: str, given: str, known: bool) -> None:
    answer = closed("GET", "/hosts", headers={"Authorization": given.replace("TOKEN", full)})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        REALM if known else f'{REALM}, error="invalid_token"',
    )
    assert full not in answer.text


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization"])
def test_a_token_elsewhere_is_none(closed: Agent, full: str, name: str) -> None:
    answer = closed(
        "GET", "/hosts", query_string=f"{name}={full}", headers={"Cookie": f"{name}={full}"}
    )
    assert answer.status_code == 401


def test_revoked_at_the_next_request(closed: Agent, tokens_file: Path, full: str) -> None:
    closed.reads(STATES, LIST)
    assert closed("GET", "/hosts", headers=bearer(full)).status_code == 200
    tokens.revoke(tokens_file, "ci")
    answer = closed("GET", "/hosts", headers=bearer(full))
    see_problem(answer, 401, "the token is unknown, or was revoked")


def test_tokens_that_cannot_be_read_let_nobody_in(
    closed: Agent, tokens_file: Path, full: str, caplog: pytest.LogCaptureFixture
) -> None:
    """On every path, as the OpenAPI document says."""
    tokens_file.write_text("damaged")
    detail = "the agent cannot read its tokens and refuses all requests; see its log"
    for path in every_path(closed):
        if ("GET", path) not in OPEN:
            for method in ("GET", "PUT", "DELETE"):
                answer = closed(method, path, headers=bearer(full))
                see_refused(answer, path, 503, detail)
    assert f"tokens_file: {tokens_file}: line 1: it has 1 words" in caplog.text
    assert closed("GET", "/hosts").status_code == 401


def test_open_health(fp: FakeProcess, tokens_file: Path, full: str) -> None:
    agent = Agent(fp, config=Config(tokens_file=str(tokens_file), open_health=True))
    for method, path in (("GET", "/health"), ("HEAD", "/health"), ("GET", "/health/")):
        expect_good_health(agent)
        assert agent(method, path).status_code == 200
    for method, path in (("POST", "/health"), ("GET", "/healthy"), ("GET", "/hosts")):
        assert agent(method, path).status_code == 401


def test_the_log_and_the_journal_name_who_asks(
    closed: Agent, full: str, read_only: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "agent.http")
    closed("DELETE", "/nope", headers=bearer(full))
    closed("DELETE", "/nope", headers=bearer(read_only))
    closed("DELETE", "/nope")
    names = [line.split(" ")[0] for line in caplog.messages]
    assert names == ["ci@127.0.0.1", "grafana@127.0.0.1", "127.0.0.1"]


def test_a_token_is_in_no_log_and_no_answer(
    closed: Agent, full: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known or not, in its place or not, and when something that nobody foresaw goes wrong."""

    def fail(self: Hosts) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(Hosts, "list", fail)
    caplog.set_level(logging.DEBUG)
    answers = [
        closed("GET", "/hosts", headers={"Authorization": given}, query_string=f"token={full}")
        for given in (f"Bearer {full}", f"Bearer {full}x", f"Basic {full}", full)
    ]
    assert [answer.status_code for answer in answers] == [500, 401, 401, 401]
    assert "RuntimeError: odd" in caplog.text
    assert full not in caplog.text
    assert not any(full in answer.text + str(answer.headers) for answer in answers)


def host(agent: Agent, name: str, **more: Any) -> int:
    """The status of a request to a path that is not there, by that name of the agent."""
    return agent("GET", "/nope", host=name, **more).status_code


LOOPBACK = Config()
EVERYWHERE = Config(listen="0.0.0.0:8420", no_authentication=True)
UNIX = Config(listen="unix:/run/agent.sock", server_names=("HV1.example.com",))


@pytest.mark.parametrize(
    ("config", "name", "status"),
    [
        (LOOPBACK, "localhost", 404),
        (LOOPBACK, "LOCALHOST.:8420", 404),
        (LOOPBACK, "127.0.0.1:1", 404),
        (LOOPBACK, "127.8.9.10", 404),
        (LOOPBACK, "[::1]:8420", 404),
        (LOOPBACK, "192.0.2.1", 421),
        (LOOPBACK, "evil.example.com", 421),
        (LOOPBACK, "localhost.evil.example.com", 421),
        (LOOPBACK, "127.0.0.1.evil.example.com", 421),
        (LOOPBACK, "[::1].evil.example.com", 421),
        (LOOPBACK, "localhost, evil.example.com", 421),
        (LOOPBACK, "localhost:8420:evil", 421),
        (LOOPBACK, "", 421),
        (Config(listen="192.0.2.1:8420"), "192.0.2.1:8420", 404),
        (Config(listen="192.0.2.1:8420"), "192.0.2.2:8420", 421),
        (Config(listen="[2001:db8:0::1]:8420"), "[2001:db8::1]:8420", 404),
        (Config(listen="hv1.example.com:8420"), "hv1.example.com", 404),
        (Config(server_names=("hv1.example.com", "192.0.2.1")), "Hv1.Example.com:8420", 404),
        (Config(server_names=("hv1.example.com", "192.0.2.1")), "192.0.2.1", 404),
        (EVERYWHERE, "192.0.2.1:8420", 404),
        (EVERYWHERE, "[2001:db8::1]", 404),
        (EVERYWHERE, "evil.example.com", 421),
        (Config(listen="[::]:8420"), "192.0.2.1:8420", 404),
        (UNIX, "localhost", 404),
        (UNIX, "hv1.example.com", 404),
        (UNIX, "evil.example.com", 421),
        (UNIX, "192.0.2.1", 421),
    ],
)
def test_the_names_that_it_answers_to(
    fp: FakeProcess, config: Config, name: str, status: int
) -> None:
    assert host(Agent(fp, config=config), name) == status


def test_a_name_that_is_led_here(agent: Agent) -> None:
    answer = agent("POST", "/networks/a", host="evil.example.com", body="{}")
    see_problem(
        answer,
        421,
        "the Host 'evil.example.com' is not a name of this agent; add it to the setting"
        " server_names",
    )


def test_a_client_that_sends_no_host(agent: Agent) -> None:
    """As health checkers do; no browser can."""
    assert host(agent, "evil.example.com", http_version="1.0") == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://localhost:8420.evil.example.com"},
        {"Origin": "http://[localhost:8420"},
        {"Origin": "localhost:8420"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:8420", "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/networks/a"), ("DELETE", "/hosts/a"), ("PUT", "/hosts/a/stop"), ("POST", "/nope")],
)
def test_a_page_of_another_site_changes_nothing(
    agent: Agent, headers: dict[str, str], method: str, path: str
) -> None:
    """Not by a form either, which is sent without asking first."""
    form = {"Content-Type": "text/plain", **headers}
    answer = agent(method, path, host="localhost", port=8420, headers=form, body="{}")
    assert (answer.status_code, answer.json["title"]) == (403, "Forbidden")
    assert answer.json["detail"].startswith("a web page of another site sent this change")
    assert agent.journal.find() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:8420", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "HTTP://LOCALHOST:8420"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
    ids=str,
)
def test_its_own_pages_and_programs_may(agent: Agent, headers: dict[str, str]) -> None:
    answer = agent("POST", "/nope", host="localhost", port=8420, headers=headers)
    assert answer.status_code == 404


def test_a_page_of_another_site_reads_nothing(agent: Agent) -> None:
    """Its requests to read are answered, but no header lets the browser hand the answer on."""
    origin = {"Origin": "http://evil.example.com", "Access-Control-Request-Method": "PUT"}
    agent.reads(STATES, LIST)
    for answer in (
        agent("GET", "/hosts", headers=origin),
        agent("OPTIONS", "/hosts/a", headers=origin),
    ):
        assert answer.status_code == 200
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_client_of_a_unix_socket(fp: FakeProcess, caplog: pytest.LogCaptureFixture) -> None:
    """Waitress calls it localhost, and one that a trusted proxy names by its address."""
    agent = Agent(fp, config=UNIX)
    caplog.set_level("INFO", "agent.http")
    host(agent, "localhost", remote_addr="localhost")
    host(agent, "evil.example.com", remote_addr="localhost")
    host(agent, "localhost", remote_addr="192.0.2.7")
    assert [line.split(" ")[0] for line in caplog.messages] == ["unix", "unix", "192.0.2.7"]


@pytest.mark.parametrize(
    "config",
    [
        LOOPBACK,
        EVERYWHERE,
        UNIX,
        Config(listen="[::1]:1"),
        Config(listen="localhost:1"),
        Config(listen="127.1.2.3:1"),
        Config(listen="0.0.0.0:1", tokens_file="/t"),
    ],
    ids=str,
)
def test_a_start_that_is_safe(config: Config) -> None:
    require_authentication(config)


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "hv1.example.com:1", "127.0.0.1.nip.io:1"]
)
def test_a_start_that_would_let_everybody_in(listen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_authentication(Config(listen=listen))
    assert caught.value.detail == (
        f"listen: {listen} is not loopback, and anyone who can reach the agent controls the"
        " hypervisor; set tokens_file (or no_authentication = true)"
    )


def test_a_start_with_tokens_that_cannot_be_read(tokens_file: Path) -> None:
    tokens_file.write_text("damaged")
    with pytest.raises(ConfigError) as caught:
        require_authentication(Config(tokens_file=str(tokens_file)))
    assert caught.value.detail.startswith(f"tokens_file: {tokens_file}: line 1: ")


@pytest.mark.parametrize(
    ("listen", "proxy"), [("127.0.0.1:1", "unix"), ("unix:/run/agent.sock", "127.0.0.1")]
)
def test_a_start_with_a_proxy_that_cannot_be(listen: str, proxy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_authentication(Config(listen=listen, trusted_proxy=proxy))
    assert caught.value.detail == f"trusted_proxy: nothing from {proxy!r} can reach {listen}"


def test_without_tokens_there_is_none_to_read() -> None:
    assert AccessControl(CONFIG).tokens is None
