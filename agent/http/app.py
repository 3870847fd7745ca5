"""The WSGI application: which path is which resource."""

import falcon

from agent.access.control import AccessControl
from agent.config import Config
from agent.hosts import Hosts
from agent.http import problems
from agent.http.health import Health
from agent.http.metrics import Metrics
from agent.http.middleware import BodyLimit, Head, RequestLog, json_lines
from agent.http.openapi.document import document
from agent.http.places import Places, TakePlace
from agent.http.resources.changes import Changes
from agent.http.resources.console import Console
from agent.http.resources.contract import Docs, OpenApi
from agent.http.resources.health import HealthCheck
from agent.http.resources.hosts import Host, HostList
from agent.http.resources.metrics import Scrape
from agent.http.resources.networks import Network, NetworkList
from agent.http.resources.operations import Operation, OperationList
from agent.http.resources.power import Power
from agent.http.schemas.hosts import HostLimits, host_schema
from agent.hypervisor.consoles import Consoles
from agent.networks import Networks
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.plans.power import VERBS

# What is answered whatever hangs; health and metrics have short limits of their own.
_NO_COMMANDS = ("/operations", "/health", "/metrics", "/openapi.json", "/docs")
# Of which one read answers all who ask.
_LISTS = ("/hosts", "/networks")


def create_app(
    config: Config,
    hosts: Hosts,
    networks: Networks,
    executor: Executor,
    journal: Journal,
    health: Health,
    consoles: Consoles,
    access: AccessControl,
    metrics: Metrics,
) -> "falcon.App[falcon.Request, falcon.Response]":
    """Build the application over the objects that do the work.

    access: refuses requests before anything else is done with them. metrics: those that the
    commands and operations are counted in.
    """
    limits = HostLimits(
        memory=config.host_memory,
        vcpus=config.host_vcpus,
        disks=config.host_disks,
        disk_gb=config.host_disk_gb,
        total_gb=config.host_total_gb,
    )
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    free_places = Places(config.threads)
    # Some are left to reads, however many changes hang.
    changes_places = Places(max(1, config.threads * 3 // 4), within=free_places)
    take_place = TakePlace(free_places, changes_places, _NO_COMMANDS, _LISTS)
    for middleware in (
        RequestLog(metrics),
        access,
        Head(),
        BodyLimit(config.body_bytes),
        take_place,
    ):
        app.add_middleware(middleware)
    app.req_options.strip_url_path_trailing_slash = True
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json_lines()
    problems.add_handlers(app)

    changes = Changes(executor, journal)
    network = Network(networks, changes)
    app.add_route("/hosts", HostList(hosts, free_places))
    app.add_route("/hosts/{name}", Host(hosts, changes, limits))
    app.add_route("/hosts/{name}/networks/{network}", network)
    for verb in VERBS:
        app.add_route(f"/hosts/{{name}}/{verb}", Power(verb, hosts, changes))
    app.add_route("/hosts/{name}/console", Console(consoles))
    app.add_route("/networks", NetworkList(networks, free_places))
    app.add_route("/networks/{network}", network)
    app.add_route("/operations", OperationList(journal))
    app.add_route("/operations/{operation}", Operation(journal, executor.phase))
    app.add_route("/health", HealthCheck(health))
    contract = document(host_schema(limits))
    app.add_route("/openapi.json", OpenApi(contract))
    app.add_route("/docs", Docs(contract))
    metrics.watch(
        health.host_states,
        lambda: executor.active,
        lambda: len(health.unsettled()),
        lambda: len(journal.installs()),
    )
    app.add_route("/metrics", Scrape(metrics))
    return app
