"""The page for people: / for a browser, its files, and what it shows of the whole hypervisor."""

from pathlib import Path
from socket import gethostname
from typing import Any

import falcon

from agent.compute.overview import Overview
from agent.http.answers import etag, is_known, json_line
from agent.http.contract.service import ENTRIES
from agent.http.places import Places
from agent.http.shared_reads import SharedRead

_FOLDER = Path(__file__).parent.parent.parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing inline, nothing from elsewhere, and in nobody's frame.
_POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Root:
    """/"""

    def __init__(self, files: "Files") -> None:
        self._files = files

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return the page to a browser, and the entry points of the API to a program."""
        resp.append_header("Vary", "Accept")
        if req.client_prefers((falcon.MEDIA_JSON, falcon.MEDIA_HTML)) == falcon.MEDIA_HTML:
            self._files.on_get(req, resp, "index.html")
        else:
            rights = req.context.rights
            resp.media = {
                "hypervisor": gethostname(),
                "read_only": rights.read_only,
                "some_hosts": rights.limited,
                **ENTRIES,
            }


class Files:
    """/page/{file}: read once, when the agent starts."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._files = {
            path.name: (data := path.read_bytes(), _TYPES[path.suffix], etag(data))
            for path in sorted(folder.iterdir())
            if path.suffix in _TYPES
        }

    def on_get(self, req: falcon.Request, resp: falcon.Response, file: str) -> None:
        """Return a file of the page, or 304 to who has it already."""
        if file not in self._files:
            raise falcon.HTTPNotFound
        data, content_type, tag = self._files[file]
        # A new version of the agent has another one.
        resp.cache_control = ["no-cache"]
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Referrer-Policy", "no-referrer")
        if not is_known(req, resp, tag):
            resp.content_type, resp.data = content_type, data


class WholeHypervisor:
    """/overview"""

    def __init__(self, overview: Overview, places: Places) -> None:
        self._overview = overview
        self._shared = SharedRead(self._read, places)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show every host that the client sees, and every network, as the page shows them."""
        rights = req.context.rights
        shown, data = self._shared()
        if rights.limited:
            hosts = [host for host in shown["hosts"] if rights.sees(host["name"])]
            # Nobody knows whose the ports were.
            resp.media = {**shown, "hosts": hosts, "stale_ports": []}
        else:
            resp.data = data

    def _read(self) -> tuple[dict[str, Any], bytes]:
        """Everything, and the bytes that it becomes, made once for all who share the read."""
        shown = self._overview.read()
        return shown, json_line(shown)
