"""Images over HTTP for the drives of hosts, from a server that goes wrong where a test wants it."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

# Of an odd size: whoever rounds it up to whole sectors or blocks has changed it.
IMAGE = bytes(range(256)) * 4096 + b"the end"
MOST_BYTES = 4 << 30
# Zeros are sent in pieces of this size.
_PIECE = bytes(1 << 20)


class Images:
    """A server of images; `_Handler` tells what each path answers.

    contents: what is there beside `IMAGE`, by path. go_on: tells the server to send the end of
        `/waiting`.
    """

    def __init__(self, port: int, contents: dict[str, bytes], go_on: Callable[[], None]) -> None:
        self._port = port
        self.contents = contents
        self.go_on = go_on

    def url(self, path: str = "image") -> str:
        """The URL of a path, by default of one that answers the image at once."""
        return f"http://127.0.0.1:{self._port}/{path}"


@contextmanager
def serving() -> Iterator[Images]:
    """Serve images until the end of the `with` block."""

    class Handler(_Handler):
        contents: ClassVar[dict[str, bytes]] = {}
        goes_on = threading.Event()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Images(server.server_port, Handler.contents, Handler.goes_on.set)
        finally:
            Handler.goes_on.set()
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    contents: ClassVar[dict[str, bytes]]
    goes_on: threading.Event

    def do_GET(self) -> None:
        """Answer with what the first word of the path says: a status, or what goes wrong."""
        word, _, rest = self.path.strip("/").partition("/")
        match word:
            case "302-file":
                self._answer(302, {"Location": f"file://{__file__}"})
            case "large":
                self._answer(200, {"Content-Length": str(MOST_BYTES)})
            case "cut":
                self._cut()
            case "waiting":
                self._waiting()
            case "endless":
                self._endless()
            case _ if word.isdigit():
                self._answer(int(word), {"Location": f"/{rest}"})
            case _:
                self._whole(self.contents.get(word, IMAGE))

    def _whole(self, content: bytes) -> None:
        self._answer(200, {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def _cut(self) -> None:
        """Close the connection in the middle."""
        self._answer(200, {"Content-Length": str(len(IMAGE))})
        self.wfile.write(IMAGE[: len(IMAGE) // 2])

    def _waiting(self) -> None:
        """Send the end when the test says so."""
        self._answer(200, {"Content-Length": str(len(IMAGE))})
        self.wfile.write(IMAGE[: len(IMAGE) // 2])
        self.goes_on.wait(240)
        self.wfile.write(IMAGE[len(IMAGE) // 2 :])

    def _endless(self) -> None:
        """Send zeros and more zeros, without a word about how many."""
        self._answer(200, {})
        try:
            for _ in range(MOST_BYTES // len(_PIECE)):
                self.wfile.write(_PIECE)
        except OSError:
            pass  # the client has had enough

    def _answer(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
