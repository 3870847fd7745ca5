"""The values that answers are made of, as JSON Schema."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
UUID: Schema = {"type": "string", "format": "uuid"}
YES_OR_NO: Schema = {"enum": ["yes", "no"]}
TIME: Schema = {"type": "number", "description": "seconds since 1970"}
TIME_OR_NULL: Schema = {"type": ["number", "null"], "description": "seconds since 1970"}


def record(required: Schema, optional: Schema | None = None) -> Schema:
    """An object of exactly these fields. required: those that are always there."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """An array of such items, of any length."""
    return {"type": "array", "items": items}


def said(description: str, schema: Schema) -> Schema:
    """A schema with its description, for who reads the document."""
    return {**schema, "description": description}


def ref(name: str) -> Schema:
    """A reference to one of the SCHEMAS, by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(name: str) -> Schema:
    """One of the SCHEMAS, or null."""
    return {"anyOf": [ref(name), {"type": "null"}]}
