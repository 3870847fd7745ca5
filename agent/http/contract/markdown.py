"""The OpenAPI document as Markdown, for a person.

A description in the document is Markdown already; only a table needs its bars escaped.
"""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from agent.http.contract.methods import JSON, TAGS
from agent.http.contract.values import Json


def markdown(document: Json, pages: dict[str, str]) -> str:
    """The document as one page. pages: titles of further pages, by their paths."""
    blocks = [
        f"# {document['info']['title']}",
        "\n".join(f"- [{title}]({path})" for path, title in pages.items()),
        document["info"]["description"],
        "For programs, the same is at [/openapi.json](/openapi.json).",
    ]
    for tag in TAGS:
        methods = [each for each in _methods(document) if each[2]["tags"] == [tag]]
        blocks += [
            f"## {tag}",
            _table(
                ("method and path", "what it does"),
                (
                    (f"[{_code(f'{method} {path}')}](#{each['operationId']})", each["summary"])
                    for method, path, each in methods
                ),
            ),
        ]
        for method, path, operation in methods:
            blocks += _method(document, method, path, operation)
    blocks += ["## schemas"]
    for name, schema in document["components"]["schemas"].items():
        blocks += [f"### {_code(name)}", schema.get("description", ""), *_fields(schema)]
    return "\n\n".join(blocks)


def ids(document: Json) -> dict[str, str]:
    """The ids of the headings of methods and schemas, by their texts."""
    methods = {f"{method} {path}": each["operationId"] for method, path, each in _methods(document)}
    return {**methods, **{name: f"schema-{name}" for name in document["components"]["schemas"]}}


def _methods(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _method(document: Json, method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {_code(f'{method} {path}')}"
    yield f"{operation['summary']} {operation.get('description', '')}"
    yield "#### parameters"
    yield _table(
        ("name", "in", "value", ""),
        (
            (_code(each["name"]), each["in"], _value(each["schema"]), each["description"])
            for each in operation["parameters"]
        ),
    )
    body = operation.get("requestBody")
    if body is not None:
        yield "#### body"
        yield from _fields(_resolved(document, body["content"][JSON]["schema"]))
    yield "#### responses"
    answers = {code: _resolved(document, answer) for code, answer in operation["responses"].items()}
    yield _table(
        ("code", "", "body", "headers"),
        (
            (
                code,
                answer["description"],
                "; ".join(
                    f"{kind}: {_value(held['schema'])}" for kind, held in answer["content"].items()
                ),
                ", ".join(map(_code, answer["headers"])),
            )
            for code, answer in answers.items()
        ),
    )
    yield "#### example"
    yield f"    {_curl(method, path, operation)}"


def _curl(method: str, path: str, operation: Json) -> str:
    for each in operation["parameters"]:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", each["example"])
    words = ["curl", "-s"]
    body = operation.get("requestBody")
    if body is not None:
        words += ["-d", json.dumps(body["content"][JSON]["example"])]
    elif method != "GET":
        words += ["-X", method]
    return shlex.join([*words, f"http://127.0.0.1:8420{path}"])


def _fields(schema: Json) -> Iterator[str]:
    rows = list(_rows(schema, ""))
    yield _table(("field", "value", "", ""), rows) if rows else _value(schema)
    yield "\n".join(dict.fromkeys(f"- {_code(name)}: {why}" for name, why in _rules(schema)))


def _rows(schema: Json, before: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each field, and for those of the objects in it."""
    required = schema.get("required", [])
    for name, inner in schema.get("properties", {}).items():
        yield (
            _code(before + name),
            _value(inner),
            "required" if name in required else "",
            inner.get("description", ""),
        )
        for kind in (inner, *inner.get("anyOf", ())):
            held = kind.get("items", kind)
            yield from _rows(held, f"{before}{name}{'.' if held is kind else '[].'}")


def _rules(schema: Json) -> Iterator[tuple[str, str]]:
    """What a body must not be besides, each with the field that is refused for it."""
    for word in ("then", "else"):
        inner = schema.get(word)
        if inner is not None:
            yield from _rules(inner)
            for name, rule in inner.get("properties", {}).items():
                yield name, rule["x-refusal"]


_BOUNDS = {
    "minimum": "from",
    "maximum": "to",
    "minItems": "items at least",
    "maxItems": "items at most",
    "minLength": "characters at least",
    "maxLength": "characters at most",
}


def _value(schema: Json) -> str:
    """What a value may be, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#schema-{name})"
    if "anyOf" in schema:
        return " or ".join(map(_value, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    kind = schema.get("type", "anything")
    words = [kind if isinstance(kind, str) else " or ".join(kind)]
    if "items" in schema:
        words = [f"array of {_value(schema['items'])}"]
    words += [f"{said} {schema[word]}" for word, said in _BOUNDS.items() if word in schema]
    if "pattern" in schema:
        words.append(f"like {_code(schema['pattern'])}")
    if "not" in schema:
        words.append(f"not like {_code(schema['not']['pattern'])}")
    return ", ".join(words)


def _resolved(document: Json, found: Json) -> Json:
    """What a reference within the document leads to; anything else is itself."""
    if "$ref" not in found:
        return found
    place: Any = document
    for part in found["$ref"].split("/")[1:]:
        place = place[part]
    return dict(place)


def _code(text: str) -> str:
    """Text as it is, between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    edge = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
