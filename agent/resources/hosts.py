"""/hosts and /hosts/{name}."""

import falcon

from agent.executor import Executor
from agent.hosts import Hosts
from agent.resources.body import json_body
from agent.resources.changes import enact
from agent.schemas import host_request


class HostList:
    """/hosts"""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every host."""
        resp.media = self._hosts.list()


class Host:
    """/hosts/{name}"""

    def __init__(self, hosts: Hosts, executor: Executor) -> None:
        self._hosts = hosts
        self._executor = executor

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show a host."""
        resp.media = self._hosts.show(name)

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Make a host."""
        request = host_request(name, json_body(req))
        enact(self._executor, self._hosts.create(request), req, resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Remove a host and its disks."""
        enact(self._executor, self._hosts.delete(name), req, resp)
