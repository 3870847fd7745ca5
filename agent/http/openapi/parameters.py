"""What a request is asked with: in its path, its query and its headers."""

from typing import Any

_Json = dict[str, Any]

_EXAMPLES = {
    "name": "ns.example.com",
    "network": "vlan10",
    "operation": "0b4f5f0e-6f0c-4a5d-8f1e-3a1d6c1f7b11",
}


def in_path(name: str, said: str, schema: _Json | None = None) -> _Json:
    """A part of the path. schema: what it may be, None for any text."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": said,
        "schema": schema or {"type": "string", "minLength": 1},
        "example": _EXAMPLES[name],
    }


def in_query(name: str, said: str, schema: _Json) -> _Json:
    """A parameter of the query, which may be left out."""
    return {"name": name, "in": "query", "description": said, "schema": schema}


def between(least: int, most: int) -> _Json:
    """The schema of an integer within bounds, both included."""
    return {"type": "integer", "minimum": least, "maximum": most}


DRY_RUN = in_query("dry_run", "change nothing, and answer the plan", {"type": "boolean"})
PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` (RFC 7240) to be answered with 202 as soon as it is planned",
    "schema": {"type": "string", "examples": ["respond-async"]},
}
REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "an id for the log, at most 128 letters, digits and . _ : -; any other is"
    " replaced",
    "schema": {"type": "string"},
}
