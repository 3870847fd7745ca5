"""The values that bodies and answers are made of, as JSON Schema.

description: for readers of the document. null: whether it may be null as well. rules: further
keywords of JSON Schema.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

Json = dict[str, Any]


def value(kind: str, description: str = "", *, null: bool = False, **rules: Any) -> Json:
    """A value of one of JSON Schema's types."""
    return _described({"type": [kind, "null"] if null else kind, **rules}, description)


text = partial(value, "string")
uuid = partial(text, format="uuid")
boolean = partial(value, "boolean")
integer = partial(value, "integer")
number = partial(value, "number")
time = partial(number, "seconds since 1970")


def between(least: int, most: int, description: str = "") -> Json:
    """An integer within bounds, both included."""
    return integer(description, minimum=least, maximum=most)


def enum(values: Iterable[str], description: str = "") -> Json:
    """One of these texts."""
    return _described({"enum": list(values)}, description)


def array(items: Json, description: str = "", **rules: Any) -> Json:
    """An array of such items."""
    return value("array", description, items=items, **rules)


def record(required: Json, optional: Json | None = None, description: str = "") -> Json:
    """An object of exactly these fields. required: those that are always there."""
    fields = {**required, **(optional or {})}
    rules: Json = {"required": list(required), "properties": fields}
    return value("object", description, additionalProperties=False, **rules)


def ref(name: str) -> Json:
    """One of the schemas of the document, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Json, description: str = "") -> Json:
    """What a schema of an object says, or null."""
    return _described({"anyOf": [schema, {"type": "null"}]}, description)


def _described(schema: Json, description: str) -> Json:
    return {**schema, "description": description} if description else schema
