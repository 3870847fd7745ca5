"""PUT /hosts/{name}/start, shutdown, stop, reboot, reset."""

import falcon

from agent.hosts import Hosts
from agent.http.resources.changes import Changes


class Power:
    """/hosts/{name}/{verb}, one for each verb."""

    def __init__(self, verb: str, hosts: Hosts, changes: Changes) -> None:
        self._verb = verb
        self._hosts = hosts
        self._changes = changes

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Do to the host what the verb says."""
        self._changes.enact(self._hosts.power(name, self._verb), None, req, resp)
