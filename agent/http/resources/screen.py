"""/hosts/{name}/screen: a picture of what a host that runs shows."""

import falcon

from agent.http.contract.console import PNG
from agent.http.places import Places
from agent.http.shared_reads import SharedReads
from agent.hypervisor.screens import Screens


class Screen:
    """/hosts/{name}/screen"""

    def __init__(self, screens: Screens, places: Places) -> None:
        self._pngs = SharedReads(screens.png, places)

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Answer a picture of the screen."""
        resp.data = self._pngs(name)
        resp.content_type = PNG
        # A page that shows it again would be given the same by the browser.
        resp.cache_control = ["no-store"]
