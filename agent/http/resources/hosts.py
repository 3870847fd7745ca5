"""/hosts and /hosts/{name}."""

import falcon

from agent.hosts import Hosts
from agent.http.middleware import json_line
from agent.http.places import Places
from agent.http.resources.body import json_body
from agent.http.resources.changes import Changes
from agent.http.schemas.hosts import HostLimits
from agent.http.schemas.requests import host_request
from agent.http.shared_reads import Shared


class HostList:
    """/hosts"""

    def __init__(self, hosts: Hosts, places: Places) -> None:
        # The bytes, made once for all who share the read.
        self._list = Shared(lambda: json_line(hosts.list()).encode(), places)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every host."""
        resp.data = self._list()


class Host:
    """/hosts/{name}"""

    def __init__(self, hosts: Hosts, changes: Changes, limits: HostLimits) -> None:
        self._hosts = hosts
        self._changes = changes
        self._limits = limits

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show a host."""
        resp.media = self._hosts.show(name)

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Make a host."""
        body = json_body(req)
        change = self._hosts.create(host_request(name, body, self._limits))
        self._changes.enact(change, body, req, resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Remove a host and its disks."""
        self._changes.enact(self._hosts.delete(name), None, req, resp)
