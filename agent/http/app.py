"""The WSGI application: which path is which resource."""

from pathlib import Path

import falcon

from agent.access.control import AccessControl
from agent.compute.hosts import Hosts
from agent.compute.networks import Networks
from agent.compute.overview import Overview
from agent.config import Config
from agent.http import problems
from agent.http.answers import json_line
from agent.http.contract.document import document
from agent.http.docs import manual
from agent.http.metrics import Metrics
from agent.http.middleware import BodyLimit, Head, Passwords, RequestLog
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.http.resources.console import Console
from agent.http.resources.documentation import Docs, OpenApi
from agent.http.resources.health import Health
from agent.http.resources.hosts import BootOrder, Host, HostList, Install, Media, OfHost, Power
from agent.http.resources.networks import Network, NetworkList
from agent.http.resources.operations import Operation, OperationList
from agent.http.resources.page import Files, Root, WholeHypervisor
from agent.http.resources.screen import Screen
from agent.http.resources.snapshots import Revert, Snapshot
from agent.http.shared_reads import SharedRead
from agent.hypervisor.consoles import Consoles
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.screens import Screens
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.recovery import Recovery
from agent.plans.power import VERBS

MANUAL = Path(__file__).parent.parent / "manual"


def create_app(
    config: Config,
    hosts: Hosts,
    networks: Networks,
    overview: Overview,
    executor: Executor,
    journal: Journal,
    recovery: Recovery,
    quick: Hypervisor,
    consoles: Consoles,
    screens: Screens,
    access: AccessControl,
    metrics: Metrics,
    places: Places,
    changes: Changes,
    manual_folder: Path = MANUAL,
) -> "falcon.App[falcon.Request, falcon.Response]":
    """Build the application over the objects that do the work.

    access: refuses requests before anything else is done with them. metrics: those that the
    commands and operations are counted in. places: what needs none is answered whatever hangs.
    quick: whose commands have short limits, for health and metrics. manual_folder: where the pages
    of the manual are.
    """
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    limit = BodyLimit(config.body_bytes)
    for middleware in (RequestLog(metrics), access, Passwords(), Head(), limit):
        app.add_middleware(middleware)
    app.req_options.strip_url_path_trailing_slash = True
    as_json = falcon.media.JSONHandler(dumps=json_line)
    for media_type in (falcon.MEDIA_JSON, problems.MEDIA_TYPE):
        app.resp_options.media_handlers[media_type] = as_json
    problems.add_handlers(app)

    network = Network(networks, changes, places)
    files = Files()
    app.add_route("/", Root(files))
    app.add_route("/page/{file}", files)
    app.add_route("/overview", WholeHypervisor(overview, places))
    app.add_route("/hosts", HostList(hosts, places))
    app.add_route("/hosts/{name}", Host(hosts, changes, places, config))
    app.add_route("/hosts/{name}/networks/{network}", network)
    for verb in VERBS:
        app.add_route(f"/hosts/{{name}}/{verb}", Power(verb, hosts, changes))
    app.add_route("/hosts/{name}/boot", BootOrder(hosts, changes))
    app.add_route("/hosts/{name}/install", Install(hosts, changes, config))
    app.add_route("/hosts/{name}/media", Media(hosts, changes))
    app.add_route("/hosts/{name}/snapshots", OfHost(hosts.snapshots, places))
    app.add_route("/hosts/{name}/snapshots/{snapshot}", Snapshot(hosts, changes, places))
    app.add_route("/hosts/{name}/snapshots/{snapshot}/revert", Revert(hosts, changes))
    app.add_route("/hosts/{name}/console", Console(consoles, places))
    app.add_route("/hosts/{name}/screen", Screen(screens, places))
    app.add_route("/hosts/{name}/usage", OfHost(hosts.usage, places))
    app.add_route("/networks", NetworkList(networks, places))
    app.add_route("/networks/{network}", network)
    app.add_route("/operations", OperationList(journal))
    app.add_route("/operations/{operation}", Operation(journal, executor.phase))
    app.add_route("/health", Health(quick, journal, recovery))
    contract = document(config)
    app.add_route("/openapi.json", OpenApi(contract))
    docs = Docs(contract, manual(manual_folder))
    app.add_route("/docs", docs)
    app.add_route("/docs/{page}", docs)
    metrics.watch(
        # However many scrapes there are at the same time, they do not take all the threads.
        SharedRead(quick.figures, places),
        lambda: executor.active,
        lambda: len(recovery.unsettled()),
        lambda: len(journal.installs()),
    )
    app.add_route("/metrics", metrics)
    return app
