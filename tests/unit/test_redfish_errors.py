"""Every error below /redfish is a Redfish error, whose messages are those of DMTF's registry."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import falcon.testing
import pytest
import sushy

from agent.compute.hosts import Hosts
from agent.redfish.errors import error

from .redfish import ROOT, details, message, see_error, there_are
from .test_power_plans import UUID
from .test_redfish_boot import HOST
from .web import LIST, STATES, Agent
from .web import details as reads_of
from .web import uuid as recorded_uuid

SYSTEM = f"{ROOT}/Systems/{UUID}"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
INSERT = f"{SYSTEM}/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia"
EJECT = f"{SYSTEM}/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia"
# DMTF's registries as sushy ships them: each message by its id, as responses have that.
REGISTRIES = {
    f"{registry['RegistryPrefix']}.{version.rpartition('.')[0]}.{name}": told
    for path in Path(sushy.__file__).parent.glob("standard_registries/*.json")
    for registry in [json.loads(path.read_text())]
    for version in [registry["RegistryVersion"]]
    for name, told in registry["Messages"].items()
}


@pytest.mark.parametrize("status", [status for status in HTTPStatus if status >= 400])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"operation": "one"},
        {"errors": [{"field": "body", "detail": "a"}, {"field": "Boot.a", "detail": "b"}]},
    ],
    ids=["plain", "of a change", "of fields"],
)
def test_every_message_is_in_the_registry(status: int, more: dict[str, Any]) -> None:
    """With as many arguments as its text takes there."""
    problem = {"title": "A", "status": status, "detail": "no", **more}
    told = error(problem, "/redfish/v1", "GET", "5")["error"]
    assert told["code"] in REGISTRIES
    for each in told["@Message.ExtendedInfo"]:
        assert each["MessageId"] == told["code"]
        assert len(each["MessageArgs"]) == REGISTRIES[told["code"]]["NumberOfArgs"]
        assert all(isinstance(argument, str) for argument in each["MessageArgs"])


def not_json(why: str) -> tuple[dict[str, Any], str]:
    """The message of a body that is no JSON, and the error's own text."""
    text = f"it is not JSON: {why}"
    return message(400, "GeneralError", text), f"body: {text}"


@pytest.mark.parametrize(("method", "path"), [("PATCH", SYSTEM), ("POST", RESET), ("POST", INSERT)])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("nonsense", "Expecting value: line 1 column 1 (char 0)"),
        ("[" * 50_000, "it is nested too deeply"),
        ('{"a":' * 9_000 + "1" + "}" * 9_000, "it is nested too deeply"),
        ('{"Boot": NaN}', "NaN is not a number in JSON"),
    ],
    ids=["half", "text", "nested lists", "nested objects", "no number"],
)
def test_a_body_that_is_no_json(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: str, why: str
) -> None:
    there_are(monkeypatch, details(HOST))
    told, text = not_json(why)
    see_error(agent(method, path, body=body), 400, told, text=text)
    assert agent.journal.find() == []


@pytest.mark.parametrize("body", [[], "text", 1, None, True, [{"ResetType": "On"}]])
@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", SYSTEM), ("POST", RESET), ("POST", INSERT), ("POST", EJECT)]
)
def test_a_body_that_is_no_object(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    there_are(monkeypatch, details(HOST))
    text = f"{body!r} is not of type 'object'"
    told = message(400, "GeneralError", text)
    see_error(agent(method, path, body=json.dumps(body)), 400, told, text=f"body: {text}")


def test_an_empty_body_of_a_change_that_needs_one(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, details(HOST))
    told, text = not_json("Expecting value: line 1 column 1 (char 0)")
    see_error(agent("PATCH", SYSTEM), 400, told, text=text)
    required = message(400, "GeneralError", "is required", related="Image")
    see_error(agent("POST", INSERT), 400, required, text="Image: is required")


def test_every_property_that_is_wrong_is_named(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, details(HOST))
    body = {"Boot": {"BootSourceOverrideEnabled": "x", "a": 1}, "b": 2}
    enabled = "'x' is not one of ['Once', 'Continuous', 'Disabled']"
    fields = (
        "there is no such field; the fields are BootSourceOverrideEnabled,"
        " BootSourceOverrideTarget, BootSourceOverrideMode"
    )
    none = "there is no such field; the fields are Boot"
    see_error(
        agent("PATCH", SYSTEM, json=body),
        400,
        message(400, "GeneralError", none, related="b"),
        message(400, "GeneralError", fields, related="Boot/a"),
        message(400, "GeneralError", enabled, related="Boot/BootSourceOverrideEnabled"),
        text=f"b: {none}; Boot.a: {fields}; Boot.BootSourceOverrideEnabled: {enabled}",
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ResetType": "Off"}, "'Off' is not one of {}"),
        ({"ResetType": None}, "None is not one of {}"),
        ({"ResetType": ["On"]}, "['On'] is not one of {}"),
    ],
)
def test_a_reset_of_an_unknown_kind(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, given: Any, why: str
) -> None:
    there_are(monkeypatch, details(HOST))
    kinds = "['On', 'ForceOff', 'GracefulShutdown', 'GracefulRestart', 'ForceRestart'"
    why = why.format(f"{kinds}, 'PushPowerButton', 'Nmi']")
    told = message(400, "GeneralError", why, related="ResetType")
    see_error(agent("POST", RESET, json=given), 400, told, text=f"ResetType: {why}")


def test_a_query_parameter_is_no_property(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    there_are(monkeypatch, details(HOST))
    why = "there is no such query parameter; the parameters are dry_run"
    answer = agent("POST", RESET, json={}, params={"dry": "true"})
    see_error(answer, 400, message(400, "GeneralError", why), text=f"dry: {why}")


def test_a_body_that_is_too_large(agent: Agent) -> None:
    text = "a body has at most 65536 bytes"
    answer = agent("PATCH", SYSTEM, headers={"Content-Length": "65537"})
    see_error(answer, 413, message(413, "GeneralError", text))


@pytest.mark.parametrize(
    "path", ["/redfish/v2", f"{ROOT}/Chassis", f"{ROOT}/$metadata", f"{SYSTEM}/Bios"]
)
def test_nothing_there(agent: Agent, path: str) -> None:
    text = f"there is nothing at {path}"
    see_error(agent("GET", path), 404, message(404, "ResourceMissingAtURI", text, path))


def test_what_only_begins_like_redfish(agent: Agent) -> None:
    answer = agent("GET", "/redfishes")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_no_such_host(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is a host by its name."""
    there_are(monkeypatch, details(HOST))
    for id_ in ("ns", UUID[:-1] + "2"):
        for method, end, body in (
            ("GET", "", None),
            ("PATCH", "", {"Boot": {}}),
            ("POST", "/Actions/ComputerSystem.Reset", {}),
            ("POST", "/Storage/1/Volumes", {}),
        ):
            path = f"{ROOT}/Systems/{id_}{end}"
            text = f"there is no host '{id_}'"
            told = message(404, "ResourceMissingAtURI", text, path)
            see_error(agent(method, path, json=body), 404, told)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", SYSTEM, "GET, PATCH, OPTIONS"),
        ("PUT", SYSTEM, "GET, PATCH, OPTIONS"),
        ("GET", RESET, "POST, OPTIONS"),
        ("POST", f"{ROOT}/Systems", "GET, OPTIONS"),
        ("PATCH", f"{SYSTEM}/VirtualMedia/Cd", "GET, OPTIONS"),
        ("POST", ROOT, "GET, OPTIONS"),
    ],
)
def test_a_method_that_is_not_taken(agent: Agent, method: str, path: str, allow: str) -> None:
    answer = agent(method, path)
    text = f"{path} does not take {method}; it takes {allow}"
    see_error(answer, 405, message(405, "ActionNotSupported", text, method))
    assert answer.headers["allow"] == allow


OUT_OF_REACH = (
    "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to connect socket"
    " to '/var/run/libvirt/libvirt-sock': No such file or directory"
)


def see_out_of_reach(answer: falcon.testing.Result, exit_code: int = 1) -> None:
    (told,) = answer.json["error"]["@Message.ExtendedInfo"]
    oem = told["Oem"]["StagingAgent"]
    assert (set(oem), oem["exit_code"]) == ({"command", "exit_code", "stderr"}, exit_code)
    unavailable = "ServiceTemporarilyUnavailable"
    see_error(answer, 503, message(503, unavailable, OUT_OF_REACH, "5", oem=oem))


def test_libvirt_is_away(agent: Agent) -> None:
    agent.out_of_reach(STATES, LIST)
    see_out_of_reach(agent("GET", f"{ROOT}/Systems"))
    agent.out_of_reach(*reads_of(1, "running"))
    see_out_of_reach(agent("GET", f"{ROOT}/Systems/{recorded_uuid(1)}"))


def test_an_error_that_nobody_expected(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("odd")

    monkeypatch.setattr(Hosts, "system", fails)
    answer = agent("GET", SYSTEM)
    request = answer.headers["x-request-id"]
    text = f"an unexpected error; the agent's log has it under request {request}"
    see_error(answer, 500, message(500, "InternalError", text))


def test_a_head_of_nothing(agent: Agent) -> None:
    head = agent("HEAD", f"{ROOT}/Chassis")
    assert (head.status_code, head.text, head.headers["content-type"]) == (
        404,
        "",
        "application/json",
    )
