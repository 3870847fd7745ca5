"""How a responder has a change carried out, shown, or begun."""

import uuid
from typing import Any

import falcon

from agent.access.control import is_redfish
from agent.errors import JournalFailed
from agent.http.contract.methods import DRY_RUN, SCRIPT
from agent.http.middleware import client
from agent.http.places import Places
from agent.http.resources.request import query
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.operation import Change, Request
from agent.plans.power import VERBS
from agent.plans.script import script


class Changes:
    """Does with a change what its request says: run it, run it later, or only show it.

    rest_codes: answer 201 to a POST that made something, and 204 without a body to a DELETE and
    to a PUT of a power verb.
    """

    def __init__(
        self, executor: Executor, journal: Journal, places: Places, *, rest_codes: bool
    ) -> None:
        self._executor = executor
        self._journal = journal
        self._places = places
        self._rest_codes = rest_codes

    def enact(self, change: Change, body: Any, req: falcon.Request, resp: falcon.Response) -> bool:
        """Carry a change out and answer what came of it; returns whether it is done by then.

        body: what the client asked for, for the journal.
        With `?dry_run=true` nothing is changed and the answer is the plan. With `Prefer:
        respond-async` the answer is 202 and the operation, once its plan is made.
        """
        with self._places.one(change=True):
            return self._enact(change, body, req, resp)

    def _enact(self, change: Change, body: Any, req: falcon.Request, resp: falcon.Response) -> bool:
        # Whoever asks for something special of a change, in a query parameter that the agent does
        # not know, must not get the plain change instead.
        if query(req, [DRY_RUN]).get("dry_run"):
            plan = change.plan()
            if wants_script(req):
                answer_script(resp, script(plan, [f"dry run of {req.method} {req.path}"]))
            else:
                resp.media = plan.to_json()
            return False
        operation = str(uuid.uuid4())
        resp.set_header("X-Operation-ID", operation)
        subject = change.claims[0]
        request = Request(
            method=req.method,
            path=req.path,
            body=body,
            request_id=req.context.id,
            client=client(req),
            **{subject.kind: subject.name},
        )
        if _respond_async(req):
            self._executor.submit(change, operation, request)
            resp.status = falcon.HTTP_202
            resp.location = f"/operations/{operation}"
            resp.set_header("Preference-Applied", "respond-async")
            try:
                resp.media = self._journal.get(operation)
            except JournalFailed:
                resp.media = {"id": operation}  # it runs all the same
            return False
        resp.media = self._executor.perform(change, operation, request)
        if self._rest_codes and req.method == "POST":
            resp.status = falcon.HTTP_201
        elif self._rest_codes and (req.method == "DELETE" or _is_power(req)):
            resp.status, resp.media = falcon.HTTP_204, None
        return True


def _is_power(req: falcon.Request) -> bool:
    return (req.uri_template or "").rpartition("/")[2] in VERBS


def wants_script(req: falcon.Request) -> bool:
    """Whether the client would rather have a shell script than JSON."""
    return req.client_prefers((falcon.MEDIA_JSON, SCRIPT)) == SCRIPT


def answer_script(resp: falcon.Response, text: str) -> None:
    """Answer a shell script."""
    resp.content_type = f"{SCRIPT}; charset=utf-8"
    resp.text = text


def _respond_async(req: falcon.Request) -> bool:
    if is_redfish(req.path):
        # Where its clients would look for a task of Redfish's own.
        return False
    preferences = (req.get_header("Prefer") or "").split(",")
    return any(each.split(";")[0].strip().lower() == "respond-async" for each in preferences)
