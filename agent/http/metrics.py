"""What the agent counts and measures, for Prometheus."""

import logging
import re
import threading
import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPMethod
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from agent.errors import AgentError
from agent.operations import trace
from agent.operations.operation import STATUSES

_log = logging.getLogger("agent.metrics")

T = TypeVar("T")

# A create takes seconds, virt-install with a location minutes.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_METHODS = frozenset(method.value for method in HTTPMethod)
# virsh's own words, so that a state which no host is in is there as 0.
_STATES = ("running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
# Those whose first word says what they do. Of the others the name says it.
_WITH_VERB = frozenset(("virsh", "ovs-vsctl", "ovs-appctl", "qemu-img"))
_VERB = re.compile(r"[a-z][a-z-]{0,30}")
# Less than Prometheus waits for an answer, which is 10 s by default.
_ASK_SECONDS = 5.0


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        labels = ("method", "route", "status")
        self._requests = Counter(
            "staging_agent_requests",
            "Requests that were answered, by method, route and status code.",
            labels,
            registry=registry,
        )
        self._request_seconds = Histogram(
            "staging_agent_request_duration_seconds",
            "How long requests took until the answer began, by method and route.",
            labels[:2],
            buckets=_SECONDS,
            registry=registry,
        )
        self._commands = Counter(
            "staging_agent_commands",
            "Commands that have ended, by tool, verb and outcome. A batch of virsh reads goes by"
            " the verb of the first.",
            ("tool", "verb", "outcome"),
            registry=registry,
        )
        self._command_seconds = Histogram(
            "staging_agent_command_duration_seconds",
            "How long commands took, by tool and verb.",
            ("tool", "verb"),
            buckets=_SECONDS,
            registry=registry,
        )
        self._operations = Counter(
            "staging_agent_operations",
            "Operations that have ended, installs included, by outcome. One that is unsettled"
            " ends once more when it is settled.",
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
        hosts: Callable[[], Iterable[str]],
        operations: Callable[[], int],
        unsettled: Callable[[], int],
        installs: Callable[[], int],
    ) -> None:
        """Have these asked whenever the metrics are.

        hosts: the state of each host. operations: how many run. unsettled: how many could not
        be settled yet. installs: how many run.
        """
        self._registry.register(_Asked(hosts, operations, unsettled, installs))

    def answer(self, accept: str) -> tuple[bytes, str]:
        """The text that a scraper reads, and its content type. accept: the request's header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Asked(Collector):
    """What is asked for at each scrape: it is left out when it cannot be had in time."""

    def __init__(
        self,
        hosts: Callable[[], Iterable[str]],
        operations: Callable[[], int],
        unsettled: Callable[[], int],
        installs: Callable[[], int],
    ) -> None:
        self._hosts = Bounded(lambda: Count(hosts()), _ASK_SECONDS)
        self._operations = operations
        self._unsettled = unsettled
        self._installs = Bounded(installs, _ASK_SECONDS)

    def describe(self) -> Iterable[Metric]:
        """Called by the registry for the names, in place of asking."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Called by the registry at each scrape."""
        states = self._hosts()
        yield _gauge(
            "staging_agent_libvirt_up", "Whether libvirt told the hosts.", int(states is not None)
        )
        if states is not None:
            hosts = GaugeMetricFamily("staging_agent_hosts", "Hosts, by state.", labels=("state",))
            for state in (*_STATES, *sorted(set(states) - set(_STATES))):
                hosts.add_metric((state,), states[state])
            yield hosts
        yield _gauge(
            "staging_agent_operations_running",
            "Changes that are being planned or carried out.",
            self._operations(),
        )
        yield _gauge(
            "staging_agent_operations_unsettled",
            "Operations that could neither be ended nor taken back yet.",
            self._unsettled(),
        )
        installs = self._installs()
        yield _gauge(
            "staging_agent_journal_up",
            "Whether the journal could be read.",
            int(installs is not None),
        )
        if installs is not None:
            yield _gauge(
                "staging_agent_installs_running", "Installs that have not ended.", installs
            )


def _gauge(name: str, does: str, value: float) -> Metric:
    return GaugeMetricFamily(name, does, value=value)


class Bounded(Generic[T]):
    """A question that may hang, of which no one waits for the answer longer than a limit.

    It is asked in a thread, at most one at a time: who asks while it hangs waits for the rest
    of its time, or not at all.
    """

    def __init__(self, question: Callable[[], T], seconds: float) -> None:
        self._question = question
        self._seconds = seconds
        self._lock = threading.Lock()
        self._turn: _Turn[T] | None = None

    def __call__(self) -> T | None:
        """The answer, None when it failed or did not come in time."""
        with self._lock:
            turn = self._turn
            if turn is None or turn.done.is_set():
                try:
                    turn = self._turn = _Turn(self._question, self._seconds)
                except RuntimeError:
                    return None  # there are as many threads as there may be
        return turn.wait()


class _Turn(Generic[T]):
    """The question asked once."""

    def __init__(self, question: Callable[[], T], seconds: float) -> None:
        self.done = threading.Event()
        self._answer: T | None = None
        self._limit = time.monotonic() + seconds
        work = threading.Thread(target=self._ask, args=(question, trace.current()), daemon=True)
        work.start()

    def wait(self) -> T | None:
        self.done.wait(max(0.0, self._limit - time.monotonic()))
        return self._answer

    def _ask(self, question: Callable[[], T], asker: trace.Trace) -> None:
        try:
            if asker.request is not None:
                trace.begin(asker.request)
            self._answer = question()
        except AgentError as error:
            _log.debug("a metric is left out: %s", error.detail)
        except Exception:
            _log.exception("a metric is left out")
        finally:
            self.done.set()


def verb(argv: Sequence[str]) -> str:
    """What a command does, in its tool's own word; nothing that a client may have sent."""
    if argv[0] not in _WITH_VERB:
        return ""
    for word in argv[1:]:
        if not word.startswith("-"):
            first = word.split(None, 1)[0].rstrip(";") if word.strip() else ""
            return first if _VERB.fullmatch(first) else "other"
    return "other"
