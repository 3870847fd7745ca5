"""What is answered: what it says, its headers and its content."""

from typing import Any

from agent.http.answers.values import ref

_Json = dict[str, Any]

JSON = "application/json"
SCRIPT = "text/x-shellscript"
TEXT_OF_SCRIPT: _Json = {SCRIPT: {"schema": {"type": "string"}}}


def one(name: str) -> _Json:
    """The content of an answer that is one thing, in JSON. name: of its schema."""
    return {JSON: {"schema": ref(name)}}


def many(name: str) -> _Json:
    """The content of an answer that is a list, in JSON. name: of the schema of each."""
    return {JSON: {"schema": {"type": "array", "items": ref(name)}}}


def answer(said: str, content: _Json, *headers: str) -> _Json:
    """An answer. said: what it means; headers: those that it has besides the request's id."""
    return {
        "description": said,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *headers)
        },
        "content": content,
    }


def errors(*statuses: int) -> _Json:
    """Answers that are problem documents, by their statuses."""
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses)
    }
