"""Who may only read is shown no passwords; everybody else is shown what can be replayed."""

import re
from pathlib import Path
from typing import Any

import pytest

from agent.access import tokens
from agent.compute.overview import Overview
from agent.operations.operation import FAILED, Outcome, Request
from agent.plans.plan import Install, Plan, Step
from agent.plans.script import script
from agent.tools.commands.virsh import MEDIA_URI
from agent.tools.commands.virt_install import Installer, reinstall

from .recorded import Read
from .test_access_control import bearer
from .test_http_hosts import HOST
from .web import LIST, Agent, details, uuid

URL = "http://user:s3cret@mirror.example.com/debian"
SHOWN_URL = "http://user:***@mirror.example.com/debian"
CMDLINE = "quiet root/password=s3cret"


@pytest.fixture
def full(tokens_file: Path) -> dict[str, str]:
    return bearer(tokens.add(tokens_file, "ci", read_only=False, hosts=["*"]))


@pytest.fixture
def read_only(tokens_file: Path) -> dict[str, str]:
    return bearer(tokens.add(tokens_file, "grafana", read_only=True))


def plan(url: str = URL, cmdline: str = CMDLINE) -> Plan:
    command = reinstall("qemu:///system", uuid(1), Installer(url, cmdline))
    step = Step(f"install from {url}", command)
    return Plan(f"install host {HOST}", (step,), Install(HOST, uuid(1), url))


def begin(agent: Agent, *, done: bool = False) -> None:
    """An install of a host, which goes on after it is done, or failed."""
    body = {"location": URL, "cmdline": CMDLINE}
    path = f"/hosts/{HOST}/install"
    agent.journal.begin("one", Request("PUT", path, body, "request", "ci@::1", HOST), plan())
    command = plan().steps[0].command
    number = agent.journal.begin_step("one", 0, command, undo=False)
    printed = f"Opening {URL} with {CMDLINE}"
    agent.journal.end_step("one", number, Outcome(0.5, 1, False, printed, printed, None))
    if done:
        agent.journal.end("one", "done")
    else:
        error = {"detail": f"no {URL}", "command": str(command), "stderr": CMDLINE}
        agent.journal.end("one", FAILED, error)


def hidden(value: Any) -> Any:
    """What a client that may only read is to be shown in the place of this."""
    if isinstance(value, str):
        return value.replace(CMDLINE, "***").replace(URL, SHOWN_URL)
    if isinstance(value, list):
        return [hidden(each) for each in value]
    if isinstance(value, dict):
        return {name: hidden(each) for name, each in value.items()}
    return value


@pytest.mark.parametrize("path", ["/operations", "/operations/one"])
def test_operations(
    closed: Agent, full: dict[str, str], read_only: dict[str, str], path: str
) -> None:
    begin(closed)
    every = closed("GET", path, headers=full)
    shown = closed("GET", path, headers=read_only)
    assert "s3cret" in every.text
    assert "s3cret" not in shown.text
    assert shown.json == hidden(every.json)
    head = closed("HEAD", path, headers=read_only)
    assert head.headers["content-length"] == str(len(shown.content))


def test_the_commands_are_whole_to_who_may_replay_them(closed: Agent, full: dict[str, str]) -> None:
    begin(closed)
    found = closed("GET", "/operations/one", headers=full).json
    assert found["plan"] == plan().to_json()
    assert found["commands"][0]["argv"] == list(plan().steps[0].command.argv)
    assert found["request"]["body"] == {"location": URL, "cmdline": CMDLINE}


def test_a_script(closed: Agent, full: dict[str, str], read_only: dict[str, str]) -> None:
    begin(closed)
    comments = [
        "operation one, which is failed",
        f"asked for by ci@::1 with PUT /hosts/{HOST}/install (request request)",
    ]
    for headers, expected in ((full, plan()), (read_only, plan(SHOWN_URL, "***"))):
        accept = {**headers, "Accept": "text/x-shellscript"}
        assert closed("GET", "/operations/one", headers=accept).text == script(expected, comments)


def test_where_nobody_needs_a_token(agent: Agent) -> None:
    begin(agent)
    assert agent("GET", "/operations/one").json["plan"] == plan().to_json()


NOTED = f'<metadata><media:image xmlns:media="{MEDIA_URI}">{URL}</media:image></metadata>'


def with_media() -> tuple[Read, ...]:
    """The reads of a host with an image in its drive."""
    drive = (
        f"<disk type='file' device='cdrom'><source file='/p/{HOST}.{uuid(1)}.media'/>"
        "<target dev='sdc' bus='usb'/></disk>"
    )
    found = []
    for read in details(1, "running"):
        if read.words[0] == "dumpxml":
            text = re.sub("<metadata>.*</metadata>", "", read.stdout, flags=re.DOTALL)
            text = text.replace("<devices>", f"{NOTED}<devices>{drive}")
            found.append(Read(" ".join(read.words), text))
        else:
            found.append(read)
    return tuple(found)


def test_a_host(closed: Agent, full: dict[str, str], read_only: dict[str, str]) -> None:
    begin(closed, done=True)
    shown = []
    closed.reads(LIST)
    for headers in (full, read_only):
        closed.reads(*with_media())
        shown.append(closed("GET", f"/hosts/{HOST}", headers=headers).json)
    assert (shown[0]["media"]["image"], shown[0]["install"]["location"]) == (URL, URL)
    assert shown[1] == hidden(shown[0])


def test_the_overview(
    closed: Agent,
    full: dict[str, str],
    read_only: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install = {"state": "done", "started": 1, "finished": 2, "location": URL, "reason": f"no {URL}"}
    host = {"id": uuid(1), "name": HOST, "state": "running", "memory": 16, "vcpus": 1}
    hosts = [{**host, "interfaces": [], "install": install}]
    every = {"hosts": hosts, "networks": [], "memory": 512, "bridges": [], "stale_ports": []}
    monkeypatch.setattr(Overview, "read", lambda self: every)
    assert closed("GET", "/overview", headers=full).json == every
    assert closed("GET", "/overview", headers=read_only).json == hidden(every)


def test_a_system_and_the_tag_of_its_media(
    closed: Agent, full: dict[str, str], read_only: dict[str, str]
) -> None:
    """Nobody can guess a password by what the tag becomes."""
    shown = []
    for headers in (full, read_only):
        closed.reads(*with_media())
        path = f"/redfish/v1/Systems/{uuid(1)}/VirtualMedia/Cd"
        shown.append(closed("GET", path, headers=headers))
    assert shown[0].json["Image"] == URL
    assert shown[1].json == hidden(shown[0].json)
    assert shown[0].headers["etag"] != shown[1].headers["etag"]


@pytest.mark.parametrize("redfish", [False, True])
def test_an_error_that_quotes_what_was_printed(
    closed: Agent, full: dict[str, str], read_only: dict[str, str], redfish: bool
) -> None:
    if not redfish:
        closed.reads(LIST)
    for headers, url in ((full, URL), (read_only, SHOWN_URL)):
        reads = [
            Read(" ".join(each.words), URL) if each.words[0] == "dumpxml" else each
            for each in details(1, "running")
        ]
        closed.reads(*reads)
        path = f"/redfish/v1/Systems/{uuid(1)}" if redfish else f"/hosts/{HOST}"
        answer = closed("GET", path, headers=headers)
        assert answer.status_code == 500
        assert url in answer.text
        assert ("s3cret" in answer.text) is (headers is full)
