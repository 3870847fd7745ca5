"""/networks, /networks/{network} and its alias under a host."""

import falcon

from agent.compute.networks import Networks
from agent.http.answers import json_line
from agent.http.contract.networks import network_request
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.http.resources.request import json_body
from agent.http.shared_reads import SharedRead


class NetworkList:
    """/networks"""

    def __init__(self, networks: Networks, places: Places) -> None:
        # As the bytes that they become, so that the same is not made for each who asks.
        self._list = SharedRead(lambda: json_line(networks.list()), places)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every network."""
        resp.data = self._list()


class Network:
    """/networks/{network} and /hosts/{name}/networks/{network}.

    The first version of the API put a network under a host. A network belongs to no host,
    so the host's name says nothing, and need not be that of one.
    """

    def __init__(self, networks: Networks, changes: Changes, places: Places) -> None:
        self._networks = networks
        self._changes = changes
        self._places = places

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, network: str, name: str = ""
    ) -> None:
        """Show a network, with those of its hosts that the client sees."""
        with self._places.one():
            shown = self._networks.show(network)
        sees = req.context.rights.sees
        resp.media = {**shown, "ports": [port for port in shown["ports"] if sees(port["host"])]}

    def on_post(
        self, req: falcon.Request, resp: falcon.Response, network: str, name: str = ""
    ) -> None:
        """Make a network."""
        body = json_body(req)
        change = self._networks.create(network_request(network, body))
        self._changes.enact(change, body, req, resp)

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, network: str, name: str = ""
    ) -> None:
        """Remove a network that no host uses."""
        self._changes.enact(self._networks.delete(network), None, req, resp)
