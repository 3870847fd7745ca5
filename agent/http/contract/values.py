"""The values that bodies and answers are made of, as JSON Schema.

description: for readers of the document. null: whether it may be null as well. rules: further
keywords of JSON Schema.
"""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def text(description: str = "", *, null: bool = False, **rules: Any) -> Json:
    """A string."""
    return _value("string", description, null, rules)


def uuid(description: str = "") -> Json:
    """A UUID."""
    return text(description, format="uuid")


def boolean(description: str = "", *, null: bool = False) -> Json:
    """True or false."""
    return _value("boolean", description, null, {})


def integer(
    description: str = "", least: int | None = None, most: int | None = None, *, null: bool = False
) -> Json:
    """An integer. least, most: its bounds, both included; None for no bound."""
    bounds = {"minimum": least, "maximum": most}
    rules = {word: bound for word, bound in bounds.items() if bound is not None}
    return _value("integer", description, null, rules)


def number(description: str = "", *, null: bool = False) -> Json:
    """A number, with a fraction or without."""
    return _value("number", description, null, {})


def time(*, null: bool = False) -> Json:
    """A point in time."""
    return number("seconds since 1970", null=null)


def enum(values: Iterable[str], description: str = "") -> Json:
    """One of these texts."""
    return _described({"enum": list(values)}, description)


def array(items: Json, description: str = "", **rules: Any) -> Json:
    """An array of such items."""
    return _value("array", description, False, {"items": items, **rules})


def record(required: Json, optional: Json | None = None, description: str = "") -> Json:
    """An object of exactly these fields. required: those that are always there."""
    fields = {**required, **(optional or {})}
    rules = {"required": list(required), "properties": fields, "additionalProperties": False}
    return _value("object", description, False, rules)


def ref(name: str) -> Json:
    """One of the schemas of the document, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Json, description: str = "") -> Json:
    """What a schema of an object says, or null."""
    return _described({"anyOf": [schema, {"type": "null"}]}, description)


def _value(kind: str, description: str, null: bool, rules: Json) -> Json:
    return _described({"type": [kind, "null"] if null else kind, **rules}, description)


def _described(schema: Json, description: str) -> Json:
    return {**schema, "description": description} if description else schema
