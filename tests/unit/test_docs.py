"""The pages that show the OpenAPI document and the manual."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pytest_subprocess import FakeProcess

from agent.http import docs
from agent.http.contract.markdown import ids, markdown

from .contract import DOCUMENT
from .web import Agent, see_problem


class Page(HTMLParser):
    """What a page has: its elements, their attributes and ids, the links, the code, the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.open: list[str] = []
        self.code: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links |= {value for name, value in attrs if name == "href" and value}
        if tag not in ("meta", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "code" in self.open:
            self.code.append(data)


def contract_page(document: dict[str, Any], pages: dict[str, str] | None = None) -> str:
    return docs.page(markdown(document, pages or {}), ids(document))


PAGE = Page(contract_page(DOCUMENT))
FETCHES_OR_RUNS = {"script", "link", "img", "iframe", "form", "object"}


@pytest.fixture
def manual(fp: FakeProcess, tmp_path: Path) -> Agent:
    """An agent with a manual of two pages, and a file that is none."""
    (tmp_path / "install.md").write_text(
        "# Installing `it`\n\n## As a service\n\n[Limits](settings.md#limits_of-ż-2)"
        " [all](settings.md) [below](#as-a-service) [there](https://example.com/a.md)\n"
    )
    (tmp_path / "settings.md").write_text(
        "# Settings\n\n## `limits_of`: ż (2)\n\n## Same\n\n## Same\n\n<script>alert(1)</script>\n\n"
        "| a | b |\n|---|---|\n| `x\\|y` | <b>z</b> |\n"
    )
    (tmp_path / "notes.txt").write_text("# Not a page")
    return Agent(fp, manual=tmp_path)


def test_it_is_served_and_may_fetch_and_run_nothing(manual: Agent) -> None:
    titles = {"/docs/install": "Installing `it`", "/docs/settings": "Settings"}
    for path, page in (
        ("/docs", contract_page(DOCUMENT, titles)),
        ("/docs/install", docs.page((Path(manual.manual) / "install.md").read_text())),
    ):
        answer = manual("GET", path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text == page
        policy = answer.headers["content-security-policy"]
        assert re.fullmatch(
            r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none';"
            r" form-action 'none'; frame-ancestors 'none'",
            policy,
        )
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_it_is_whole_by_itself() -> None:
    assert PAGE.open == []
    assert not PAGE.tags & FETCHES_OR_RUNS
    assert PAGE.attributes == {"lang", "charset", "name", "content", "href", "id"}
    assert {link for link in PAGE.links if not link.startswith("#")} == {"/openapi.json"}


def test_every_operation_and_schema_has_a_place_and_is_linked_to() -> None:
    operations = {
        operation["operationId"]
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    }
    names = {f"schema-{name}" for name in DOCUMENT["components"]["schemas"]}
    assert operations | names <= set(PAGE.ids)
    assert {f"#{each}" for each in operations} <= PAGE.links


def test_it_says_how_to_make_a_host() -> None:
    for text in (
        "POST /hosts/{name}",
        "MB (of 2^20 bytes)",
        'requires "install": true',
        """curl -s -d '{"memory": 512, "disks": [8, 20], "networks": ["vlan10"]}'"""
        " http://127.0.0.1:8420/hosts/ns.example.com",
        "curl -s -X DELETE http://127.0.0.1:8420/hosts/ns.example.com",
        "integer, from 1, to 4094",
    ):
        assert text in PAGE.text


def test_every_pattern_stands_in_it_as_it_is() -> None:
    """With its bars, backslashes and backticks."""
    for schema in ("HostRequest", "NetworkRequest"):
        for field in DOCUMENT["components"]["schemas"][schema]["properties"].values():
            assert field.get("pattern", "array") in (*PAGE.code, "array")


def test_what_is_in_the_document_is_text() -> None:
    odd = "<script>&\"'"
    code = f"{odd}|`\\``[a](b)*c*"
    answer: dict[str, Any] = {"description": odd, "headers": {code: {}}, "content": {}}
    operation = {
        "operationId": "odd",
        "tags": ["agent"],
        "summary": odd,
        "parameters": [
            {"name": code, "in": "query", "description": odd, "schema": {"enum": [code]}},
        ],
        "responses": {"200": answer},
    }
    schema = {"type": "object", "properties": {code: {"type": "string", "pattern": code}}}
    html = contract_page(
        {
            "info": {"title": odd, "description": odd},
            "paths": {"/odd": {"get": operation}},
            "components": {"schemas": {"Odd": schema}},
        }
    )
    assert "<script>" not in html
    page = Page(html)
    assert page.text.count(odd) == 12
    assert page.code.count(code) == 5


def test_the_pages_of_the_manual_are_listed_and_linked(manual: Agent) -> None:
    page = Page(manual("GET", "/docs").text)
    assert {link for link in page.links if not link.startswith("#")} == {
        "/openapi.json",
        "/docs/install",
        "/docs/settings",
    }
    assert "Installing it\n" in page.text
    page = Page(manual("GET", "/docs/install").text)
    assert page.links == {
        "/docs/settings#limits_of-%C5%BC-2",
        "/docs/settings",
        "#as-a-service",
        "https://example.com/a.md",
    }
    assert page.ids == ["installing-it", "as-a-service"]


def test_a_page_of_the_manual_is_text_too(manual: Agent) -> None:
    page = Page(manual("GET", "/docs/settings").text)
    assert page.ids == ["settings", "limits_of-ż-2", "same", "same-1"]
    assert page.open == []
    assert not page.tags & {*FETCHES_OR_RUNS, "b"}
    assert page.code == ["limits_of", "x|y"]
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize("name", ["notes", "notes.txt", "install.md", ".."])
def test_a_page_that_the_manual_does_not_have(manual: Agent, name: str) -> None:
    detail = f"the manual has no page {unquote(name)!r}"
    see_problem(manual("GET", f"/docs/{name}"), 404, detail)
    outside = manual("GET", "/docs/%2e%2e%2Finstall")
    see_problem(outside, 404, "there is nothing at /docs/../install")


def test_every_link_leads_to_a_place(agent: Agent) -> None:
    """From /docs on, to every page that a link leads to."""
    pages: dict[str, Page] = {}
    found = {"/docs"}
    while found:
        path = found.pop()
        pages[path] = Page(agent("GET", path).text)
        assert len(set(pages[path].ids)) == len(pages[path].ids)
        others = {link.partition("#")[0] for link in pages[path].links}
        found |= {other for other in others if other.startswith("/docs")} - set(pages)
    for path, page in pages.items():
        for link in page.links - {"/openapi.json"}:
            to, _, part = link.partition("#")
            if not to.startswith(("http://", "https://")):
                assert not part or unquote(part) in pages[to or path].ids
