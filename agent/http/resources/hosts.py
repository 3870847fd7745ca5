"""/hosts, /hosts/{name}, and its power: PUT /hosts/{name}/start and so on."""

import falcon

from agent.config import Config
from agent.hosts import Hosts
from agent.http.contract.hosts import host_request
from agent.http.middleware import json_line
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.http.resources.request import json_body
from agent.http.shared_reads import SharedRead


class HostList:
    """/hosts"""

    def __init__(self, hosts: Hosts, places: Places) -> None:
        # The bytes, made once for all who share the read.
        self._list = SharedRead(lambda: json_line(hosts.list()).encode(), places)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every host."""
        resp.data = self._list()


class Host:
    """/hosts/{name}"""

    def __init__(self, hosts: Hosts, changes: Changes, places: Places, config: Config) -> None:
        self._hosts = hosts
        self._changes = changes
        self._places = places
        self._config = config

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show a host."""
        with self._places.one():
            resp.media = self._hosts.show(name)

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Make a host."""
        body = json_body(req)
        change = self._hosts.create(host_request(name, body, self._config))
        self._changes.enact(change, body, req, resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Remove a host and its disks."""
        self._changes.enact(self._hosts.delete(name), None, req, resp)


class Power:
    """/hosts/{name}/{verb}, one for each verb."""

    def __init__(self, verb: str, hosts: Hosts, changes: Changes) -> None:
        self._verb = verb
        self._hosts = hosts
        self._changes = changes

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Do to the host what the verb says."""
        self._changes.enact(self._hosts.power(name, self._verb), None, req, resp)
