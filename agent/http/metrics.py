"""What the agent counts and measures, for Prometheus."""

import logging
import re
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPMethod
from typing import TypeVar

import falcon
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from agent.errors import AgentError
from agent.hypervisor.facts import HostFigures
from agent.operations.operation import STATUSES
from agent.tools.parsers.virsh import Usage

_log = logging.getLogger("agent.metrics")

T = TypeVar("T")

# A create takes seconds, virt-install with a location minutes.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_METHODS = frozenset(method.value for method in HTTPMethod)
# virsh's own words, so that a state which no host is in is there as 0.
_STATES = ("running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
# Those whose first word says what they do. Of the others the name says it.
_WITH_VERB = frozenset(("virsh", "ovs-vsctl", "ovs-appctl", "qemu-img", "prlimit"))
# What is counted of the disks and cards of a host: the name, what was done, and the counts by the
# label.
_COUNTED: tuple[tuple[str, str, str, Callable[[Usage], Mapping[str, int]]], ...] = (
    ("disk_read", "read", "disk", lambda used: used.read_bytes),
    ("disk_written", "written", "disk", lambda used: used.written_bytes),
    ("network_received", "received", "port", lambda used: used.received_bytes),
    ("network_sent", "sent", "port", lambda used: used.sent_bytes),
)
_VERB = re.compile(r"[a-z][a-z-]{0,30}")


class Metrics(Collector):
    """The metrics of one application, and the collector of those that are read at each scrape."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        labels = ("method", "route", "status")
        self._requests = Counter(
            "staging_agent_requests",
            "Requests, by method, route and status code.",
            labels,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "staging_agent_request_duration_seconds",
            "Seconds until the response began, by method and route.",
            labels[:2],
            buckets=_SECONDS,
            registry=registry,
        )
        self._commands = Counter(
            "staging_agent_commands",
            "Commands that have ended, by tool, verb (of a batch of virsh reads the first) and"
            " outcome.",
            ("tool", "verb", "outcome"),
            registry=registry,
        )
        self._command_seconds = Histogram(
            "staging_agent_command_duration_seconds",
            "Seconds that commands took, by tool and verb.",
            ("tool", "verb"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._operations = Counter(
            "staging_agent_operations",
            "Operations that have ended, installs included, by outcome. An unsettled one is counted"
            " again when it is settled.",
            ("outcome",),
            registry=registry,
        )
        for status in STATUSES:
            if status not in ("running", "waiting"):
                self._operations.labels(status)

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request. route: its template, None where it has none or was refused before."""
        labels = (method if method in _METHODS else "other", route or "none")
        self._requests.labels(*labels, str(status)).inc()
        self._request_seconds.labels(*labels).observe(seconds)

    def command(self, argv: Sequence[str], seconds: float, outcome: str) -> None:
        """Count a command that has ended."""
        labels = (argv[0], verb(argv))
        self._commands.labels(*labels, outcome).inc()
        self._command_seconds.labels(*labels).observe(seconds)

    def operation(self, status: str) -> None:
        """Count an operation that has ended."""
        self._operations.labels(status).inc()

    def watch(
        self,
        hosts: Callable[[], HostFigures],
        operations: Callable[[], int],
        unsettled: Callable[[], int],
        installs: Callable[[], int],
    ) -> None:
        """Call these at each scrape, in its thread.

        hosts: what is measured of them, within the 10 s that Prometheus waits by default.
        operations: how many run. unsettled: how many could not be settled yet. installs: how
        many run. Hosts and installs are left out when theirs raises.
        """
        self._hosts = hosts
        self._operations_running = operations
        self._unsettled = unsettled
        self._installs = installs
        self._registry.register(self)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return every metric as Prometheus reads them."""
        resp.data, resp.content_type = self.exposition(req.accept)
        resp.cache_control = ["no-store"]

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The text that a scraper reads, and its content type. accept: the request's header."""
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:
            # It asks for a version that is no number, which the library compares with some.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def describe(self) -> Iterable[Metric]:
        """Called by the registry for the names, in place of asking."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at each scrape."""
        hosts = _or_none(self._hosts)
        yield GaugeMetricFamily(
            "staging_agent_libvirt_up", "Whether libvirt responded.", int(hosts is not None)
        )
        if hosts is not None:
            states = Count(hosts.states)
            gauge = GaugeMetricFamily("staging_agent_hosts", "Hosts, by state.", labels=("state",))
            for state in (*_STATES, *sorted(set(states) - set(_STATES))):
                gauge.add_metric((state,), states[state])
            yield gauge
            yield from _usages(hosts.usages)
        yield GaugeMetricFamily(
            "staging_agent_operations_running",
            "Changes that are being planned or run.",
            self._operations_running(),
        )
        yield GaugeMetricFamily(
            "staging_agent_operations_unsettled",
            "Operations that could be neither completed nor undone yet.",
            self._unsettled(),
        )
        installs = _or_none(self._installs)
        yield GaugeMetricFamily(
            "staging_agent_journal_up",
            "Whether the journal could be read.",
            int(installs is not None),
        )
        if installs is not None:
            yield GaugeMetricFamily(
                "staging_agent_installs_running", "Installs that have not ended.", installs
            )


def _usages(usages: Mapping[str, Usage]) -> Iterator[Metric]:
    """What each host that runs uses. What libvirt did not tell of one is left out."""
    cpu = CounterMetricFamily(
        "staging_agent_host_cpu_seconds",
        "Processor time of a running host, by host.",
        labels=("host",),
    )
    memory = GaugeMetricFamily(
        "staging_agent_host_memory_bytes",
        "Memory of the hypervisor that a running host occupies, by host.",
        labels=("host",),
    )
    for host, usage in usages.items():
        if usage.cpu_ns is not None:
            cpu.add_metric((host,), usage.cpu_ns / 1e9)
        if usage.rss_kib is not None:
            memory.add_metric((host,), usage.rss_kib * 1024)
    yield from (cpu, memory)
    for name, done, label, counted in _COUNTED:
        counter = CounterMetricFamily(
            f"staging_agent_host_{name}_bytes",
            f"Bytes that a running host has {done}, by host and {label}.",
            labels=("host", label),
        )
        for host, usage in usages.items():
            for part, count in counted(usage).items():
                counter.add_metric((host, part), count)
        yield counter


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except AgentError as error:
        _log.debug("a metric is left out: %s", error.detail)
        return None


def verb(argv: Sequence[str]) -> str:
    """What a command does, in its tool's own word; nothing that a client may have sent."""
    if argv[0] not in _WITH_VERB:
        return ""
    for word in argv[1:]:
        if not word.startswith("-"):
            first = word.split(None, 1)[0].rstrip(";") if word.strip() else ""
            return first if _VERB.fullmatch(first) else "other"
    return "other"
