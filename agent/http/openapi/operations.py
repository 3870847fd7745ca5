"""The paths of the operations in the journal."""

from typing import Any

from agent.http.openapi.methods import read
from agent.http.openapi.parameters import between, in_path, in_query
from agent.http.openapi.responses import TEXT_OF_SCRIPT, many, one
from agent.http.resources.operations import MOST_NUMBER, MOST_OPERATIONS
from agent.operations.operation import STATUSES

_Json = dict[str, Any]


def paths() -> _Json:
    """Every path of the tag operations."""
    return {
        "/operations": {
            "get": read(
                "listOperations",
                "operations",
                "List what was changed, newest first.",
                many("OperationRow"),
                _filters(),
                also=(400,),
            )
        },
        "/operations/{operation}": {
            "get": read(
                "getOperation",
                "operations",
                "Show one change with every command.",
                {**one("Operation"), **TEXT_OF_SCRIPT},
                [in_path("operation", "the operation's id")],
                also=(404,),
            )
        },
    }


def _filters() -> list[_Json]:
    return [
        in_query("host", "only those about this host", {"type": "string"}),
        in_query("network", "only those about this network", {"type": "string"}),
        in_query("status", "only those of this status", {"type": "string", "enum": list(STATUSES)}),
        in_query("before", "only those of a lower `number`", between(1, MOST_NUMBER)),
        in_query("limit", "how many at most, 50 by default", between(1, MOST_OPERATIONS)),
    ]
