"""What is counted, and how a scrape is answered."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import falcon.testing
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.config import Config
from agent.errors import JournalFailed
from agent.http.metrics import Metrics, verb
from agent.hypervisor.facts import HostFigures
from agent.server import build
from agent.tools.run import OUTCOMES, Runner

from .changes import CASES
from .recorded import Read, virsh
from .web import ACTIVE, LIST, ODD, STATES, Agent

Samples = dict[tuple[str, ...], float]


def samples(text: str) -> Samples:
    """The agent's own samples, by name and the values of labels in the order of their names."""
    return {
        (sample.name.removeprefix("staging_agent_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("staging_agent_")
        and not sample.name.endswith(("_created", "_bucket", "_sum"))
    }


def scrape(agent: Agent) -> Samples:
    answer = agent("GET", "/metrics")
    assert answer.status_code == 200
    return samples(answer.text)


def of(found: Samples, *names: str) -> Samples:
    return {key: value for key, value in found.items() if key[0] in names}


STATES_OF_NONE = {
    ("hosts", state): 0.0
    for state in (
        *("running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended"),
    )
}


def figures(key: str) -> list[int]:
    """The figures of that name of the two recorded hosts that run."""
    return [int(found) for found in re.findall(rf"^  {key}=(\d+)$", ACTIVE.stdout, re.MULTILINE)]


def used(metric: str, of: list[tuple[str, ...]], counts: list[int]) -> Samples:
    """The samples of a metric of hosts. of: its labels."""
    return {(f"host_{metric}", *labels): n for labels, n in zip(of, counts, strict=True)}


HOST, NETBOOT = "fixture.example.com", "fixture-netboot"
# In the order of the labels' names.
DISKS = [("sda", HOST), ("sdb", HOST)]
CARDS = [(HOST, "h0000000000-0"), (HOST, "h0000000000-1"), (NETBOOT, "h0000000002-0")]
USED = {
    ("host_cpu_seconds_total", HOST): figures(r"cpu\.time")[0] / 1e9,
    ("host_cpu_seconds_total", NETBOOT): figures(r"cpu\.time")[1] / 1e9,
    ("host_memory_bytes", HOST): figures(r"balloon\.rss")[0] * 1024,
    ("host_memory_bytes", NETBOOT): figures(r"balloon\.rss")[1] * 1024,
    **used("disk_read_bytes_total", DISKS, figures(r"block\.\d\.rd\.bytes")),
    **used("disk_written_bytes_total", DISKS, figures(r"block\.\d\.wr\.bytes")),
    **used("network_received_bytes_total", CARDS, figures(r"net\.\d\.rx\.bytes")),
    **used("network_sent_bytes_total", CARDS, figures(r"net\.\d\.tx\.bytes")),
}


@pytest.fixture
def hosts(agent: Agent) -> None:
    agent.reads(STATES, ACTIVE)


@pytest.mark.usefixtures("hosts")
def test_a_scrape(agent: Agent) -> None:
    answer = agent("GET", "/metrics")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    # The read for it is counted when it is told already.
    assert samples(answer.text) == {
        **STATES_OF_NONE,
        **USED,
        ("hosts", "running"): 2,
        ("hosts", "shut off"): 2,
        ("libvirt_up",): 1,
        ("journal_up",): 1,
        ("installs_running",): 0,
        ("operations_running",): 0,
        ("operations_unsettled",): 0,
        ("operations_total", "done"): 0,
        ("operations_total", "undone"): 0,
        ("operations_total", "failed"): 0,
        ("operations_total", "unsettled"): 0,
    }
    assert "\nprocess_resident_memory_bytes " in answer.text
    for family in text_string_to_metric_families(answer.text):
        assert family.documentation, family.name


@pytest.mark.usefixtures("hosts")
def test_a_scraper_that_asks_for_openmetrics_gets_it(agent: Agent) -> None:
    answer = agent("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=")
    assert answer.text.endswith("\n# EOF\n")


def test_requests_go_by_their_route_and_never_by_their_path(agent: Agent) -> None:
    for _ in range(2):
        agent.reads(LIST)
    agent("GET", "/hosts/nope")
    agent("GET", "/hosts/neither")
    agent("GET", "/nowhere/at/all")
    agent("HEAD", "/operations")
    agent("PATCH", "/operations")
    agent.reads(STATES, ACTIVE)
    found = scrape(agent)
    assert of(found, "requests_total") == {
        ("requests_total", "GET", "/hosts/{name}", "404"): 2,
        ("requests_total", "GET", "none", "404"): 1,
        ("requests_total", "HEAD", "/operations", "200"): 1,
        ("requests_total", "PATCH", "/operations", "405"): 1,
    }
    assert found["request_duration_seconds_count", "GET", "/hosts/{name}"] == 2


def test_a_change_is_counted_with_its_commands(agent: Agent) -> None:
    case = CASES["delete-network"]
    case.expect(agent)
    case.expect_steps(agent)
    assert case.ask(agent).status_code == 200
    agent.reads(STATES, ACTIVE)
    found = scrape(agent)
    assert found["operations_total", "done"] == 1
    for word in ("net-destroy", "net-undefine"):
        assert found["commands_total", "ok", "virsh", word] == 1
        assert found["command_duration_seconds_count", "virsh", word] == 1


def test_of_hosts_that_do_not_run_only_the_states_are_told(agent: Agent) -> None:
    agent.reads(STATES, Read(" ".join(ACTIVE.words), virsh("empty-domstats-active")))
    found = scrape(agent)
    assert found["hosts", "shut off"] == 2
    assert [key for key in found if key[0].startswith("host_")] == []


def test_a_host_of_any_name_has_it_as_label(agent: Agent) -> None:
    agent.reads(STATES, Read(" ".join(ACTIVE.words), ACTIVE.stdout.replace(HOST, ODD)))
    found = scrape(agent)
    assert found["host_cpu_seconds_total", ODD] == USED["host_cpu_seconds_total", HOST]
    assert ("host_cpu_seconds_total", HOST) not in found


def test_a_host_that_libvirt_is_busy_with_has_what_it_told(agent: Agent) -> None:
    busy = f"Domain: '{HOST}'\n  cpu.time=1500000000\n\n"
    agent.reads(STATES, Read(" ".join(ACTIVE.words), busy))
    found = scrape(agent)
    assert {key: value for key, value in found.items() if key[0].startswith("host_")} == {
        ("host_cpu_seconds_total", HOST): 1.5
    }


def test_without_libvirt_the_hosts_are_left_out(agent: Agent) -> None:
    agent.out_of_reach(STATES, ACTIVE)
    found = scrape(agent)
    assert of(found, "libvirt_up", "hosts", "journal_up") == {
        ("libvirt_up",): 0,
        ("journal_up",): 1,
    }


@pytest.mark.usefixtures("hosts")
def test_without_a_journal_the_installs_are_left_out(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> list[str]:
        raise JournalFailed("it is damaged")

    monkeypatch.setattr(agent.journal, "installs", fail)
    found = scrape(agent)
    assert of(found, "libvirt_up", "installs_running", "journal_up") == {
        ("libvirt_up",): 1,
        ("journal_up",): 0,
    }


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
        ("application/openmetrics-text; version=x", "text/plain"),
        ("text/plain; version=1.x, application/openmetrics-text", "text/plain"),
        ("application/json", "text/plain"),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_the_form_that_a_scraper_asks_for(agent: Agent, accept: str, kind: str) -> None:
    """A version that is none is no reason to fail."""
    answer = agent("GET", "/metrics", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)


def test_a_state_of_a_newer_virsh_is_told(agent: Agent) -> None:
    counted = Metrics()
    counted.watch(lambda: HostFigures(["dormant", "running"], {}), lambda: 3, lambda: 2, lambda: 1)
    found = samples(counted.exposition("")[0].decode())
    assert of(found, "hosts", "operations_running", "operations_unsettled", "installs_running") == {
        **STATES_OF_NONE,
        ("hosts", "running"): 1,
        ("hosts", "dormant"): 1,
        ("operations_running",): 3,
        ("operations_unsettled",): 2,
        ("installs_running",): 1,
    }


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virsh that never ends, and the file to which each of its processes adds a line."""
    calls = tmp_path / "calls"
    virsh = tmp_path / "virsh"
    virsh.write_text(f"#!/bin/sh\necho call >>{calls}\nexec sleep 600\n")
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(build, "_QUICK_SECONDS", 1.0)
    return calls


def test_scrapes_while_libvirt_hangs(tmp_path: Path, hanging: Path) -> None:
    """Each ends after one or two of its reads, however many there are at the same time."""
    agent = build.build(Config(state_dir=str(tmp_path)))
    client = falcon.testing.TestClient(agent.app, headers={"Host": "localhost"})
    together = threading.Barrier(8)

    def ask(_: int) -> falcon.testing.Result:
        together.wait(60)
        return client.simulate_get("/metrics")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    for answer in answers:
        assert answer.status_code == 200
        assert of(samples(answer.text), "libvirt_up", "hosts", "journal_up") == {
            ("libvirt_up",): 0,
            ("journal_up",): 1,
        }
    assert hanging.read_text() in ("call\n", "call\ncall\n")


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("virsh", "--connect=qemu:///system", "start", "--domain=a"), "start"),
        (("virsh", "--connect=qemu:///system", "domstats --state"), "domstats"),
        (("virsh", "--connect=qemu:///system", "list --all; echo MARK"), "list"),
        (("virsh", "--connect=qemu:///system", "nodememstats; echo MARK"), "nodememstats"),
        (("virsh", "--connect=qemu:///system", ""), "other"),
        (("virsh", "--connect=qemu:///system"), "other"),
        (("ovs-vsctl", "--timeout=10", "--may-exist", "add-br", "br0"), "add-br"),
        (("ovs-vsctl", "--timeout=10", "Odd/Word"), "other"),
        (("ovs-appctl", "--timeout=5", "--target=ovs-vswitchd", "version"), "version"),
        (("qemu-img", "info", "--output=json", "/a"), "info"),
        (("virt-install", "--connect=qemu:///system", "--name=a"), ""),
        (("find", "/var/log/a", "-delete"), ""),
    ],
)
def test_a_verb(argv: tuple[str, ...], word: str) -> None:
    assert verb(argv) == word


def test_every_outcome_of_a_command() -> None:
    ended: list[tuple[str, str]] = []
    limits = {"": 60.0, "sleep": 0.1}
    runner = Runner(limits, lambda argv, seconds, outcome: ended.append((argv[-1], outcome)))
    runner.run(("true",))
    runner.run(("false",))
    with pytest.raises(Exception, match="past its limit"):
        runner.run(("sleep", "60"))
    with pytest.raises(Exception, match="cannot be run"):
        runner.run(("no-such-tool-anywhere",))
    assert ended == [
        ("true", "ok"),
        ("false", "failed"),
        ("60", "timeout"),
        ("no-such-tool-anywhere", "missing"),
    ]
    assert {outcome for _, outcome in ended} < set(OUTCOMES)
