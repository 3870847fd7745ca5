"""Puts the agent together: which part works with which."""

from dataclasses import dataclass, replace
from pathlib import Path

import falcon

from agent.access.control import AccessControl
from agent.compute.hosts import Hosts
from agent.compute.installs import Installs
from agent.compute.networks import Networks
from agent.compute.overview import Overview
from agent.config import Config
from agent.http.app import create_app
from agent.http.metrics import Metrics
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.hypervisor.consoles import Consoles
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.kept_virsh import KeptVirsh
from agent.hypervisor.screens import Screens
from agent.hypervisor.virtualisation import VirtType
from agent.operations.admission import Admission
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.locks import Locks
from agent.operations.recovery import Recovery
from agent.operations.steps import Steps
from agent.redfish.resources import add_redfish
from agent.tools.run import Runner

# The time limit of the commands of /health and /metrics, whose clients must hear of a daemon that
# hangs. A scrape waits for at most two of these reads, and Prometheus for 10 s by default.
_QUICK_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Agent:
    """The application, and the parts of it that are started and stopped."""

    app: "falcon.App[falcon.Request, falcon.Response]"
    runner: Runner
    admission: Admission
    executor: Executor
    recovery: Recovery
    installs: Installs
    consoles: Consoles
    journal: Journal
    virt_type: VirtType
    kept_virsh: KeptVirsh
    access: AccessControl


def build(config: Config) -> Agent:
    """Put the agent together; nothing is run or read yet."""
    metrics = Metrics()
    runner = Runner(config.limits(), metrics.command)
    journal = Journal(
        Path(config.state_dir) / "journal.sqlite",
        days=config.journal_days,
        count=config.journal_operations,
        on_end=metrics.operation,
    )
    steps = Steps(runner, journal)
    locks = Locks()
    virt_type = VirtType(runner, config)
    kept_virsh = KeptVirsh(runner, config)
    hypervisor = Hypervisor(runner, config, kept=kept_virsh if config.warm_virsh else None)
    hosts = Hosts(hypervisor, config, virt_type, journal)
    installs = Installs(hypervisor, steps, journal, locks, hosts.start_plan)
    recovery = Recovery(steps, journal, locks, installs.wake)
    admission = Admission(config.creates, config.creates_waiting)
    executor = Executor(steps, journal, locks, recovery.add, installs.wake, admission)
    consoles = Consoles(hypervisor, config)
    access = AccessControl(config)
    places = Places(config.threads)
    changes = Changes(executor, journal, places, rest_codes=config.rest_codes)
    quick = replace(config, virsh_seconds=_QUICK_SECONDS, ovs_vsctl_seconds=_QUICK_SECONDS)
    app = create_app(
        config,
        hosts,
        Networks(hypervisor, config),
        Overview(hypervisor, journal),
        executor,
        journal,
        recovery,
        # With a virsh of its own: whether libvirt takes a new connection is what is asked.
        Hypervisor(Runner(quick.limits(), metrics.command), quick),
        consoles,
        Screens(hypervisor, runner, config),
        access,
        metrics,
        places,
        changes,
    )
    add_redfish(app, hosts, changes, places, config, access)
    return Agent(
        *(app, runner, admission, executor, recovery, installs, consoles, journal, virt_type),
        *(kept_virsh, access),
    )
