"""/operations and /operations/{operation}: the journal."""

from collections.abc import Callable
from typing import Any

import falcon

from agent.errors import FieldError, InvalidRequest, NotFound
from agent.http.resources.changes import answer_script, wants_script
from agent.http.resources.query import unknown
from agent.operations.journal import Journal
from agent.operations.operation import STATUSES
from agent.plans.script import operation_script

MOST_OPERATIONS = 500
MOST_NUMBER = 1 << 62


class OperationList:
    """/operations"""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List operations, newest first; `before` goes on where a list ended."""
        resp.media = self._journal.find(**_filters(req))


class Operation:
    """/operations/{operation}"""

    def __init__(self, journal: Journal, phase: Callable[[str], str | None]) -> None:
        self._journal = journal
        self._phase = phase

    def on_get(self, req: falcon.Request, resp: falcon.Response, operation: str) -> None:
        """Show an operation, as JSON or as a script."""
        found = self._journal.get(operation)
        if found is None:
            raise NotFound(f"there is no operation {operation!r}")
        if wants_script(req):
            answer_script(resp, operation_script(found))
        else:
            resp.media = {**found, "phase": self._phase(operation)}


def _filters(req: falcon.Request) -> dict[str, Any]:
    known = ("host", "network", "status", "before", "limit")
    errors = unknown(req, known)
    filters: dict[str, Any] = {}
    for name, value in req.params.items():
        if not isinstance(value, str):
            errors.append(FieldError(name, "is given more than once"))
        elif name in ("before", "limit"):
            most = MOST_OPERATIONS if name == "limit" else MOST_NUMBER
            # A number of more digits is none that SQLite has.
            digits = len(value) <= 19 and value.isascii() and value.isdigit()
            if digits and 1 <= int(value) <= most:
                filters[name] = int(value)
            else:
                errors.append(FieldError(name, f"{value!r} is not a number from 1 to {most}"))
        elif name == "status" and value not in STATUSES:
            errors.append(FieldError(name, f"{value!r} is none of {', '.join(STATUSES)}"))
        elif name in known:
            filters[name] = value
    if errors:
        raise InvalidRequest(errors)
    return filters
