"""What every request gets: an id, a bound to its body, an answer to HEAD, a line in the log."""

import json
import logging
import re
import threading
import time
import uuid

import falcon
from falcon import media

from agent.errors import TooMany

_log = logging.getLogger("agent.http")

MOST_BODY_BYTES = 64 * 1024


class RequestLog:
    """Gives a request an id, the client's own if it is sane, and logs the answer to it."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        given = req.get_header("X-Request-ID") or ""
        sane = re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", given)
        req.context.id = given if sane else str(uuid.uuid4())
        req.context.began = time.monotonic()
        resp.set_header("X-Request-ID", req.context.id)

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        seconds = time.monotonic() - req.context.began
        _log.info(
            "%s %s %s: %s in %.3f s, request %s",
            req.remote_addr,
            req.method,
            ascii(req.path)[1:-1],
            resp.status,
            seconds,
            req.context.id,
        )


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
        if req.context.head:
            req.method = "HEAD"


def leave_place(req: falcon.Request) -> None:
    """Give back the place that a request has, if any: it waits for no command any more."""
    place: threading.BoundedSemaphore | None = getattr(req.context, "place", None)
    if place is not None:
        req.context.place = None
        place.release()


class Places:
    """Keeps some threads free of requests that wait for commands, which may hang.

    most: how many requests that may run commands are answered at the same time.
    free: the paths that run none, or none that may hang.
    """

    def __init__(self, most: int, free: tuple[str, ...]) -> None:
        self._free = free
        self._places = threading.BoundedSemaphore(most)

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        req.context.place = None
        if not req.path.startswith(self._free):
            if not self._places.acquire(blocking=False):
                raise TooMany("as many requests as may wait for libvirt do so; ask again later")
            req.context.place = self._places

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        leave_place(req)


class BodyLimit:
    """Refuses a body that is larger than any that the agent could want."""

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing."""
        if (req.content_length or 0) > MOST_BODY_BYTES:
            raise falcon.HTTPContentTooLarge(
                description=f"a body has at most {MOST_BODY_BYTES} bytes"
            )


def json_lines() -> media.JSONHandler:
    """The handler that writes answers: a line each, for those who read them in a terminal."""
    return media.JSONHandler(dumps=lambda answer: json.dumps(answer) + "\n")
