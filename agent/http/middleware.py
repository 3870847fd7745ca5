"""What applies to every request: its id and log line, HEAD, and the limit of its body."""

import json
import logging
import re
import time
import uuid

import falcon

from agent.access.rights import NOTHING
from agent.http.answers import json_line
from agent.http.metrics import Metrics
from agent.operations import trace
from agent.tools.masking import masked, may_have_passwords

_log = logging.getLogger("agent.http")
_OF_GUESTS = "/hosts/{name}/console"


def client(req: falcon.Request) -> str:
    """The client, for the log and the journal: NAME@ADDRESS, or the address without a token."""
    name = req.env.get("REMOTE_USER")
    return f"{name}@{req.remote_addr}" if name else req.remote_addr


class RequestLog:
    """Gives each request an id, the client's own if valid, and logs and counts its response."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        given = req.get_header("X-Request-ID") or ""
        sane = re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", given)
        req.context.id = given if sane else str(uuid.uuid4())
        req.context.began = time.monotonic()
        resp.set_header("X-Request-ID", req.context.id)
        trace.begin(req.context.id)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        if not hasattr(req.context, "began"):
            # Falcon has refused it by itself (the method WEBSOCKET), before any middleware.
            self.process_request(req, resp)
        seconds = time.monotonic() - req.context.began
        fields = {
            "method": req.method,
            "path": req.path,
            "status": resp.status_code,
            "seconds": round(seconds, 6),
            "client": client(req),
        }
        at_work = trace.current()
        reader = ""
        if at_work.read_by is not None:
            reader = f", read by request {at_work.read_by}"
            fields["read_by"] = at_work.read_by
        # A change has told its operation to its client; the work itself is done by now.
        at_work.operation = resp.get_header("X-Operation-ID")
        path = ascii(req.path)[1:-1]
        _log.info(
            "%s %s %s: %s in %.3f s%s",
            *(fields["client"], req.method, path, resp.status, seconds, reader),
            extra={"fields": fields},
        )
        self._metrics.request(req.method, req.uri_template, resp.status_code, seconds)
        trace.end()


class Head:
    """Answers HEAD as GET without the body, on every resource that has a GET."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        req.context.head = req.method == "HEAD"
        if req.context.head:
            req.method = "GET"

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder; it leaves the body of a HEAD out by itself."""
        # Not set when access control has refused the request before it came to this.
        if getattr(req.context, "head", False):
            req.method = "HEAD"


class Passwords:
    """Hides passwords from clients that may only read."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included.

        A script hides them itself, and a guest's console is what the guest has printed.
        """
        # Not set when Falcon has refused it by itself.
        rights = getattr(req.context, "rights", NOTHING)
        if not rights.read_only or req.uri_template == _OF_GUESTS:
            return
        if resp.media is not None:
            resp.media = masked(resp.media)
        is_json = "json" in (resp.content_type or falcon.MEDIA_JSON)
        # Most of what is shared among clients, as bytes, has none.
        if is_json and resp.data is not None and may_have_passwords(resp.data):
            resp.data = json_line(masked(json.loads(resp.data)))


class BodyLimit:
    """Refuses a body that is too large. most: the largest size in bytes."""

    def __init__(self, most: int) -> None:
        self._most = most

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        if (req.content_length or 0) > self._most:
            raise falcon.HTTPContentTooLarge(description=f"a body has at most {self._most} bytes")
