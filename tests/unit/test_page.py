"""The page for people: how its files are served, what is in them, and what it reads."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import falcon
import falcon.testing
import pytest

from agent.access import tokens
from agent.access.rights import EVERYTHING
from agent.errors import JournalFailed
from agent.http.places import Places
from agent.http.resources.page import WholeHypervisor
from agent.operations.operation import DONE, FAILED, Request
from agent.plans.plan import Install, Plan

from .recorded import Read, recorded, virsh, virsh_error
from .test_http_hosts import HOST, SHOWN
from .web import (
    INTERFACES,
    LIST,
    LIST_BR,
    MEMORY,
    NET_ROWS,
    NET_UUIDS,
    NETWORKS,
    ODD,
    RUNNING,
    STATES,
    Agent,
    uuid,
)

PAGE = Path(__file__).resolve().parents[2] / "agent" / "page"
FILES = sorted(PAGE.iterdir())
MODULES = sorted(PAGE.glob("*.js"))
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
MOST_BYTES = 150_000
IMPORT = re.compile(r"^import \{ (.*?) \} from \"\./(.*?)\";$", re.MULTILINE)
EXPORT = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.MULTILINE)

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda file: file.name)


# Its files.


@each_file
def test_a_file_and_its_headers(agent: Agent, file: Path) -> None:
    answer = agent("GET", f"/page/{file.name}")
    assert (answer.status_code, answer.content) == (200, file.read_bytes())
    headers = answer.headers
    assert headers["content-type"] == TYPES[file.suffix]
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-cache"
    for known, status, content in (
        (headers["etag"], 304, b""),
        (f'"other", W/{headers["etag"]}', 304, b""),
        ("*", 304, b""),
        ('"other"', 200, file.read_bytes()),
    ):
        again = agent("GET", f"/page/{file.name}", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (status, content)
        assert again.headers["etag"] == headers["etag"]


@pytest.mark.parametrize("name", ["nope.js", "..%2Fconfig.py", "%2Fetc%2Fpasswd", "__init__.py"])
def test_no_other_file_is_served(agent: Agent, name: str) -> None:
    assert agent("GET", f"/page/{name}").status_code == 404


def test_all_of_it_is_small() -> None:
    assert len(FILES) > 10
    assert sum(file.stat().st_size for file in FILES) <= MOST_BYTES


@each_file
def test_it_names_no_other_site(file: Path) -> None:
    """But for the namespace of SVG, which nobody fetches."""
    urls = set(
        re.findall(r"(?:https?:)?//\w[^\s\"'`)]*", re.sub(r"^\s*// .*", "", file.read_text()))
    )
    svg = "http://www.w3.org/2000/svg"
    assert {url for url in urls if url.startswith("http") or "." in url} <= {svg}


@each_file
def test_nothing_in_it_is_inline_or_made_of_text(file: Path) -> None:
    """No script and no style within the markup, and no markup out of what somebody wrote."""
    text = file.read_text()
    if file.suffix in (".html", ".svg"):
        assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", text) == []
        assert (
            re.findall(r"<script(?! type=\"module\" src=\"/page/app\.js\"></script>)", text) == []
        )
    if file.suffix == ".js":
        made = r"(inner|outer)HTML|insertAdjacent|document\.write|DOMParser|\beval\b|new Function"
        assert re.findall(made, text) == []
        assert re.findall(r"\.style\b|\bstyle:", text) == []


@each_module
def test_every_import_is_of_what_a_served_module_has(agent: Agent, module: Path) -> None:
    text = module.read_text()
    found = IMPORT.findall(text)
    assert len(found) == text.count("\nimport ")
    for names, other in found:
        exported = EXPORT.findall(agent("GET", f"/page/{other}").text)
        assert {*names.split(", ")} <= {*exported}


@each_module
def test_nothing_is_exported_that_nobody_imports(module: Path) -> None:
    found = [each for other in MODULES for each in IMPORT.findall(other.read_text())]
    imported = {name for names, of in found if of == module.name for name in names.split(", ")}
    assert {*EXPORT.findall(module.read_text())} - imported == set()


# Its address.


def test_a_browser_is_shown_the_page(agent: Agent) -> None:
    answer = agent("GET", "/", headers={"Accept": BROWSER})
    assert (answer.status_code, answer.text) == (200, (PAGE / "index.html").read_text())
    assert answer.headers["content-type"] == TYPES[".html"]
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
def test_a_program_is_told_where_what_is(
    agent: Agent, accept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.http.resources.page.gethostname", lambda: "hv1")
    answer = agent("GET", "/", headers={"Accept": accept} if accept else None)
    paths = ("overview", "hosts", "networks", "operations", "health", "metrics", "docs")
    assert (answer.status_code, answer.headers["vary"]) == (200, "Accept")
    assert answer.json == {
        "hypervisor": "hv1",
        "read_only": False,
        "some_hosts": False,
        **{name: f"/{name}" for name in paths},
        "openapi": "/openapi.json",
        "redfish": "/redfish/v1/",
    }


def test_what_is_open_without_a_token(closed: Agent) -> None:
    """The page, which asks for one, and nothing that it shows."""
    assert closed("GET", "/", headers={"Accept": BROWSER}).status_code == 200
    for each in FILES:
        assert closed("GET", f"/page/{each.name}").status_code == 200
    for method, path in (("GET", "/"), ("GET", "/overview"), ("POST", "/"), ("GET", "/hosts")):
        assert closed(method, path).status_code == 401
    assert closed("POST", "/", headers={"Accept": BROWSER}).status_code == 401
    assert closed("DELETE", "/page/app.js").status_code == 401


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("hosts", [(), ("ci-*",)])
def test_a_client_is_told_what_it_may_change(
    closed: Agent, tokens_file: Path, read_only: bool, hosts: tuple[str, ...]
) -> None:
    secret = tokens.add(tokens_file, "ci", read_only=read_only, hosts=hosts)
    told = closed("GET", "/", headers={"Authorization": f"Bearer {secret}"}).json
    assert (told["read_only"], told["some_hosts"]) == (read_only, bool(hosts))


# What it shows of the whole hypervisor.

DUMPS = tuple(
    Read(f"dumpxml {uuid(number)}", virsh(f"dumpxml-{case}"))
    for number, case in ((1, "running"), (2, "netboot"), (4, "spaces"), (3, "off"))
)
NETWORK_ROWS = [
    ("fixture-nat", 14, "inactive", "fixbr9", None, None),
    ("fixture-transient", 15, "active", "fixbr0", 12, None),
    ("fixture-untagged", 12, "active", "fixbr0", None, None),
    (ODD, 13, "inactive", "fixbr0", None, [10, 11]),
    ("fixture: żółw", 11, "active", "fixbr0", 10, None),
]


def expect_overview(agent: Agent, dumps: tuple[Read, ...] = DUMPS) -> None:
    """The commands of one overview."""
    agent.reads(STATES, LIST)
    agent.reads(*dumps)
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)
    agent.reads(*NET_ROWS)
    agent.runs(*LIST_BR, stdout=recorded("ovs-vsctl-3.1.0.list-br.out"))
    agent.reads(MEMORY)
    agent.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    agent.reads(RUNNING)


def _install(agent: Agent, operation: str, number: int) -> None:
    """Begin an install of a recorded host."""
    plan = Plan("create host a", (), Install("a", uuid(number), "http://tree/"))
    agent.journal.begin(operation, Request("POST", "/hosts/a", None, "r", None, host="a"), plan)
    agent.journal.end(operation, DONE)


def test_an_overview(agent: Agent) -> None:
    """Everything side by side: the installs that the journal has, and a port that nobody has."""
    for number in (1, 2):
        _install(agent, f"{number}", number)
    (first, _) = agent.journal.installs()
    agent.journal.end(first["id"], FAILED, {"detail": "it was stopped by hand"})
    expect_overview(agent)
    answer = agent("GET", "/overview")
    assert answer.status_code == 200
    found = answer.json
    install = {"started": 1000.0, "location": "http://tree/"}
    failed = {"state": "failed", "finished": 1000.0, "reason": "it was stopped by hand", **install}
    runs = {"state": "running", "finished": None, "reason": None, **install}
    assert [
        (host["id"], host["name"], host["state"], host["memory"], host["vcpus"], host["install"])
        for host in found["hosts"]
    ] == [
        (uuid(1), HOST, "running", 16, 1, failed),
        (uuid(2), "fixture-netboot", "running", 16, 1, runs),
        (uuid(4), "  fixture  spaces ", "shut off", 16, 1, None),
        (uuid(3), ODD, "shut off", 16, 2, None),
    ]
    assert found["hosts"][0]["interfaces"] == SHOWN["interfaces"]
    fields = ("name", "id", "state", "bridge", "vlan", "trunk")
    assert found["networks"] == [
        dict(zip(fields, (name, uuid(number), *rest), strict=True))
        for name, number, *rest in NETWORK_ROWS
    ]
    assert {name: found[name] for name in ("bridges", "memory", "stale_ports")} == {
        "bridges": ["fixbr0"],
        "memory": int(re.findall(r"total\s*: *(\d+)", virsh("nodememstats"))[0]) // 1024,
        "stale_ports": [],
    }


def test_an_overview_of_nothing(agent: Agent) -> None:
    agent.reads(
        Read("domstats --state", virsh("empty-domstats-state")),
        Read("list --all --uuid --name", virsh("empty-list")),
    )
    agent.reads(Read("net-list --all --uuid", "\n"))
    words = [read.words for read in NET_ROWS]
    agent.reads(*(Read(" ".join(each), virsh("empty-net-list-active")) for each in words))
    agent.runs(*LIST_BR, stdout=recorded("ovs-vsctl-3.1.0.empty-list-br.out"))
    agent.reads(MEMORY)
    agent.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    agent.reads(Read("list --uuid", "\n"))
    found = agent("GET", "/overview").json
    assert (found["hosts"], found["networks"], found["bridges"]) == ([], [], [])
    assert found["stale_ports"] == ["h0000000000-0", "h0000000000-1", "h0000000002-0"]


def test_a_host_that_goes_meanwhile_is_left_out(agent: Agent) -> None:
    gone = Read(f"dumpxml {uuid(2)}", stderr=virsh_error("dumpxml-gone"))
    expect_overview(agent, (DUMPS[0], gone, *DUMPS[2:]))
    names = [host["name"] for host in agent("GET", "/overview").json["hosts"]]
    assert names == [HOST, "  fixture  spaces ", ODD]


def test_hosts_are_there_without_the_journal(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> dict[str, Any]:
        raise JournalFailed("the journal cannot be read")

    monkeypatch.setattr(agent.journal, "latest_installs", fail)
    expect_overview(agent)
    hosts = agent("GET", "/overview").json["hosts"]
    assert [host["install"] for host in hosts] == [None] * 4


def test_an_overview_of_a_libvirt_out_of_reach(agent: Agent) -> None:
    agent.out_of_reach(STATES, LIST)
    answer = agent("GET", "/overview")
    assert answer.status_code == 503
    assert answer.json["detail"].startswith("virsh cannot reach its daemon: ")


def test_overviews_that_are_asked_for_at_the_same_time_share_a_read() -> None:
    came, reads = threading.Semaphore(0), []

    class Held:
        """An overview whose first read ends when all others were asked for."""

        def read(self) -> dict[str, int]:
            reads.append(1)
            if len(reads) == 1:
                for _ in range(9):
                    assert came.acquire(timeout=60)
            return {"read": len(reads)}

    resource = WholeHypervisor(Held(), Places(0))  # type: ignore[arg-type]

    def ask() -> bytes | None:
        came.release()
        req, resp = falcon.testing.create_req(), falcon.Response()
        req.context.rights = EVERYTHING
        resource.on_get(req, resp)
        return resp.data

    with ThreadPoolExecutor(10) as pool:
        answers = [each.result(60) for each in [pool.submit(ask) for _ in range(10)]]
    assert len(reads) < 10
    assert {*answers} == {b'{"read": %d}\n' % number for number in range(1, len(reads) + 1)}


def test_the_latest_install_of_every_domain(agent: Agent) -> None:
    """Of each the one that `install` has, whatever came of those before."""
    assert agent.journal.latest_installs() == {}
    for operation, number in (("a", 1), ("b", 2), ("c", 1)):
        _install(agent, operation, number)
    found = agent.journal.latest_installs()
    assert {domain: {**row, "override": 0} for domain, row in found.items()} == {
        uuid(number): {"domain": uuid(number), **(agent.journal.install(uuid(number)) or {})}
        for number in (1, 2)
    }
    assert [row["status"] for row in found.values()] == ["waiting", "waiting"]
