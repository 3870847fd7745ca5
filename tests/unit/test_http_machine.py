"""What a host's surroundings change: its boot order, installs again, media, and snapshots."""

import shlex
from typing import Any
from urllib.parse import quote

import pytest
from pytest_subprocess import FakeProcess

from agent.config import Config
from agent.operations.locks import Claim
from agent.operations.operation import DONE, Request
from agent.plans.plan import Install, Plan, Step
from agent.tools.command import Command
from agent.tools.parsers import libvirt_xml

from .changes import (
    BODY,
    CASES,
    CREATE_HOST,
    CREATE_NETWORK,
    CREATE_SNAPSHOT,
    DELETE_HOST,
    DELETE_NETWORK,
    DELETE_SNAPSHOT,
    EJECT_MEDIA,
    FETCH,
    HOST,
    IMAGE,
    INSERT_MEDIA,
    INSTALL_HOST,
    MACS,
    MEDIA,
    NO_SNAPSHOTS,
    REVERT_SNAPSHOT,
    SET_BOOT,
    SNAPSHOT_NAMES,
    TREE,
    VIRT_INSTALL,
    Case,
    expect_facts,
    expect_host,
    expect_insert,
    expect_install,
    expect_new_snapshot,
    expect_revert,
    expect_snapshots,
    off,
    snapshot,
    volume,
    with_media,
)
from .recorded import Read, recorded, virsh, virsh_error
from .test_http_hosts import SHOWN
from .web import (
    LIST,
    NET_UUIDS,
    NETWORKS,
    NOW,
    ODD,
    Agent,
    details,
    see_invalid,
    see_problem,
    uuid,
)

RUNNING = details(1, "running")
CREATED = {
    case: libvirt_xml.snapshot(virsh(f"snapshot-dumpxml-{case}")).created
    for case in ("running", "off")
}
CLEAN = {"name": "clean", "state": "running", "created": CREATED["running"]}
# What was made of the changed host, by the change: the reads of it, and the answer.
MEDIA_SHOWN = {**SHOWN, "media": {"image": IMAGE}}
INSTALLING = {
    "state": "running",
    "started": NOW,
    "finished": None,
    "location": TREE,
    "reason": None,
}


def expect_off(agent: Agent) -> None:
    """The reads of a host that is known, and off: where its cards lead is its networks' to say."""
    agent.reads(*off())
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)


def network_first() -> tuple[Read, ...]:
    """The recorded host with another boot order from its next start on."""
    dominfo, xml, kept, *rest = RUNNING
    order = "<boot dev='hd'/>\n    <boot dev='network'/>"
    assert order in kept.stdout
    text = kept.stdout.replace(order, "<boot dev='network'/>\n    <boot dev='hd'/>")
    return (dominfo, xml, Read(" ".join(kept.words), text), *rest)


@pytest.mark.parametrize(
    ("case", "shown", "answer"),
    [
        (SET_BOOT, network_first(), {**SHOWN, "boot": ["network", "disk"]}),
        (INSTALL_HOST, RUNNING, {**SHOWN, "install": INSTALLING}),
        (INSERT_MEDIA, with_media(), MEDIA_SHOWN),
        (EJECT_MEDIA, RUNNING, SHOWN),
        (REVERT_SNAPSHOT, RUNNING, SHOWN),
        (CREATE_SNAPSHOT, None, CLEAN),
        (DELETE_SNAPSHOT, (), {"host": HOST, "name": "clean"}),
    ],
    ids=lambda value: value.plan.does if isinstance(value, Case) else "",
)
def test_a_change(
    agent: Agent, case: Case, shown: tuple[Read, ...] | None, answer: dict[str, Any]
) -> None:
    """shown: the reads of the host for the answer, None for those of its snapshots."""
    case.expect(agent)
    case.expect_steps(agent)
    if shown is None:
        expect_snapshots(agent)
    elif shown:
        agent.reads(*shown)
    found = case.ask(agent)
    assert (found.status_code, found.json) == (200, answer)


def test_a_host_with_media(agent: Agent) -> None:
    expect_host(agent, with_media())
    assert agent("GET", f"/hosts/{HOST}").json == MEDIA_SHOWN


def test_media_that_somebody_forgot(agent: Agent) -> None:
    """It is in the drive all the same."""
    dominfo, xml, kept, *rest = with_media()
    text = kept.stdout.replace(IMAGE.replace("&", "&amp;").replace("<", "&lt;"), "x")
    text = text.replace(text[text.index("<metadata>") : text.index("</metadata>")], "<metadata>")
    expect_host(agent, (dominfo, xml, Read(" ".join(kept.words), text), *rest))
    assert agent("GET", f"/hosts/{HOST}").json == {**SHOWN, "media": {"image": None}}


# Snapshots.


def test_snapshots_oldest_first(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(SNAPSHOT_NAMES)
    later = str(CREATED["off"] + 1)
    first, second = snapshot("running", "clean"), snapshot("off", ODD)
    first.stdout = first.stdout.replace(f">{CREATED['running']}<", f">{later}<")
    agent.reads(first, second)
    answer = agent("GET", f"/hosts/{HOST}/snapshots")
    assert (answer.status_code, answer.json) == (
        200,
        [
            {"name": ODD, "state": "shut off", "created": CREATED["off"]},
            {"name": "clean", "state": "running", "created": CREATED["off"] + 1},
        ],
    )


def test_no_snapshots(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(NO_SNAPSHOTS)
    answer = agent("GET", f"/hosts/{HOST}/snapshots")
    assert (answer.status_code, answer.text) == (200, "[]\n")


def test_a_snapshot(agent: Agent) -> None:
    expect_snapshots(agent)
    answer = agent("GET", f"/hosts/{HOST}/snapshots/clean")
    assert (answer.status_code, answer.json) == (200, CLEAN)
    expect_snapshots(agent)
    answer = agent("GET", f"/hosts/{HOST}/snapshots/{quote(ODD)}")
    assert answer.json == {"name": ODD, "state": "shut off", "created": CREATED["off"]}


def test_a_snapshot_of_disks_alone(agent: Agent) -> None:
    """Somebody made it by hand; it is shown, and never reverted to."""
    external = snapshot("off", ODD)
    external.stdout = external.stdout.replace("shutoff", "disk-snapshot").replace(
        "snapshot='internal'", "snapshot='external'"
    )
    agent.reads(LIST)
    agent.reads(SNAPSHOT_NAMES)
    agent.reads(snapshot("running", "clean"), external)
    answer = agent("GET", f"/hosts/{HOST}/snapshots/{quote(ODD)}")
    assert answer.json == {"name": ODD, "state": "disk-snapshot", "created": CREATED["off"]}


@pytest.mark.parametrize("end", ["", "/revert"])
@pytest.mark.parametrize("name", ["gone", "Clean", "1", "-a"])
def test_only_the_exact_name_is_a_snapshot(agent: Agent, name: str, end: str) -> None:
    for method in ("PUT",) if end else ("GET", "DELETE"):
        expect_snapshots(agent)
        answer = agent(method, f"/hosts/{HOST}/snapshots/{name}{end}")
        see_problem(answer, 404, f"host '{HOST}' has no snapshot {name!r}")


def test_revert_to_one_that_was_off(agent: Agent) -> None:
    """It is off afterwards: there is no port to see."""
    expect_revert(agent)
    off_state = virsh_error("destroy-off")
    agent.virsh("destroy", f"--domain={uuid(1)}", stderr=off_state, returncode=1)
    agent.virsh("snapshot-revert", f"--domain={uuid(1)}", f"--snapshotname={ODD}")
    expect_off(agent)
    answer = agent("PUT", f"/hosts/{HOST}/snapshots/{quote(ODD)}/revert")
    assert (answer.status_code, answer.json["state"]) == (200, "shut off")


def test_a_snapshot_that_is_there(agent: Agent) -> None:
    expect_new_snapshot(agent, RUNNING, SNAPSHOT_NAMES)
    detail = f"host '{HOST}' has a snapshot 'clean' already"
    see_problem(CREATE_SNAPSHOT.ask(agent), 409, detail)


def test_a_snapshot_with_media(agent: Agent) -> None:
    expect_new_snapshot(agent, with_media())
    see_problem(
        CREATE_SNAPSHOT.ask(agent),
        409,
        f"disk {MEDIA} of host '{HOST}' cannot be in a snapshot: its format is raw, and snapshots"
        " are in qcow2 only",
    )


@pytest.mark.parametrize("case", [CREATE_SNAPSHOT, REVERT_SNAPSHOT, DELETE_SNAPSHOT])
def test_snapshots_wait_for_an_install(agent: Agent, case: Case) -> None:
    plan = Plan(f"create host {HOST}", (), Install(HOST, uuid(1), TREE))
    asked = Request("POST", f"/hosts/{HOST}", None, "request", None, host=HOST)
    agent.journal.begin("one", asked, plan)
    agent.journal.end("one", DONE)
    if case is CREATE_SNAPSHOT:
        agent.reads(LIST)
    else:
        expect_snapshots(agent)
    detail = f"host '{HOST}' is being installed; snapshots have to wait for that"
    see_problem(case.ask(agent), 409, detail)
    # They need not once it has ended.
    (install,) = agent.journal.installs()
    agent.journal.end(install["id"], DONE)
    case.expect(agent)
    assert case.ask(agent, params={"dry_run": "true"}).json == case.plan.to_json()


def test_a_snapshot_that_came_meanwhile(agent: Agent) -> None:
    """It is not the agent's to take back."""
    see, _ = CREATE_SNAPSHOT.plan.steps
    CREATE_SNAPSHOT.expect(agent)
    agent.runs(*see.command.argv, stdout="clean\n\n")
    see_problem(
        CREATE_SNAPSHOT.ask(agent),
        409,
        "virsh found something that changed meanwhile: it printed 'clean', not ''",
        command=str(see.command),
        exit_code=0,
        stderr="it printed 'clean', not ''",
    )


def test_a_host_that_cannot_be_reverted(agent: Agent) -> None:
    """It is off, as the revert has left it."""
    stop, revert, _ = REVERT_SNAPSHOT.plan.steps
    REVERT_SNAPSHOT.expect(agent)
    agent.runs(*stop.command.argv)
    agent.runs(*revert.command.argv, stderr="error: no\n", returncode=1)
    agent.runs(*stop.command.argv, stderr=virsh_error("destroy-off"), returncode=1)
    see_problem(
        REVERT_SNAPSHOT.ask(agent),
        500,
        "virsh failed: no",
        command=str(revert.command),
        exit_code=1,
        stderr="error: no",
    )


# What cannot be.

INSTALL, MEDIA_PATH, BOOT = (f"/hosts/{HOST}/{word}" for word in ("install", "media", "boot"))
NO_FIELD = "there is no such field; the fields are"


@pytest.mark.parametrize(
    ("path", "body", "errors"),
    [
        (BOOT, {}, [("boot", "is required")]),
        (BOOT, {"boot": []}, [("boot", "[] should be non-empty")]),
        (BOOT, [], [("body", "[] is not of type 'object'")]),
        (MEDIA_PATH, {}, [("image", "is required")]),
        (MEDIA_PATH, {"image": "ftp://a/"}, [("image", "it is not an http or https URL")]),
        (
            MEDIA_PATH,
            {"image": 1, "size": 1},
            [("size", f"{NO_FIELD} image"), ("image", "1 is not of type 'string'")],
        ),
        (INSTALL, [], [("body", "[] is not of type 'object'")]),
        (
            INSTALL,
            {"cdrom": True, "location": TREE},
            [("cdrom", "cannot be combined with a location")],
        ),
        (
            INSTALL,
            {"after_install": "on", "memory": 1},
            [
                ("memory", f"{NO_FIELD} location, cmdline, console, after_install, cdrom"),
                ("after_install", "'on' is not one of ['start', 'off']"),
            ],
        ),
    ],
)
def test_a_body_that_cannot_be(
    agent: Agent, path: str, body: Any, errors: list[tuple[str, str]]
) -> None:
    """It is refused before anything is read."""
    answer = agent("PUT", path, json=body)
    assert sorted((each["field"], each["detail"]) for each in answer.json["errors"]) == sorted(
        errors
    )
    see_invalid(answer, *((each["field"], each["detail"]) for each in answer.json["errors"]))
    assert agent.journal.find() == []


@pytest.mark.parametrize("path", [BOOT, MEDIA_PATH, INSTALL])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
def test_a_body_that_is_not_json(agent: Agent, path: str, body: bytes) -> None:
    assert agent("PUT", path, body=body).status_code == 400


@pytest.mark.parametrize("name", ["-a", ".a", "a b", "12", uuid(1)])
def test_a_name_that_no_new_snapshot_can_have(agent: Agent, name: str) -> None:
    answer = agent("POST", f"/hosts/{HOST}/snapshots/{quote(name)}")
    (error,) = answer.json["errors"]
    assert (answer.status_code, error["field"]) == (400, "snapshot")
    see_invalid(answer, ("snapshot", error["detail"]))


@pytest.mark.parametrize("name", ["nope", uuid(1), "FIXTURE.example.com"])
def test_a_host_that_is_not_there(agent: Agent, name: str) -> None:
    for case in CASES.values():
        # Its network is the second part of another path.
        if case.path.count("/") > 2:
            agent.reads(LIST)
            path = case.path.replace(HOST, name)
            answer = agent(case.method, path, **({"json": case.body} if case.body else {}))
            see_problem(answer, 404, f"there is no host {name!r}")
    for path in ("snapshots", "snapshots/clean"):
        agent.reads(LIST)
        see_problem(agent("GET", f"/hosts/{name}/{path}"), 404, f"there is no host {name!r}")


def test_an_install_of_a_host_that_runs(agent: Agent) -> None:
    expect_install(agent, RUNNING)
    see_problem(
        agent("PUT", INSTALL, json={}),
        409,
        f"host '{HOST}' is in state 'running', and an install takes one that is 'shut off'; stop it"
        " first",
    )


def test_an_install_from_media_that_is_not_there(agent: Agent) -> None:
    expect_install(agent, off())
    detail = f"host '{HOST}' has no media to boot from; put some in first"
    see_problem(agent("PUT", INSTALL, json={"cdrom": True}), 409, detail)


def test_a_host_that_was_started_before_its_install(agent: Agent) -> None:
    """By hand, between the reads and the first command: it is not stopped."""
    see, *_ = INSTALL_HOST.plan.steps
    INSTALL_HOST.expect(agent)
    agent.runs(*see.command.argv, stdout="running\n\n")
    see_problem(
        INSTALL_HOST.ask(agent),
        409,
        "virsh found something that changed meanwhile: it printed 'running', not 'shut off'",
        command=str(see.command),
        exit_code=0,
        stderr="it printed 'running', not 'shut off'",
    )
    assert agent.journal.install(uuid(1)) is None


def test_media_in_a_drive_that_has_some(agent: Agent) -> None:
    expect_insert(agent, with_media())
    detail = f"host '{HOST}' has media already, from {IMAGE}; take it out first"
    see_problem(INSERT_MEDIA.ask(agent), 409, detail)


def test_a_drive_without_media(agent: Agent) -> None:
    expect_host(agent, RUNNING)
    see_problem(EJECT_MEDIA.ask(agent), 404, f"host '{HOST}' has no media")


@pytest.mark.parametrize(
    ("case", "exit_code", "status", "title"),
    [
        ("missing", 22, 400, f"cannot fetch {IMAGE}: "),
        ("no-room", 23, 507, "prlimit found too little disk space or memory"),
    ],
)
def test_an_image_that_cannot_be_had(
    agent: Agent, case: str, exit_code: int, status: int, title: str
) -> None:
    """Nothing is left of it."""
    make, fetch, *_ = INSERT_MEDIA.plan.steps
    INSERT_MEDIA.expect(agent)
    agent.runs(*make.command.argv)
    said = recorded(f"curl-7.88.1.{case}.err")
    agent.runs(*fetch.command.argv, stderr=said, returncode=exit_code)
    for command in (*fetch.undo, *make.undo):
        agent.runs(*command.argv)
    answer = INSERT_MEDIA.ask(agent)
    assert answer.json["detail"].startswith(title)
    see_problem(
        answer,
        status,
        answer.json["detail"],
        command=shlex.join(FETCH.argv),
        exit_code=exit_code,
        stderr=said.strip(),
    )


def test_a_boot_order_of_devices(agent: Agent) -> None:
    dominfo, xml, kept, *rest = RUNNING
    text = kept.stdout.replace("<boot dev='hd'/>", "").replace("<boot dev='network'/>", "")
    text = text.replace("<mac address", "<boot order='1'/><mac address", 1)
    expect_host(agent, (dominfo, xml, Read(" ".join(kept.words), text), *rest))
    see_problem(
        SET_BOOT.ask(agent),
        409,
        f"host '{HOST}' has a boot order of single devices, which goes first; take it out with:"
        f" virsh edit {uuid(1)}",
    )


# Cards of a new host, and one that is not started.

MAC = "52:54:00:ab:cd:ef"


def with_mac(mac: str) -> dict[str, Any]:
    return {**BODY, "networks": [{"network": "fixture: żółw", "mac": mac}, "fixture-untagged"]}


def test_a_host_with_a_mac_that_is_not_started(agent: Agent) -> None:
    expect_facts(agent)
    words = [word.replace(MACS[0], MAC) for word in VIRT_INSTALL]
    words.insert(words.index("--import") + 1, "--noreboot")
    make_0, make_1, *_ = CREATE_HOST.plan.steps
    for argv in (make_0.command.argv, make_1.command.argv, words):
        agent.runs(*argv)
    agent.reads(LIST)
    expect_off(agent)
    answer = agent("POST", f"/hosts/{HOST}", json={**with_mac(MAC.upper()), "start": False})
    assert (answer.status_code, answer.json) == (200, {**SHOWN, "state": "shut off"})
    found = agent.journal.get(answer.headers["x-operation-id"])
    assert found is not None
    define = CREATE_HOST.plan.steps[2]
    assert (
        found["plan"]
        == Plan(
            f"create host {HOST}",
            (make_0, make_1, Step(f"define domain {HOST}", Command(tuple(words)), define.undo)),
            once=f"/etc/libvirt/qemu/{HOST}.xml",
        ).to_json()
    )


def test_a_mac_that_another_host_has(agent: Agent) -> None:
    expect_facts(agent, LIST)
    answer = agent("POST", "/hosts/new.example.com", json=with_mac("52:54:00:00:01:00"))
    detail = "another host has a card with the MAC 52:54:00:00:01:00 already"
    see_problem(answer, 409, detail)


def test_a_mac_that_another_host_is_about_to_have(agent: Agent) -> None:
    agent.locks.acquire([Claim("mac", MAC)], "one")
    see_problem(
        agent("POST", f"/hosts/{HOST}", json=with_mac(MAC.upper())),
        409,
        f"operation one holds mac '{MAC}'; try again when it has ended",
        held_by="one",
    )


def test_the_macs_of_a_dry_run_are_those_of_the_host(agent: Agent) -> None:
    """They are known before it exists, by whoever tells DHCP."""
    expect_facts(agent)
    answer = CREATE_HOST.ask(agent, params={"dry_run": "true"})
    argv = answer.json["steps"][2]["command"]["argv"]
    assert [word.partition("mac=")[2][:17] for word in argv if "mac=" in word] == list(MACS)
    assert volume(0) in answer.text


# The setting `rest_codes`.


@pytest.fixture
def rest(fp: FakeProcess) -> Agent:
    """The application as later clients of this API want it."""
    return Agent(fp, config=Config(rest_codes=True))


DRY = {"dry_run": "true"}


@pytest.mark.parametrize("change", CASES)
def test_rest_codes_change_no_dry_run(rest: Agent, change: str) -> None:
    case = CASES[change]
    case.expect(rest)
    answer = case.ask(rest, params=DRY)
    assert (answer.status_code, answer.json) == (200, case.plan.to_json())
    case.expect(rest)
    script = case.ask(rest, params=DRY, headers={"Accept": "text/x-shellscript"})
    assert (script.status_code, script.text[:9]) == (200, "#!/bin/sh")


@pytest.mark.parametrize("change", CASES)
def test_rest_codes_change_no_202(rest: Agent, change: str) -> None:
    case = CASES[change]
    case.expect(rest)
    case.expect_steps(rest)
    answer = case.ask(rest, headers={"Prefer": "respond-async"})
    assert rest.executor.drain(10)
    assert (answer.status_code, answer.json["does"]) == (202, case.plan.does)


@pytest.mark.parametrize(
    ("case", "shown", "status", "body"),
    [
        (CREATE_HOST, RUNNING, 201, SHOWN),
        (CREATE_SNAPSHOT, None, 201, CLEAN),
        (DELETE_HOST, (), 204, None),
        (DELETE_NETWORK, (), 204, None),
        (DELETE_SNAPSHOT, (), 204, None),
        (EJECT_MEDIA, RUNNING, 204, None),
        (SET_BOOT, RUNNING, 200, SHOWN),
        (INSERT_MEDIA, with_media(), 200, MEDIA_SHOWN),
        (REVERT_SNAPSHOT, RUNNING, 200, SHOWN),
    ],
    ids=lambda value: value.plan.does if isinstance(value, Case) else "",
)
def test_rest_codes(
    rest: Agent, case: Case, shown: tuple[Read, ...] | None, status: int, body: Any
) -> None:
    case.expect(rest)
    case.expect_steps(rest)
    if shown is None:
        expect_snapshots(rest)
    elif case is CREATE_HOST:
        expect_host(rest, shown)
    elif shown:
        rest.reads(*shown)
    answer = case.ask(rest)
    assert answer.status_code == status
    assert "x-operation-id" in answer.headers
    if status == 204:
        assert (answer.content, "content-type" in answer.headers) == (b"", False)
    else:
        assert answer.json == body


def test_rest_codes_of_power(rest: Agent) -> None:
    """A host is stopped whatever Open vSwitch does: its ports are for a start alone."""
    rest.reads(LIST)
    rest.reads(*RUNNING)
    rest.virsh("destroy", f"--domain={uuid(1)}")
    expect_off(rest)
    answer = rest("PUT", f"/hosts/{HOST}/stop")
    assert (answer.status_code, answer.content) == (204, b"")


def test_rest_codes_of_what_cannot_be(rest: Agent) -> None:
    expect_facts(rest, LIST)
    see_problem(CREATE_HOST.ask(rest), 409, f"there is a host '{HOST}' already")
    rest.reads(LIST)
    see_problem(rest("DELETE", "/hosts/nope"), 404, "there is no host 'nope'")
    see_invalid(
        rest("POST", CREATE_NETWORK.path, json={"bridge": "a"}),
        ("vlan", "is required, or trunk, or both"),
    )
