"""What Redfish changes: resets, what a host boots from, media. Each is a change as any other."""

from dataclasses import replace
from typing import Any

import pytest

from agent.compute.hosts import RESETS
from agent.hypervisor.facts import PoolFacts
from agent.hypervisor.hypervisor import Hypervisor
from agent.operations.locks import Claim
from agent.operations.operation import DONE, Request
from agent.operations.steps import Steps
from agent.plans import media as media_plans
from agent.plans.plan import Install, Plan, Step
from agent.plans.script import script
from agent.redfish import documents
from agent.tools.parsers.libvirt_xml import Disk

from . import web
from .redfish import ROOT, details, message, see_error, there_are
from .test_power_plans import COMMANDS, CONFIG, DESTROY, DOES, DOMAIN, NOTHING, STATES, TABLE, UUID
from .test_redfish_boot import (
    HOST,
    PXE_ALWAYS,
    STARTS,
    V10,
    boot,
    noted,
    once,
    order,
    starts_once,
    virsh,
)
from .web import Agent

SYSTEM = f"{ROOT}/Systems/{UUID}"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
DRY = {"dry_run": "true"}
OFF = "shut off"
VERBS = {
    "On": "start",
    "ForceOff": "stop",
    "GracefulShutdown": "shutdown",
    "GracefulRestart": "reboot",
    "ForceRestart": "reset",
    "PushPowerButton": "shutdown",
}
NMI = Step("send domain ns a non-maskable interrupt", virsh("inject-nmi", f"--domain={UUID}"))


def outcome(kind: str, state: str) -> Plan | str | None:
    """What becomes of a kind of reset in a state: a plan, or the word of what refuses it."""
    if kind == "Nmi":
        runs = state in ("running", "idle")
        return Plan("interrupt host ns", (NMI,), leave=True) if runs else "an interrupt"
    verb = VERBS[kind]
    if state == OFF and kind in ("ForceRestart", "PushPowerButton"):
        verb = "start"
    does = TABLE[verb][STATES.index(state)]
    if does == DOES:
        return Plan(f"{verb} host ns", (COMMANDS[verb],), leave=True)
    return Plan(f"{verb} host ns", (), leave=True) if does == NOTHING else verb


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", RESETS)
def test_a_reset_in_a_state(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, kind: str, state: str
) -> None:
    there_are(monkeypatch, details(DOMAIN, state))
    answer = agent("POST", RESET, json={"ResetType": kind}, params=DRY)
    expected = outcome(kind, state)
    if isinstance(expected, Plan):
        assert (answer.status_code, answer.json) == (200, expected.to_json())
    else:
        text = answer.json["error"]["message"]
        assert text.startswith(f"host 'ns' is in state '{state}', and {expected} takes one that")
        see_error(answer, 409, message(409, "ResourceInUse", text))


def test_every_kind_of_reset_is_in_the_table() -> None:
    assert set(RESETS) == {*VERBS, "Nmi"}


@pytest.mark.parametrize(
    ("target", "words"),
    [("Pxe", ("--pxe",)), ("Cd", ("--cdrom=/pool/a.iso",)), ("Hdd", ("--install=bootdev=hd",))],
)
@pytest.mark.parametrize("kind", ["On", "ForceRestart", "PushPowerButton"])
def test_a_start_heeds_what_is_set_for_once(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, kind: str, target: str, words: tuple[str, ...]
) -> None:
    kept = once(target, boot=("network", "disk"))
    there_are(monkeypatch, details(kept), networks=[V10])
    answer = agent("POST", RESET, json={"ResetType": kind}, params=DRY)
    assert answer.json == starts_once(target, *words).to_json()


def test_a_start_by_the_api_heeds_what_is_set_for_once(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not so the start after an install, which is none of a power button."""
    there_are(monkeypatch, details(once("Pxe")), networks=[V10])
    answer = agent("PUT", "/hosts/ns/start", params=DRY)
    assert answer.json == starts_once("Pxe", "--pxe").to_json()
    assert agent.hosts.start_plan(UUID) == STARTS


def test_a_restart_heeds_what_is_set_for_once(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, details(once("Pxe"), "running", HOST), networks=[V10])
    answer = agent("POST", RESET, json={"ResetType": "ForceRestart"}, params=DRY)
    plan = starts_once("Pxe", "--pxe", does="restart host ns")
    stop = Step("stop domain ns", DESTROY)
    assert answer.json == replace(plan, steps=(stop, *plan.steps)).to_json()


@pytest.mark.parametrize("kind", ["GracefulShutdown", "GracefulRestart", "ForceOff", "Nmi"])
def test_what_is_set_for_once_waits_for_a_start(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    there_are(monkeypatch, details(once("Pxe"), "running"), networks=[V10])
    expected = outcome(kind, "running")
    assert isinstance(expected, Plan)
    answer = agent("POST", RESET, json={"ResetType": kind}, params=DRY)
    assert answer.json == expected.to_json()


@pytest.mark.parametrize("body", [{}, None])
def test_a_reset_of_no_kind_is_on(agent: Agent, monkeypatch: pytest.MonkeyPatch, body: Any) -> None:
    there_are(monkeypatch, details(DOMAIN))
    more = {} if body is None else {"json": body}
    answer = agent("POST", RESET, params=DRY, **more)
    assert answer.json == Plan("start host ns", (COMMANDS["start"],), leave=True).to_json()


def test_a_reset_is_a_change_as_any_other(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal has the request as it came in, and the script of what was done."""
    there_are(monkeypatch, details(DOMAIN, "running"))
    agent.runs(*DESTROY.argv)
    answer = agent("POST", RESET, json={"ResetType": "ForceOff"})
    assert (answer.status_code, answer.text) == (204, "")
    found = agent("GET", f"/operations/{answer.headers['x-operation-id']}").json
    assert (found["host"], found["does"], found["status"]) == ("ns", "stop host ns", DONE)
    assert found["request"] == {
        "method": "POST",
        "path": RESET,
        "body": {"ResetType": "ForceOff"},
        "request_id": answer.headers["x-request-id"],
        "client": "127.0.0.1",
    }
    assert [command["argv"] for command in found["commands"]] == [list(DESTROY.argv)]


def test_a_reset_is_waited_for(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is preferred: its client could not follow an operation of the API."""
    there_are(monkeypatch, details(DOMAIN, "running"))
    agent.runs(*DESTROY.argv)
    answer = agent(
        "POST", RESET, json={"ResetType": "ForceOff"}, headers={"Prefer": "respond-async"}
    )
    assert (answer.status_code, answer.text) == (204, "")
    assert {"location", "preference-applied"}.isdisjoint(answer.headers)
    found = agent.journal.get(answer.headers["x-operation-id"])
    assert found is not None
    assert found["status"] == DONE


def test_a_dry_run_as_a_script(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    there_are(monkeypatch, details(DOMAIN, "running"))
    shell = {"Accept": "text/x-shellscript"}
    answer = agent("POST", RESET, json={"ResetType": "ForceOff"}, params=DRY, headers=shell)
    plan = Plan("stop host ns", (COMMANDS["stop"],), leave=True)
    assert answer.text == script(plan, [f"dry run of POST {RESET}"])


def test_another_host_that_has_the_name_by_now_is_left_alone(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host was removed and another one made after the request had looked for its name."""
    there_are(monkeypatch, details(DOMAIN, "running"))
    other = UUID.replace("6", "7")
    monkeypatch.setattr(Hypervisor, "domain_uuid", lambda *_: other)
    insert = f"{SYSTEM}/VirtualMedia/Cd/Actions/VirtualMedia"
    for method, path, body in (
        ("POST", RESET, {"ResetType": "ForceOff"}),
        ("PATCH", SYSTEM, {"Boot": boot("Once", "Pxe")}),
        ("POST", f"{insert}.InsertMedia", {"Image": "http://a/b.iso"}),
        ("POST", f"{insert}.EjectMedia", {}),
    ):
        answer = agent(method, path, json=body)
        oem = {"operation": answer.headers["x-operation-id"]}
        see_error(answer, 404, message(404, "GeneralError", f"there is no host '{UUID}'", oem=oem))


def begin_install(agent: Agent, location: str | None, *, override: bool = False) -> None:
    plan = Plan("install host ns", (), Install("ns", UUID, location, override=override))
    agent.journal.begin("install", Request("PUT", "/hosts/ns/install", {}, "r", None, "ns"), plan)
    agent.journal.end("install", DONE)


INSTALLING = replace(HOST, kernel=True, on_reboot="destroy")


@pytest.mark.parametrize(
    ("kind", "verb"),
    [
        ("GracefulShutdown", "shutdown"),
        ("GracefulRestart", "reboot"),
        ("PushPowerButton", "shutdown"),
        ("ForceRestart", "ForceRestart"),
    ],
)
@pytest.mark.parametrize("location", ["http://tree/", None])
def test_a_host_that_is_being_installed(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, location: str | None, kind: str, verb: str
) -> None:
    """From a location, or from the network or media."""
    there_are(monkeypatch, details(HOST, "running", INSTALLING))
    begin_install(agent, location)
    answer = agent("POST", RESET, json={"ResetType": kind})
    text = (
        f"host 'ns' is in state 'running' and runs its installer, which {verb} would interrupt;"
        " stop ends the install"
    )
    oem = {"operation": answer.headers["x-operation-id"]}
    see_error(answer, 409, message(409, "ResourceInUse", text, oem=oem))


def test_a_restart_of_one_that_has_booted_something_once(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is followed like an install, and has none to be ended halfway."""
    there_are(monkeypatch, details(HOST, "running", replace(HOST, on_reboot="destroy")))
    begin_install(agent, None, override=True)
    answer = agent("POST", RESET, json={"ResetType": "ForceRestart"}, params=DRY)
    assert [step["does"] for step in answer.json["steps"]] == ["stop domain ns", "start domain ns"]


def test_a_host_that_another_change_holds(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    there_are(monkeypatch, details(DOMAIN, "running"))
    agent.locks.acquire([Claim("host", "ns")], "another")
    for method, path, body in (
        ("POST", RESET, {"ResetType": "ForceOff"}),
        ("PATCH", SYSTEM, {"Boot": boot("Once", "Pxe")}),
    ):
        answer = agent(method, path, json=body)
        oem = {"held_by": "another", "operation": answer.headers["x-operation-id"]}
        text = "operation another holds host 'ns'; try again when it has ended"
        see_error(answer, 409, message(409, "ResourceInUse", text, oem=oem))


PATCH = {"Boot": boot("Continuous", "Pxe")}


def test_what_a_host_boots_from_is_set(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is the system as it is then, with its new ETag."""
    there_are(monkeypatch, details(HOST))
    before = agent("GET", SYSTEM)
    run = Steps.run

    def then(*arguments: Any) -> None:
        run(*arguments)
        there_are(monkeypatch, details(PXE_ALWAYS))

    monkeypatch.setattr(Steps, "run", then)
    steps = (order("network", "disk"), noted("Continuous", "Pxe"))
    for step in steps:
        agent.runs(*step.command.argv)
    answer = agent("PATCH", SYSTEM, json=PATCH, headers={"If-Match": before.headers["etag"]})
    assert (answer.status_code, answer.json["Boot"]) == (200, documents.boot(PXE_ALWAYS))
    after = agent("GET", SYSTEM)
    assert (answer.json, answer.headers["etag"]) == (after.json, after.headers["etag"])
    assert after.headers["etag"] != before.headers["etag"]
    found = agent("GET", f"/operations/{answer.headers['x-operation-id']}").json
    request = found["request"]
    assert (request["method"], request["path"], request["body"]) == ("PATCH", SYSTEM, PATCH)
    assert [each["argv"] for each in found["commands"]] == [list(s.command.argv) for s in steps]


@pytest.mark.parametrize("given", ['"other"', 'W/"other"', '"a", "b"'])
def test_a_system_that_has_changed_since_it_was_read(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """Nothing is done, and no operation begins."""
    there_are(monkeypatch, details(HOST))
    see_changed(agent, agent("PATCH", SYSTEM, json=PATCH, headers={"If-Match": given}))


def test_a_system_that_changes_before_it_is_held(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    there_are(monkeypatch, details(HOST))
    tag = agent("GET", SYSTEM).headers["etag"]

    def domain_uuid(*_: Any) -> str:
        there_are(monkeypatch, details(once("Cd")))
        return UUID

    # The first that is read of it once it is held.
    monkeypatch.setattr(Hypervisor, "domain_uuid", domain_uuid)
    see_changed(agent, agent("PATCH", SYSTEM, json=PATCH, headers={"If-Match": tag}))


def see_changed(agent: Agent, answer: Any) -> None:
    """Fail unless an answer is that of an ETag which is not the system's any more."""
    text = "the document has changed since its ETag was read; read it again"
    oem = {"operation": answer.headers["x-operation-id"]}
    see_error(answer, 412, message(412, "GeneralError", text, oem=oem))
    assert agent.journal.find() == []


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_system_that_is_as_it_was_read(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    there_are(monkeypatch, details(HOST))
    tag = agent("GET", SYSTEM).headers["etag"]
    headers = {"If-Match": form.format(tag)}
    answer = agent("PATCH", SYSTEM, json=PATCH, headers=headers, params=DRY)
    steps = (order("network", "disk"), noted("Continuous", "Pxe"))
    plan = Plan("set what host ns boots from next", steps, leave=True)
    assert (answer.status_code, answer.json) == (200, plan.to_json())


IMAGE = "http://a/b.iso"
LOADED = replace(
    HOST,
    media=IMAGE,
    disks=(*HOST.disks, Disk("sdd", "cdrom", f"/pool/ns.{UUID}.media", None, None, ())),
)
POOL = PoolFacts(CONFIG.pool, "/pool", {})
DRIVES = (f"{SYSTEM}/VirtualMedia/Cd", f"{ROOT}/Managers/{UUID}/VirtualMedia/Cd")
each_drive = pytest.mark.parametrize("drive", DRIVES, ids=["system", "manager"])


def plan_of(answer: Any) -> Plan:
    assert answer.status_code == 200, answer.text
    return Plan.from_json(answer.json)


@each_drive
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"Inserted": True, "WriteProtected": True},
        {"MediaType": "DVD", "TransferMethod": "Upload", "TransferProtocolType": "HTTP"},
    ],
)
def test_media_are_inserted(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, drive: str, more: dict[str, Any]
) -> None:
    there_are(monkeypatch, details(HOST))
    monkeypatch.setattr(Hypervisor, "pool_without_volumes", lambda _: POOL)
    path = f"{drive}/Actions/VirtualMedia.InsertMedia"
    answer = agent("POST", path, json={"Image": IMAGE, **more}, params=DRY)
    expected = media_plans.insert(IMAGE, details(HOST), POOL, web.CONFIG)
    assert plan_of(answer) == expected


@each_drive
def test_media_are_ejected(agent: Agent, monkeypatch: pytest.MonkeyPatch, drive: str) -> None:
    """Clients send an empty body or none at all."""
    there_are(monkeypatch, details(LOADED))
    path = f"{drive}/Actions/VirtualMedia.EjectMedia"
    expected = media_plans.eject(details(LOADED), web.CONFIG)
    assert plan_of(agent("POST", path, params=DRY)) == expected
    assert plan_of(agent("POST", path, json={}, params=DRY)) == expected


@each_drive
def test_media_that_are_in(agent: Agent, monkeypatch: pytest.MonkeyPatch, drive: str) -> None:
    there_are(monkeypatch, details(LOADED))
    shown = agent("GET", drive).json
    assert {name: shown[name] for name in ("Image", "ImageName", "Inserted", "ConnectedVia")} == {
        "Image": IMAGE,
        "ImageName": "b.iso",
        "Inserted": True,
        "ConnectedVia": "URI",
    }
    monkeypatch.setattr(Hypervisor, "pool_without_volumes", lambda _: POOL)
    answer = agent("POST", f"{drive}/Actions/VirtualMedia.InsertMedia", json={"Image": IMAGE})
    text = f"host 'ns' has media already, from {IMAGE}; take it out first"
    oem = {"operation": answer.headers["x-operation-id"]}
    see_error(answer, 409, message(409, "ResourceInUse", text, oem=oem))


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("http://user:s3cret@a/b/c.iso?d=/e", "c.iso"),
        ("http://user:s3cret@a", None),
        ("http://user:s3cret@a?b=1", None),
        ("http://user:s3cret@a/", None),
    ],
)
def test_the_name_of_an_image_has_no_password(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, image: str, name: str | None
) -> None:
    there_are(monkeypatch, details(replace(LOADED, media=image)))
    shown = agent("GET", DRIVES[0]).json
    assert (shown["Image"], shown["ImageName"]) == (image, name)


@each_drive
def test_no_media_to_eject(agent: Agent, monkeypatch: pytest.MonkeyPatch, drive: str) -> None:
    """There is something at the path, so the message is not the one that says the contrary."""
    there_are(monkeypatch, details(HOST))
    answer = agent("POST", f"{drive}/Actions/VirtualMedia.EjectMedia")
    oem = {"operation": answer.headers["x-operation-id"]}
    see_error(answer, 404, message(404, "GeneralError", "host 'ns' has no media", oem=oem))


INSERT_HAS = "Image, Inserted, WriteProtected, MediaType, TransferMethod, TransferProtocolType"


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({}, "Image", "is required"),
        ({"Image": 1}, "Image", "1 is not of type 'string'"),
        (
            {"Image": IMAGE, "UserName": "a"},
            "UserName",
            f"there is no such field; the fields are {INSERT_HAS}",
        ),
        ({"Image": IMAGE, "Inserted": False}, "Inserted", "media are always inserted at once"),
        ({"Image": IMAGE, "WriteProtected": False}, "WriteProtected", "media are read-only"),
        (
            {"Image": IMAGE, "MediaType": "USBStick"},
            "MediaType",
            "'USBStick' is not one of ['CD', 'DVD']",
        ),
        (
            {"Image": IMAGE, "TransferMethod": "Stream"},
            "TransferMethod",
            "'Stream' is not one of ['Upload']",
        ),
        ({"Image": "ftp://a/b.iso"}, "Image", "it is not an http or https URL"),
        ({"Image": "nfs:/a"}, "Image", "it is not an http or https URL"),
    ],
)
def test_media_that_are_refused(
    agent: Agent, monkeypatch: pytest.MonkeyPatch, given: Any, field: str, why: str
) -> None:
    there_are(monkeypatch, details(HOST))
    answer = agent("POST", f"{DRIVES[0]}/Actions/VirtualMedia.InsertMedia", json=given)
    told = message(400, "GeneralError", why, related=field)
    see_error(answer, 400, told, text=f"{field}: {why}")
    assert agent.journal.find() == []


def test_no_volume_is_made(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    there_are(monkeypatch, details(HOST))
    text = "every drive of this storage is a volume already; there is none left"
    answer = agent("POST", f"{SYSTEM}/Storage/1/Volumes", json={"RAIDType": "RAID1"})
    see_error(answer, 409, message(409, "ResourceInUse", text))
    answer = agent("POST", f"{SYSTEM}/Storage/2/Volumes", json={})
    assert answer.status_code == 404
