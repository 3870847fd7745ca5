"""/hosts, /hosts/{name}, and below it: its power, what it boots from, installs, and media."""

from collections.abc import Callable
from typing import Any

import falcon

from agent.compute.hosts import Hosts
from agent.config import Config
from agent.http.answers import json_line
from agent.http.contract.hosts import (
    boot_request,
    host_request,
    install_request,
    media_request,
)
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.http.resources.request import json_body
from agent.http.shared_reads import SharedRead, SharedReads


class HostList:
    """/hosts"""

    def __init__(self, hosts: Hosts, places: Places) -> None:
        self._hosts = hosts
        self._list = SharedRead(self._read, places)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every host that the client sees."""
        rights = req.context.rights
        rows, data = self._list()
        if rights.limited:
            resp.media = [row for row in rows if rights.sees(row["name"])]
        else:
            resp.data = data

    def _read(self) -> tuple[list[dict[str, str]], bytes]:
        """Every host, and the bytes that they become, made once for all who share the read."""
        rows = self._hosts.list()
        return rows, json_line(rows)


class OfHost:
    """What is read of a host by its name, such as /hosts/{name}/usage.

    read: does that; its answer is made of JSON.
    """

    def __init__(self, read: Callable[[str], Any], places: Places) -> None:
        self._shown = SharedReads(lambda name: json_line(read(name)), places)

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Show it."""
        resp.data = self._shown(name)


class Host(OfHost):
    """/hosts/{name}"""

    def __init__(self, hosts: Hosts, changes: Changes, places: Places, config: Config) -> None:
        super().__init__(hosts.show, places)
        self._hosts = hosts
        self._changes = changes
        self._config = config

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


class BootOrder:
    """/hosts/{name}/boot"""

    def __init__(self, hosts: Hosts, changes: Changes) -> None:
        self._hosts = hosts
        self._changes = changes

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Set what the host boots from, from its next start on."""
        body = json_body(req)
        self._changes.enact(self._hosts.set_boot(name, boot_request(body)), body, req, resp)


class Install:
    """/hosts/{name}/install"""

    def __init__(self, hosts: Hosts, changes: Changes, config: Config) -> None:
        self._hosts = hosts
        self._changes = changes
        self._config = config

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Install the host again."""
        body = json_body(req)
        change = self._hosts.install(name, install_request(body, self._config))
        self._changes.enact(change, body, req, resp)


class Media:
    """/hosts/{name}/media"""

    def __init__(self, hosts: Hosts, changes: Changes) -> None:
        self._hosts = hosts
        self._changes = changes

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Put an image into the host's drive."""
        body = json_body(req)
        self._changes.enact(self._hosts.insert_media(name, media_request(body)), body, req, resp)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Take it out."""
        self._changes.enact(self._hosts.eject_media(name), None, req, resp)
