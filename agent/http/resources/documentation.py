"""/openapi.json, /docs and /docs/{page}: the contract and the manual."""

from functools import cache

import falcon

from agent.errors import NotFound
from agent.http import docs
from agent.http.answers import json_line
from agent.http.contract.markdown import ids, markdown
from agent.http.contract.values import Json


class OpenApi:
    """/openapi.json"""

    def __init__(self, document: Json) -> None:
        self._data = json_line(document)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer the OpenAPI document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._data


class Docs:
    """/docs and /docs/{page}: the OpenAPI document for a person, and the pages of the manual.

    manual: the pages, as Markdown by their names. A page is rendered when it is first asked for,
    since the daemon is to be ready soon.
    """

    def __init__(self, document: Json, manual: dict[str, str]) -> None:
        self._document = document
        self._manual = manual
        self._page = cache(self._rendered)

    def on_get(self, req: falcon.Request, resp: falcon.Response, page: str = "") -> None:
        """Answer the document, or a page of the manual."""
        resp.data = self._page(page)
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", docs.POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")

    def _rendered(self, name: str) -> bytes:
        if not name:
            pages = {f"/docs/{each}": docs.title(text) for each, text in self._manual.items()}
            return docs.page(markdown(self._document, pages), ids(self._document)).encode()
        if name not in self._manual:
            raise NotFound(f"the manual has no page {name!r}")
        return docs.page(self._manual[name]).encode()
