"""The OpenAPI document as a page for a person: one file of HTML, no script, nothing to fetch."""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

_Json = dict[str, Any]

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
.method { display: inline-block; min-width: 4.5em }
a { color: #14508c }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# What the page may do: look as it does, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


def page(document: _Json) -> str:
    """The page. document: an OpenAPI document of this agent's kind."""
    return "\n".join(_page(document)) + "\n"


def _page(document: _Json) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width">'
    yield f"<style>{_STYLE}</style></head><body>"
    yield f"<h1>{title}</h1>"
    for paragraph in document["info"]["description"].strip().split("\n\n"):
        yield f"<p>{_text(paragraph)}</p>"
    yield '<p>For programs, the same is at <a href="/openapi.json">/openapi.json</a>.</p>'
    tags = [tag["name"] for tag in document["tags"]]
    found = {tag: list(_operations(document, tag)) for tag in tags}
    for tag, operations in found.items():
        yield f"<h2>{escape(tag)}</h2>"
        yield _table(
            (),
            (
                (f'<a href="#{escape(each["operationId"])}">{_line(method, path)}</a>', does)
                for method, path, each in operations
                for does in [_text(each["summary"])]
            ),
        )
        for method, path, each in operations:
            yield from _operation(document, method, path, each)
    yield "<h2>what bodies and answers hold</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _schema(name, schema)
    yield "</body></html>"


def _operations(document: _Json, tag: str) -> Iterator[tuple[str, str, _Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] == [tag]:
                yield method, path, operation


def _operation(document: _Json, method: str, path: str, operation: _Json) -> Iterator[str]:
    yield f'<h3 id="{escape(operation["operationId"])}">{_line(method, path)}</h3>'
    yield f"<p>{_text(operation['summary'])} {_text(operation.get('description', ''))}</p>"
    yield "<h4>parameters</h4>"
    yield _table(
        ("name", "in", "value", ""),
        (
            (
                f"<code>{escape(each['name'])}</code>",
                escape(each["in"]),
                _value(each["schema"]),
                _text(each["description"]),
            )
            for each in operation["parameters"]
        ),
    )
    body = operation.get("requestBody")
    if body is not None:
        yield "<h4>body</h4>"
        yield from _fields(_resolved(document, body["content"]["application/json"]["schema"]))
    yield "<h4>answers</h4>"
    answers = {code: _resolved(document, answer) for code, answer in operation["responses"].items()}
    yield _table(
        ("code", "", "body", "headers"),
        (
            (
                code,
                _text(answer["description"]),
                "<br>".join(
                    f"{escape(kind)}: {_value(held['schema'])}"
                    for kind, held in answer["content"].items()
                ),
                "<br>".join(map(escape, answer["headers"])),
            )
            for code, answer in answers.items()
        ),
    )
    yield f"<h4>example</h4><pre>{escape(_curl(method, path, operation))}</pre>"


def _curl(method: str, path: str, operation: _Json) -> str:
    for each in operation["parameters"]:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", each["example"])
    words = ["curl", "-s"]
    body = operation.get("requestBody")
    if body is not None:
        words += ["-d", json.dumps(body["content"]["application/json"]["example"])]
    elif method != "get":
        words += ["-X", method.upper()]
    return shlex.join([*words, f"http://127.0.0.1:8420{path}"])


def _schema(name: str, schema: _Json) -> Iterator[str]:
    yield f'<h3 id="schema-{escape(name)}">{escape(name)}</h3>'
    if schema.get("description"):
        yield f"<p>{_text(schema['description'])}</p>"
    yield from _fields(schema)


def _fields(schema: _Json) -> Iterator[str]:
    rows = list(_rows(schema, ""))
    if rows:
        yield _table(("field", "value", "", ""), rows)
    else:
        yield f"<p>{_value(schema)}</p>"
    rules = dict.fromkeys(_rules(schema))
    if rules:
        items = "".join(
            f"<li><code>{escape(name)}</code>: {_text(why)}</li>" for name, why in rules
        )
        yield f"<ul>{items}</ul>"


def _rows(schema: _Json, before: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each field, and for those of the objects in it."""
    required = schema.get("required", [])
    for name, inner in schema.get("properties", {}).items():
        yield (
            f"<code>{escape(before + name)}</code>",
            _value(inner),
            "required" if name in required else "",
            _text(inner.get("description", "")),
        )
        kinds = [inner, *inner.get("anyOf", ())]
        for kind in kinds:
            held = kind.get("items", kind)
            mark = "[]." if held is not kind else "."
            yield from _rows(held, f"{before}{name}{mark}")


def _rules(schema: Any) -> Iterator[tuple[str, str]]:
    """What a body must not be besides, each with the field that is refused for it."""
    for word in ("then", "else"):
        inner = schema.get(word)
        if inner is not None:
            yield from _rules(inner)
            for name, rule in inner.get("properties", {}).items():
                yield name, rule["x-refusal"]


def _value(schema: _Json) -> str:
    """What a value may be, in a few words of HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_value, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    kind = schema.get("type", "anything")
    words = [escape(" or ".join([kind] if isinstance(kind, str) else kind))]
    if "items" in schema:
        words = [f"array of {_value(schema['items'])}"]
    words += [f"{said} {schema[word]}" for word, said in _BOUNDS.items() if word in schema]
    for word, said in (("pattern", "like"), ("not", "not like")):
        pattern = schema.get(word)
        if pattern is not None:
            text = pattern if isinstance(pattern, str) else pattern["pattern"]
            words.append(f"{said} <code>{escape(text)}</code>")
    return ", ".join(words)


_BOUNDS = {
    "minimum": "from",
    "maximum": "to",
    "minItems": "items at least",
    "maxItems": "items at most",
    "minLength": "characters at least",
    "maxLength": "characters at most",
}


def _resolved(document: _Json, found: _Json) -> _Json:
    """What a reference within the document leads to; anything else is itself."""
    place: Any = document
    for part in found["$ref"].split("/")[1:] if "$ref" in found else ():
        place = place[part]
    return place if "$ref" in found else found


def _line(method: str, path: str) -> str:
    return f'<code><span class="method">{method.upper()}</span> {escape(path)}</code>'


def _text(text: str) -> str:
    """Text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = "".join(f"<th>{escape(each)}</th>" for each in head)
    lines = [f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows]
    first = [f"<tr>{heads}</tr>"] if heads else []
    return "\n".join(["<table>", *first, *lines, "</table>"])
