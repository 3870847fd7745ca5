"""The application over fake commands, and the commands that a request makes it run."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import falcon.inspect
import falcon.testing
from pytest_subprocess import FakeProcess

from agent.access.control import AccessControl
from agent.compute.hosts import Hosts
from agent.compute.networks import Networks
from agent.compute.overview import Overview
from agent.config import Config
from agent.http.app import MANUAL, create_app
from agent.http.metrics import Metrics
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.hypervisor.consoles import Consoles
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.screens import Screens
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.recovery import Recovery
from agent.operations.steps import Steps
from agent.redfish.resources import add_redfish
from agent.tools.run import Runner

from .contract import see_that_it_conforms
from .recorded import URI, Read, batch_argv, batch_outputs, joined_argv, virsh, virsh_error

POOL = "/var/lib/libvirt/images/fixture"
CONFIG = Config(pool="fixture-pool", pool_path=POOL)
NOW = 1000.0
ODD = "fixture: 'single' \"double\" żółw"


def uuid(number: int) -> str:
    """The UUID of one of the recorded domains (from 1) and networks (from 11)."""
    return f"00000000-0000-4000-8000-{number:012}"


class Agent:
    """A client of the application, and the fake commands under it.

    path: of the journal, whose clock stands still. config: who may come in. `unsettled`: the
    operations that the recovery would be given, who would try again in a thread of its own.
    New hosts and networks get the UUIDs of the recorded ones, so that those can be the
    answer to a create.
    """

    def __init__(
        self,
        fp: FakeProcess,
        path: Path | str = ":memory:",
        config: Config = CONFIG,
        manual: Path = MANUAL,
    ) -> None:
        self.fp = fp
        self.manual = manual
        self.unsettled: list[str] = []
        metrics = Metrics()
        runner = Runner(CONFIG.limits(), metrics.command)
        hypervisor = Hypervisor(runner, CONFIG, mark=lambda: "MARK")
        self.journal = Journal(path, clock=lambda: NOW, on_end=metrics.operation)
        self.locks = Locks()
        steps = Steps(runner, self.journal)
        self.recovery = Recovery(steps, self.journal, self.locks)
        self.executor = Executor(
            steps, self.journal, self.locks, self.unsettled.append, lambda: None
        )
        places = Places(config.threads)
        changes = Changes(self.executor, self.journal, places, rest_codes=config.rest_codes)
        hosts = Hosts(hypervisor, CONFIG, lambda: "qemu", self.journal, new_uuid=lambda: uuid(1))
        self.hosts = hosts
        access = AccessControl(config)
        app = create_app(
            config,
            hosts,
            Networks(hypervisor, CONFIG, new_uuid=lambda: uuid(11)),
            Overview(hypervisor, self.journal),
            self.executor,
            self.journal,
            self.recovery,
            hypervisor,
            Consoles(hypervisor, CONFIG),
            Screens(hypervisor, runner, CONFIG),
            access,
            metrics,
            places,
            changes,
            manual_folder=manual,
        )
        add_redfish(app, hosts, changes, places, config, access)
        self.app = app
        self._rest_codes = config.rest_codes
        self._client = falcon.testing.TestClient(app)

    def __call__(self, method: str, path: str, **more: Any) -> falcon.testing.Result:
        """Make a request, and see that the answer is one that the OpenAPI document has."""
        answer = self._client.simulate_request(method, path, **{"host": "localhost", **more})
        see_that_it_conforms(method, path, answer, rest_codes=self._rest_codes)
        return answer

    def routes(self) -> set[tuple[str, str]]:
        """The method and the path of all that is served, but for Redfish's."""
        return {
            (method.method, route.path)
            for route in falcon.inspect.inspect_app(self.app).routes
            for method in route.methods
            if not method.internal and not route.path.startswith("/redfish")
        }

    def reads(self, *reads: Read) -> None:
        """Expect one virsh that carries these reads out."""
        stdout, stderr = batch_outputs(reads)
        self.fp.register(batch_argv(reads), stdout=stdout, stderr=stderr)

    def joined_reads(self, *reads: Read) -> None:
        """Expect one virsh that carries these reads out, none of which fails."""
        self.fp.register(joined_argv(reads), stdout="".join(read.stdout for read in reads))

    def runs(
        self,
        *argv: str,
        stdout: str | bytes = "",
        stderr: str = "",
        returncode: int = 0,
        **more: Any,
    ) -> Any:
        """Expect a command; answers what records its calls."""
        return self.fp.register(
            list(argv), stdout=stdout, stderr=stderr, returncode=returncode, **more
        )

    def virsh(self, *words: str, **more: Any) -> Any:
        """Expect a virsh that makes a change."""
        return self.runs("virsh", f"--connect={URI}", *words, **more)

    def out_of_reach(self, *reads: Read) -> None:
        """Expect one virsh of these reads, which finds no libvirt."""
        self.fp.register(batch_argv(reads), stderr=virsh_error("out-of-reach"), returncode=1)


def see_problem(answer: falcon.testing.Result, status: int, detail: str, **more: Any) -> None:
    """Fail unless an answer is this problem and no more, with the operation of a change."""
    headers = answer.headers
    if "x-operation-id" in headers:
        more["operation"] = headers["x-operation-id"]
    title = HTTPStatus(status).phrase
    assert (answer.status_code, headers["content-type"], headers.get("retry-after")) == (
        status,
        "application/problem+json",
        "5" if status == 503 else None,
    )
    assert answer.json == {"title": title, "status": status, "detail": detail, **more}


def see_redfish_error(answer: falcon.testing.Result, status: int, message: str) -> None:
    """Fail unless an answer is an error of Redfish that says this."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json["error"]["message"] == message


def see_invalid(answer: falcon.testing.Result, *errors: tuple[str, str]) -> None:
    """Fail unless an answer is the problem of these fields: the name and what is said of each."""
    detail = "; ".join(f"{field}: {why}" for field, why in errors)
    named = [{"field": field, "detail": why} for field, why in errors]
    see_problem(answer, 400, detail, errors=named)


LIST = Read("list --all --uuid --name", virsh("list"))
RUNNING = Read("list --uuid", f"{uuid(1)}\n{uuid(2)}\n\n")
NONE_RUNNING = Read("list --uuid", "\n")
EMPTY_LIST = Read("list --all --uuid --name", virsh("empty-list"))
STATES = Read("domstats --state", virsh("domstats-state"))
COUNTERS = "--cpu-total --balloon --interface --block"
ACTIVE = Read(f"domstats --list-active --nowait {COUNTERS}", virsh("domstats-active"))
NET_UUIDS = Read("net-list --all --uuid", virsh("net-list-uuid"))
NET_ALL = Read("net-list --all --name", virsh("net-list-all"))
NET_ACTIVE = Read("net-list --name", virsh("net-list-active"))
NET_AUTOSTART = Read("net-list --all --name --autostart", virsh("net-list-autostart"))
NET_PERSISTENT = Read("net-list --all --name --persistent", virsh("net-list-persistent"))
NET_ROWS = (NET_ALL, NET_ACTIVE, NET_AUTOSTART, NET_PERSISTENT)
# In the order in which `net-list --uuid` has them.
NETWORKS = tuple(
    Read(f"net-dumpxml {uuid(number)}", virsh(f"net-dumpxml-{case}"))
    for number, case in (
        (14, "nat"),
        (15, "transient"),
        (12, "untagged"),
        (13, "trunk"),
        (11, "tagged"),
    )
)
POOL_XML = Read("pool-dumpxml fixture-pool", virsh("pool-dumpxml"))
POOL_INFO = Read("pool-info --bytes fixture-pool", virsh("pool-info"))
MEMORY = Read("nodememstats", virsh("nodememstats"))
LIST_BR = ("ovs-vsctl", "--timeout=10", "list-br")
INTERFACES = (
    *("ovs-vsctl", "--timeout=10", "--format=json", "--columns=name,external_ids"),
    *("list", "Interface"),
)


def details(number: int, case: str) -> tuple[Read, ...]:
    """The reads of all that is shown of a recorded domain."""
    return (
        Read(f"dominfo {uuid(number)}", virsh(f"dominfo-{case}")),
        Read(f"dumpxml {uuid(number)}", virsh(f"dumpxml-{case}")),
        Read(f"dumpxml --inactive {uuid(number)}", virsh(f"dumpxml-inactive-{case}")),
        Read(f"domstats --block {uuid(number)}", virsh(f"domstats-block-{case}")),
        POOL_XML,
    )


def definitions() -> tuple[Read, ...]:
    """The reads of every recorded domain's definition, and of what is kept of those that run."""
    run = ((1, "running"), (2, "netboot"))
    return (
        *(
            Read(f"dumpxml {uuid(number)}", virsh(f"dumpxml-{case}"))
            for number, case in (*run, (4, "spaces"), (3, "off"))
        ),
        *(
            Read(f"dumpxml --inactive {uuid(number)}", virsh(f"dumpxml-inactive-{case}"))
            for number, case in run
        ),
    )
