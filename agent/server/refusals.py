"""What the server refuses before the application sees it: problem documents or Redfish errors, too.

waitress answers what is no HTTP, headers without end and bodies that grow past all bounds by
itself, in plain text, and closes the connection while the client still sends, which may lose
the answer. Here it is JSON, and what still comes is read and thrown away.
"""

import http
import logging
import socket
import uuid
from contextlib import suppress
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from agent.access.control import is_redfish
from agent.http import problems
from agent.http.answers import json_line
from agent.redfish import errors

_log = logging.getLogger("agent.http")

# By how much the server's bound of a body is above the application's, which refuses the usual
# large body. The server counts a chunked body as it comes, with what is around each chunk.
SLACK = 4
# How much of what a client still sends is thrown away, before the connection is closed on it.
_MOST_THROWN_AWAY = 64 << 20


class ProblemTask(ErrorTask):
    """Answers what waitress itself refuses, or failed at, as the application answers errors."""

    def execute(self) -> None:
        """Called by waitress in one of its threads."""
        # What the types of waitress leave out.
        channel: Any = self.channel
        request: Any = self.request
        error = request.error
        request_id = str(uuid.uuid4())
        detail = _detail(error.code, str(error.body), channel.adj)
        document, media_type = problems.document(error.code, detail), problems.MEDIA_TYPE
        more = []
        # What cannot be read has none.
        path = getattr(request, "path", "")
        if is_redfish(path):
            document, media_type = errors.error(document, path, request.command), "application/json"
            more = [("OData-Version", "4.0")]
        body = json_line(document)
        self.status = f"{error.code} {http.HTTPStatus(error.code).phrase}"
        self.response_headers = [
            ("Content-Type", media_type),
            ("X-Request-ID", request_id),
            *more,
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        _log.info("%s: %s: %s, request %s", channel.addr[0], self.status, detail, request_id)
        channel.linger()
        self.write(body)


class Channel(HTTPChannel):
    """A connection that is closed only after a client that was refused has read why."""

    error_task_class = ProblemTask

    def __init__(self, *args: Any, **more: Any) -> None:
        self._lingers = False
        self._shut = False
        self._thrown_away = 0
        super().__init__(*args, **more)

    def linger(self) -> None:
        """Close, after the answer, not before the client has; called in a request's thread."""
        self._lingers = True

    def send_continue(self) -> None:
        """Ask a client for its body, but not for one that is refused already."""
        request: Any = self.request
        if request.error:
            request.expect_continue = False
        else:
            super().send_continue()

    def readable(self) -> bool:
        """Whether the loop is to call `handle_read`."""
        return self._shut or bool(super().readable())

    def handle_read(self) -> None:
        """Read, as waitress does, or only to throw it away."""
        if not self._shut:
            super().handle_read()
            return
        try:
            # At the end of what the client sends this closes the connection by itself.
            self._thrown_away += len(self.recv(self.adj.recv_bytes))
        except OSError:
            self.handle_close()
        if self._thrown_away > _MOST_THROWN_AWAY:
            self.handle_close()

    def handle_write(self) -> None:
        """Write what is to be written; the last of it ends the answer, not the connection."""
        if self._lingers and self.close_when_flushed and not self.will_close:
            self._flush_exception(self._flush_some)  # type: ignore[attr-defined]
            if self.total_outbufs_len or self.will_close:
                return
            self.close_when_flushed = False
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)  # type: ignore[union-attr]
                self._shut = True
                return
            self.will_close = True
        super().handle_write()


def _detail(status: int, said: str, adjustments: Any) -> str:
    """What was wrong. said: by waitress, which may quote a header that is a secret."""
    match status:
        case 413:
            return f"a body has at most {adjustments.max_request_body_size // SLACK} bytes"
        case 431:
            return f"a request's headers have at most {adjustments.max_request_header_size} bytes"
        case 501:
            return "the Transfer-Encoding is one that the agent does not know; it takes chunked"
        case 500:
            return "an unexpected error; the agent's log has it"
    return f"it is not HTTP: {said.partition(chr(34))[0].strip()}"
