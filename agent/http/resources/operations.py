"""/operations and /operations/{operation}: the journal."""

from collections.abc import Callable
from typing import Any

import falcon

from agent.access.rights import Rights
from agent.errors import NotFound
from agent.http.contract.operations import QUERY
from agent.http.resources.changes import answer_script, wants_script
from agent.http.resources.request import query
from agent.operations.journal import Journal
from agent.plans.plan import Plan
from agent.plans.script import operation_script
from agent.tools.masking import masked


class OperationList:
    """/operations"""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List operations, newest first; `before` goes on where a list ended."""
        rights = req.context.rights
        sees = rights.sees if rights.limited else None
        resp.media = self._journal.find(**query(req, QUERY), sees=sees)


class Operation:
    """/operations/{operation}"""

    def __init__(self, journal: Journal, phase: Callable[[str], str | None]) -> None:
        self._journal = journal
        self._phase = phase

    def on_get(self, req: falcon.Request, resp: falcon.Response, operation: str) -> None:
        """Show an operation, as JSON or as a script."""
        found = self._journal.get(operation)
        if found is None or not _is_seen(found, req.context.rights):
            raise NotFound(f"there is no operation {operation!r}")
        if wants_script(req):
            read_only = req.context.rights.read_only
            answer_script(resp, operation_script(masked(found) if read_only else found))
        else:
            # Plans of a journal of an earlier version are shown without what they had besides.
            plan = Plan.from_json(found["plan"]).to_json()
            resp.media = {**found, "plan": plan, "phase": self._phase(operation)}


def _is_seen(found: dict[str, Any], rights: Rights) -> bool:
    """Whether an operation is about a host that the client sees, or it sees everything."""
    return not rights.limited or (found["host"] is not None and rights.sees(found["host"]))
