"""/hosts/{name}/console: what the serial console printed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon

from agent.errors import FieldError, InvalidRequest
from agent.http.contract.console import QUERY
from agent.http.places import Places
from agent.http.resources.request import query
from agent.http.shared_reads import SharedReads
from agent.hypervisor.consoles import Consoles, read
from agent.tools.parsers.terminal import COLUMNS, ROWS


class Console:
    """/hosts/{name}/console"""

    def __init__(self, consoles: Consoles, places: Places) -> None:
        self._consoles = consoles
        self._places = places
        self._screens = SharedReads(consoles.screen, places)

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Answer a piece as JSON, or all of it as plain text, or a stream that goes on.

        With `?screen=true` what a terminal shows.
        """
        given = query(req, QUERY)
        asked = {"offset": 0, "wait": 0, "follow": False, "screen": False, **given}
        as_text = req.client_prefers((falcon.MEDIA_JSON, falcon.MEDIA_TEXT)) == falcon.MEDIA_TEXT
        if asked["screen"]:
            self._answer_screen(name, given, as_text, resp)
            return
        with self._places.one():
            uuid, log = self._consoles.log(name)
        disconnected = _disconnected(req)
        if as_text:
            resp.content_type = "text/plain; charset=utf-8"
            # A proxy must not keep back what has come so far.
            resp.set_header("X-Accel-Buffering", "no")
            if asked["follow"]:
                stream = self._consoles.follow(uuid, log, asked["offset"], disconnected)
                next(stream)  # takes the place, or raises while the status can still say so
            else:
                stream = _whole(log, asked["offset"])
            resp.stream = stream
            return
        if asked["follow"]:
            raise InvalidRequest(
                [FieldError("follow", "requires Accept: text/plain; in JSON, use wait")]
            )
        if asked["wait"]:
            with self._consoles.place():
                piece = self._consoles.wait(log, asked["offset"], asked["wait"], disconnected)
        else:
            piece = read(log, asked["offset"])
        resp.media = {"offset": piece.offset, "next": piece.next, "text": piece.text}

    def _answer_screen(
        self, name: str, given: dict[str, Any], as_text: bool, resp: falcon.Response
    ) -> None:
        errors = [
            FieldError(other, "cannot be combined with screen")
            for other in ("offset", "wait", "follow")
            if other in given
        ]
        if errors:
            raise InvalidRequest(errors)
        screen, following = self._screens(name)
        if as_text:
            resp.content_type = "text/plain; charset=utf-8"
            resp.text = "".join(f"{line}\n" for line in screen.lines)
            return
        resp.media = {
            "columns": COLUMNS,
            "rows": ROWS,
            "lines": screen.lines,
            "cursor": screen.cursor and dict(zip(("row", "column"), screen.cursor, strict=True)),
            "next": following,
        }


def _whole(log: Path, offset: int) -> Iterator[bytes]:
    while True:
        piece = read(log, offset)
        if not piece.data:
            return
        offset = piece.next
        yield piece.data


def _disconnected(req: falcon.Request) -> Callable[[], bool]:
    """Whether the client has gone, which waitress can tell while nothing is written."""
    told: Callable[[], bool] | None = req.env.get("waitress.client_disconnected")
    return told or (lambda: False)
