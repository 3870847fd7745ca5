"""/hosts/{name}/snapshots/{snapshot}, and its revert."""

import falcon

from agent.compute.hosts import Hosts
from agent.http.contract.snapshots import see_name
from agent.http.places import Places
from agent.http.resources.changes import Changes


class Snapshot:
    """/hosts/{name}/snapshots/{snapshot}"""

    def __init__(self, hosts: Hosts, changes: Changes, places: Places) -> None:
        self._hosts = hosts
        self._changes = changes
        self._places = places

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str, snapshot: str) -> None:
        """Show a snapshot."""
        with self._places.one():
            resp.media = self._hosts.snapshot(name, snapshot)

    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str, snapshot: str) -> None:
        """Make a snapshot of a host."""
        see_name(snapshot)
        self._changes.enact(self._hosts.make_snapshot(name, snapshot), None, req, resp)

    def on_delete(
        self, req: falcon.Request, resp: falcon.Response, name: str, snapshot: str
    ) -> None:
        """Delete a snapshot."""
        self._changes.enact(self._hosts.delete_snapshot(name, snapshot), None, req, resp)


class Revert:
    """/hosts/{name}/snapshots/{snapshot}/revert"""

    def __init__(self, hosts: Hosts, changes: Changes) -> None:
        self._hosts = hosts
        self._changes = changes

    def on_put(self, req: falcon.Request, resp: falcon.Response, name: str, snapshot: str) -> None:
        """Put a host back to a snapshot."""
        self._changes.enact(self._hosts.revert(name, snapshot), None, req, resp)
