"""/openapi.json and /docs: the contract, for programs and for people."""

from typing import Any

import falcon

from agent.http import docs
from agent.http.middleware import json_line


class OpenApi:
    """/openapi.json"""

    def __init__(self, document: dict[str, Any]) -> None:
        self._data = json_line(document).encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the OpenAPI document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._data


class Docs:
    """/docs"""

    def __init__(self, document: dict[str, Any]) -> None:
        self._data = docs.page(document).encode()

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the document as a page."""
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", docs.POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.data = self._data
