"""Every error as `application/problem+json` (RFC 9457), each class mapped to its status once."""

import http
import logging
from typing import Any

import falcon

from agent import errors

_log = logging.getLogger("agent.http")

# The nearest class wins, so that a command failure of no other class is a 500.
_STATUS: dict[type[errors.AgentError], int] = {
    errors.InvalidRequest: 400,
    errors.BadLocation: 400,
    errors.ImageUnavailable: 400,
    errors.NotFound: 404,
    errors.DomainGone: 404,
    errors.AlreadyExists: 409,
    errors.NameTaken: 409,
    errors.InUse: 409,
    errors.Busy: 409,
    errors.WrongState: 409,
    errors.StateChanged: 409,
    errors.Interrupted: 503,
    errors.JournalFailed: 503,
    errors.OutOfReach: 503,
    errors.PortRefused: 503,
    errors.Stopping: 503,
    errors.TooMany: 503,
    errors.ToolMissing: 503,
    errors.WrongVlan: 503,
    errors.CommandTimeout: 504,
    errors.NoRoom: 507,
    errors.AgentError: 500,
}


def add_handlers(app: "falcon.App[Any, Any]") -> None:
    """Have the app answer every error as a problem document."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(errors.AgentError, _agent_error)


MEDIA_TYPE = "application/problem+json"


def document(status: int, detail: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    """A problem document of that status."""
    title = http.HTTPStatus(status).phrase
    return {"title": title, "status": status, "detail": detail, **(more or {})}


def answer(
    resp: falcon.Response, status: int, detail: str, more: dict[str, Any] | None = None
) -> None:
    """Make the response a problem document of that status, with the id of the change, if any."""
    operation = resp.get_header("X-Operation-ID")
    change = {"operation": operation} if operation else {}
    resp.status = falcon.code_to_http_status(status)
    resp.content_type = MEDIA_TYPE
    # In the place of what the responder may have answered.
    resp.data, resp.media = None, document(status, detail, {**(more or {}), **change})


def _agent_error(
    req: falcon.Request, resp: falcon.Response, error: errors.AgentError, params: dict[str, Any]
) -> None:
    status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
    more = error.facts()
    if error.left_behind:
        more["left_behind"] = list(error.left_behind)
    if status == 503:
        resp.set_header("Retry-After", "5")
    answer(resp, status, error.detail, more)


def _http_error(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, params: dict[str, Any]
) -> None:
    status = error.status_code
    if error.headers is not None:
        resp.set_headers(error.headers)
    if status == 404:
        detail = f"there is nothing at {req.path}"
    elif status == 405:
        detail = f"{req.path} does not take {req.method}; it takes {resp.get_header('Allow')}"
    else:
        detail = error.description or error.title or ""
    answer(resp, status, detail)


def _unexpected(
    req: falcon.Request, resp: falcon.Response, error: Exception, params: dict[str, Any]
) -> None:
    _log.error("request %s: unexpected error", req.context.id, exc_info=error)
    detail = f"an unexpected error; the agent's log has it under request {req.context.id}"
    answer(resp, 500, detail)
