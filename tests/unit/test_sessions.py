"""HTTP Basic and sessions, as clients of Redfish authenticate."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
from pytest_subprocess import FakeProcess

from agent.access import tokens
from agent.access.control import SESSIONS
from agent.access.sessions import Sessions
from agent.access.tokens import Tokens
from agent.config import Config

from .test_access_control import BASIC, REALM, bearer
from .web import LIST, STATES, Agent, see_problem, see_redfish_error

SERVICE = "/redfish/v1/SessionService"
UNKNOWN = "the session is unknown, or has ended"


@pytest.fixture
def token(tokens_file: Path) -> str:
    return tokens.add(tokens_file, "ironic", read_only=False)


def basic(password: str, user: str = "admin") -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def begin(agent: Agent, password: str, user: str = "admin") -> falcon.testing.Result:
    return agent("POST", SESSIONS, body=json.dumps({"UserName": user, "Password": password}))


def session(agent: Agent, password: str) -> tuple[str, dict[str, str]]:
    """The path of a new session, and the header of its client."""
    answer = begin(agent, password)
    assert answer.status_code == 201
    return answer.headers["location"], {"X-Auth-Token": answer.headers["x-auth-token"]}


def see_refused(answer: falcon.testing.Result, why: str) -> None:
    see_redfish_error(answer, 401, why)
    assert answer.headers["www-authenticate"] == f'{REALM}, error="invalid_token", {BASIC}'


@pytest.mark.parametrize("user", ["", "admin", "a b", "żółw"])
@pytest.mark.parametrize("scheme", ["Basic", "basic"])
def test_a_token_as_the_password(closed: Agent, token: str, user: str, scheme: str) -> None:
    headers = {"Authorization": basic(token, user)["Authorization"].replace("Basic", scheme)}
    answer = closed("GET", SERVICE, headers=headers)
    assert (answer.status_code, answer.json) == (
        200,
        {
            "@odata.id": SERVICE,
            "@odata.type": "#SessionService.v1_1_8.SessionService",
            "Id": "SessionService",
            "Name": "Session Service",
            "ServiceEnabled": True,
            "SessionTimeout": 1800,
            "Sessions": {"@odata.id": SESSIONS},
        },
    )
    assert closed("GET", SERVICE, headers=bearer(token)).json == answer.json


@pytest.mark.parametrize(
    "given",
    [
        basic("nope")["Authorization"],
        basic("TOKEN:")["Authorization"],
        "Basic",
        "Basic TOKEN",
        "Basic !",
        "Basic \u00e9",
        # Without a colon, so without a password.
        f"Basic {base64.b64encode(b'TOKEN').decode()}",
    ],
)
def test_what_is_no_password(closed: Agent, token: str, given: str) -> None:
    answer = closed("GET", SERVICE, headers={"Authorization": given.replace("TOKEN", token)})
    see_refused(answer, "the token is unknown, or was revoked")


def test_a_wrong_password_costs_what_a_wrong_token_does(
    closed: Agent, token: str, tokens_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens.add(tokens_file, "other", read_only=True)
    compared = []
    compare = tokens.hmac.compare_digest
    monkeypatch.setattr(
        tokens.hmac, "compare_digest", lambda a, b: compared.append(b) or compare(a, b)
    )
    every = [each.hash for each in tokens.read(tokens_file)]
    for headers in (basic("x" * 43), bearer("x" * 43)):
        assert closed("GET", SERVICE, headers=headers).status_code == 401
    assert begin(closed, "x" * 43).status_code == 401
    assert compared == [*every, *every, *every]


def test_basic_and_sessions_are_for_redfish_alone(closed: Agent, token: str) -> None:
    _, headers = session(closed, token)
    for given in (basic(token), headers):
        answer = closed("GET", "/hosts", headers=given)
        see_problem(answer, 401, "this needs a token, in a header: Authorization: Bearer TOKEN")
        assert answer.headers["www-authenticate"] == REALM
    closed.reads(STATES, LIST)
    assert closed("GET", "/hosts", headers={**headers, **bearer(token)}).status_code == 200


def test_a_session(
    closed: Agent, token: str, tokens_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = begin(closed, token, 'an "odd" user')
    document = answer.json
    path = f"{SESSIONS}/{document['Id']}"
    assert (answer.status_code, answer.headers["location"], document) == (
        201,
        path,
        {
            "@odata.id": path,
            "@odata.type": "#Session.v1_3_0.Session",
            "Id": document["Id"],
            "Name": "User Session",
            "UserName": 'an "odd" user',
        },
    )
    secret = answer.headers["x-auth-token"]
    headers = {"X-Auth-Token": secret}
    assert len(secret) == 43
    assert closed("GET", path, headers=headers).json == document
    assert closed("GET", f"{SESSIONS}/", headers=headers).json == {
        "@odata.id": SESSIONS,
        "@odata.type": "#SessionCollection.SessionCollection",
        "Name": "Sessions",
        "Members@odata.count": 1,
        "Members": [{"@odata.id": path}],
    }
    assert answer.headers["odata-version"] == "4.0"
    ended = closed("DELETE", path, headers=headers)
    assert (ended.status_code, ended.text) == (204, "")
    see_refused(closed("GET", SERVICE, headers=headers), UNKNOWN)
    # What is given as a session is looked at alone.
    see_refused(closed("GET", SERVICE, headers={**headers, **basic(token)}), UNKNOWN)
    assert [line.split(" ")[0] for line in caplog.messages] == [
        *["ironic@127.0.0.1"] * 4,
        *["127.0.0.1"] * 2,
    ]
    assert not any(text in caplog.text for text in (token, secret))
    assert closed.journal.find() == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "body: it is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "body: it is not JSON: it is nested too deeply"),
        ("[]", "body: [] is not of type 'object'"),
        ('{"username": "a"}', "UserName: is required; Password: is required"),
        ('{"UserName": "a", "Password": 1}', "Password: 1 is not of type 'string'"),
        ('{"UserName": null, "Password": "a"}', "UserName: None is not of type 'string'"),
    ],
    ids=range(6),
)
def test_a_body_that_begins_no_session(
    fp: FakeProcess, token: str, tokens_file: Path, body: str, why: str
) -> None:
    agent = Agent(fp, config=Config(tokens_file=str(tokens_file), body_bytes=200_000))
    answer = agent("POST", SESSIONS, body=body)
    see_redfish_error(answer, 400, why)


def test_a_client_may_say_more(closed: Agent, token: str) -> None:
    body = {"UserName": "a", "Password": token, "SessionType": "Redfish"}
    assert closed("POST", SESSIONS, body=json.dumps(body)).status_code == 201


def test_a_session_ends_with_its_token(closed: Agent, token: str, tokens_file: Path) -> None:
    """Also when another token gets its name."""
    _, headers = session(closed, token)
    tokens.revoke(tokens_file, "ironic")
    see_refused(closed("GET", SERVICE, headers=headers), UNKNOWN)
    again = tokens.add(tokens_file, "ironic", read_only=False)
    see_refused(closed("GET", SERVICE, headers=headers), UNKNOWN)
    assert closed("GET", SESSIONS, headers=bearer(again)).json["Members"] == []
    see_refused(begin(closed, token), "the password is not a valid token")


def test_tokens_that_cannot_be_read_let_no_session_in(
    closed: Agent, token: str, tokens_file: Path
) -> None:
    _, headers = session(closed, token)
    tokens_file.write_text("damaged")
    detail = "the agent cannot read its tokens and refuses all requests; see its log"
    for answer in (closed("GET", SERVICE, headers=headers), begin(closed, token)):
        see_redfish_error(answer, 503, detail)


def test_a_session_has_the_rights_of_its_token(closed: Agent, tokens_file: Path) -> None:
    """A read-only one may end it, and do nothing else."""
    reader = tokens.add(tokens_file, "reader", read_only=True)
    path, headers = session(closed, reader)
    for method in ("POST", "PATCH", "DELETE"):
        for where in ("/redfish/v1/Systems/a", SERVICE, f"{SERVICE}/SessionsX/a"):
            see_redfish_error(
                closed(method, where, headers=headers),
                403,
                "the token reader is read-only; it permits only GET, HEAD and OPTIONS",
            )
    assert closed("DELETE", path, headers=headers).status_code == 204


def test_sessions_of_another_token(closed: Agent, token: str, tokens_file: Path) -> None:
    path, headers = session(closed, token)
    other = bearer(tokens.add(tokens_file, "other", read_only=False))
    assert closed("GET", SESSIONS, headers=other).json["Members"] == []
    for method in ("GET", "DELETE"):
        answer = closed(method, path, headers=other)
        see_redfish_error(answer, 404, f"there is no session {path.rpartition('/')[2]!r}")
    assert closed("GET", path, headers=headers).status_code == 200
    # The token itself, and each of its sessions, have all of them.
    second, _ = session(closed, token)
    members = [{"@odata.id": path}, {"@odata.id": second}]
    for given in (headers, bearer(token), basic(token)):
        assert closed("GET", SESSIONS, headers=given).json["Members"] == members


def test_nobody_needs_a_token(agent: Agent) -> None:
    """Clients that insist on a session get one, and whatever they send then is taken."""
    answer = begin(agent, "anything")
    path = answer.headers["location"]
    assert answer.status_code == 201
    for given in ({"X-Auth-Token": answer.headers["x-auth-token"]}, {"X-Auth-Token": "x"}, {}):
        assert agent("GET", path, headers=given).json == answer.json
        assert agent("GET", SERVICE, headers={**given, **basic("nope")}).status_code == 200
    assert agent("DELETE", path).status_code == 204
    assert agent("GET", path).status_code == 404


@pytest.mark.parametrize(
    "more", [{"host": "evil.example.com"}, {"headers": {"Origin": "http://evil.example.com"}}]
)
def test_pages_of_other_sites_begin_no_session(
    closed: Agent, token: str, more: dict[str, Any]
) -> None:
    body = json.dumps({"UserName": "", "Password": token})
    assert closed("POST", SESSIONS, body=body, **more).status_code in (403, 421)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(tokens_file: Path, most: int = 3) -> tuple[Sessions, Clock]:
    clock = Clock()
    return Sessions(Tokens(tokens_file), 30, most, clock), clock


def opened(sessions: Sessions, token: str) -> str:
    begun = sessions.open("", token)
    assert begun is not None
    return begun[1]


def names(sessions: Sessions, *secrets: str) -> list[str | None]:
    """Whose sessions these are, None for those that have ended."""
    found = (sessions.find(secret) for secret in secrets)
    return [token and token.name for token in found]


def test_an_idle_session_ends(tokens_file: Path, token: str) -> None:
    sessions, clock = make(tokens_file)
    used, idle = opened(sessions, token), opened(sessions, token)
    clock.now = 29
    assert names(sessions, used) == ["ironic"]
    clock.now = 58
    assert names(sessions, used, idle) == ["ironic", None]
    assert len(sessions.of(tokens.read(tokens_file)[0])) == 1
    clock.now = 88
    assert names(sessions, used) == [None]


def test_a_session_that_is_always_used_ends_all_the_same(tokens_file: Path, token: str) -> None:
    sessions, clock = make(tokens_file)
    used = opened(sessions, token)
    while clock.now < 48 * 30:
        assert names(sessions, used) == ["ironic"]
        clock.now += 20
    assert names(sessions, used) == [None]


def test_the_longest_idle_session_makes_room(tokens_file: Path, token: str) -> None:
    """Of the same token, if it has one; else of any."""
    other = tokens.add(tokens_file, "other", read_only=True)
    sessions, clock = make(tokens_file)
    found = []
    for given in (other, token, token):
        found.append(opened(sessions, given))
        clock.now += 1
    assert names(sessions, found[1]) == ["ironic"]
    clock.now += 1
    fourth = opened(sessions, token)
    assert names(sessions, *found, fourth) == ["other", "ironic", None, "ironic"]
    clock.now += 1
    assert names(sessions, fourth, found[0]) == ["ironic", "other"]
    third = tokens.add(tokens_file, "third", read_only=True)
    fifth = opened(sessions, third)
    assert names(sessions, found[0], found[1], fourth, fifth) == ["other", None, "ironic", "third"]


@pytest.mark.parametrize("secret", ["", "x", "x" * 43, "x" * 5000, "\ud800"])
def test_what_is_no_session(tokens_file: Path, token: str, secret: str) -> None:
    sessions, _ = make(tokens_file)
    opened(sessions, token)
    assert names(sessions, secret) == [None]


def test_many_at_once(tokens_file: Path, token: str) -> None:
    sessions, _ = make(tokens_file, most=8)
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(lambda _: opened(sessions, token), range(64)))
        found = list(pool.map(sessions.find, secrets))
    assert len(sessions.of(tokens.read(tokens_file)[0])) == 8
    assert sum(each is not None for each in found) == 8
