"""The page that shows the OpenAPI document."""

import re
from html.parser import HTMLParser
from typing import Any

from agent.http import docs

from .contract import DOCUMENT
from .web import Agent


class Page(HTMLParser):
    """What a page has: its elements, the ids in it, the links, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links |= {value for name, value in attrs if name == "href" and value}
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


PAGE = Page(docs.page(DOCUMENT))


def test_it_is_served_and_may_fetch_and_run_nothing(agent: Agent) -> None:
    answer = agent("GET", "/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text == docs.page(DOCUMENT)
    policy = answer.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none';"
        r" form-action 'none'; frame-ancestors 'none'",
        policy,
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_it_is_whole_by_itself() -> None:
    assert PAGE.open == []
    assert not PAGE.tags & {"script", "link", "img", "iframe", "form", "object"}
    assert PAGE.attributes == {"lang", "charset", "name", "content", "href", "id", "class"}
    assert {link for link in PAGE.links if not link.startswith("#")} == {"/openapi.json"}


def test_every_link_leads_to_one_place() -> None:
    assert len(set(PAGE.ids)) == len(PAGE.ids)
    assert {link[1:] for link in PAGE.links if link.startswith("#")} <= set(PAGE.ids)


def test_every_operation_and_schema_has_a_place() -> None:
    operations = {
        operation["operationId"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    }
    names = {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]}
    assert set(PAGE.ids) == operations | names


def test_it_says_how_to_make_a_host() -> None:
    for text in (
        "POST /hosts/{name}",
        "MB (of 2^20 bytes)",
        'goes with "install": true only',
        """curl -s -d '{"memory": 512, "disks": [8, 20], "networks": ["vlan10"]}'"""
        " http://127.0.0.1:8420/hosts/ns.example.com",
        "curl -s -X DELETE http://127.0.0.1:8420/hosts/ns.example.com",
        "integer, from 1, to 4094",
    ):
        assert text in PAGE.text


def test_what_is_in_the_document_is_text() -> None:
    odd = "<script>&\"'"
    answer: dict[str, Any] = {"description": odd, "headers": {odd: {}}, "content": {}}
    operation = {
        "operationId": "odd",
        "tags": ["odd"],
        "summary": odd,
        "parameters": [
            {"name": odd, "in": "query", "description": odd, "schema": {"enum": [odd]}},
        ],
        "responses": {"200": answer},
    }
    schema = {"type": "object", "properties": {odd: {"type": "string", "pattern": odd}}}
    html = docs.page(
        {
            "info": {"title": odd, "description": odd},
            "tags": [{"name": "odd"}],
            "paths": {"/odd": {"get": operation}},
            "components": {"schemas": {odd: schema}},
        }
    )
    assert "<script>" not in html
    assert Page(html).text.count(odd) == 13
