"""The WSGI application: which path is which resource."""

import falcon

from agent import problems
from agent.executor import Executor
from agent.health import Health
from agent.hosts import Hosts
from agent.journal import Journal
from agent.middleware import BodyLimit, Head, RequestLog, json_lines
from agent.networks import Networks
from agent.resources.changes import Changes
from agent.resources.health import HealthCheck
from agent.resources.hosts import Host, HostList
from agent.resources.networks import Network, NetworkList
from agent.resources.operations import Operation, OperationList


def create_app(
    hosts: Hosts, networks: Networks, executor: Executor, journal: Journal, health: Health
) -> "falcon.App[falcon.Request, falcon.Response]":
    """Build the application over the objects that do the work."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    for middleware in (RequestLog(), Head(), BodyLimit()):
        app.add_middleware(middleware)
    app.req_options.strip_url_path_trailing_slash = True
    app.resp_options.media_handlers[falcon.MEDIA_JSON] = json_lines()
    problems.add_handlers(app)

    changes = Changes(executor, journal)
    network = Network(networks, changes)
    app.add_route("/hosts", HostList(hosts))
    app.add_route("/hosts/{name}", Host(hosts, changes))
    app.add_route("/hosts/{name}/networks/{network}", network)
    app.add_route("/networks", NetworkList(networks))
    app.add_route("/networks/{network}", network)
    app.add_route("/operations", OperationList(journal))
    app.add_route("/operations/{operation}", Operation(journal, executor.phase))
    app.add_route("/health", HealthCheck(health))
    return app
