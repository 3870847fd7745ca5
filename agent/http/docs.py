"""Markdown as a page of HTML by itself: no script, and nothing that it fetches."""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

_STYLE = """
body { font: 16px/1.5 sans-serif; color: #222; max-width: 60em; margin: 2em auto; padding: 0 1em }
h2 { margin-top: 2.5em; border-bottom: 2px solid #ccc }
h3 { margin-top: 2em; background: #eef2f6; padding: .3em .5em }
h4 { margin: 1em 0 .2em }
table { border-collapse: collapse; width: 100%; font-size: 90% }
th, td { border: 1px solid #ccc; padding: .2em .5em; text-align: left; vertical-align: top }
th { background: #f6f6f6 }
code, pre { font: 13px/1.5 monospace; overflow-wrap: anywhere }
pre { background: #f6f6f6; padding: .7em; overflow-x: auto }
a { color: #14508c }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# What a page may do: look as it does, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def manual(folder: Path) -> dict[str, str]:
    """The pages of the manual in a folder, as Markdown by their names without `.md`."""
    return {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.md"))}


def title(markdown: str) -> str:
    """The title of a page: its first heading, as Markdown."""
    heading = re.search(r"^# +(.+)$", markdown, re.MULTILINE)
    return heading[1] if heading else ""


def page(markdown: str, ids: Mapping[str, str] | None = None) -> str:
    """Markdown as a page of HTML.

    Headings have ids, by which links lead to them; ids: those of some headings, by their text.
    The others are made of the text as common hosts of Markdown make them. Links to another page
    of the manual as a file, `page.md#part`, lead to where it is served.
    """
    tokens = _MARKDOWN.parse(markdown)
    _give_ids(tokens, ids or {})
    for link in (child for token in tokens for child in token.children or ()):
        if link.type == "link_open":
            link.attrSet(
                "href", re.sub(r"^([\w.-]+)\.md(?=#|$)", r"/docs/\1", str(link.attrs["href"]))
            )
    body = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title(markdown))}</title>
<style>{_STYLE}</style></head><body>
{body}</body></html>
"""


def _give_ids(tokens: list[Token], ids: Mapping[str, str]) -> None:
    given: set[str] = set()
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            plain = re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
            number, id_ = 0, ids.get(text, plain)
            while id_ in given:
                number += 1
                id_ = f"{plain}-{number}"
            given.add(id_)
            heading.attrSet("id", id_)
