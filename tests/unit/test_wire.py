"""What the server refuses by itself, over a real socket."""

import http
import json
import re
import socket
import threading
from typing import Any

import pytest
from waitress.server import create_server

from agent.server.refusals import SLACK, Channel

from .redfish import message

LIMIT = 1000


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers how long the body was; fails at /fails."""
    body = environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/fails":
        raise ZeroDivisionError
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(body)).encode()]


@pytest.fixture(scope="module")
def port() -> int:
    server: Any = create_server(
        app,
        map={},
        host="127.0.0.1",
        port=0,
        threads=2,
        ident=None,
        asyncore_use_poll=True,
        max_request_body_size=SLACK * LIMIT,
        max_request_header_size=8192,
    )
    server.channel_class = Channel
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    return int(server.effective_port)


def ask(port: int, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send it all, and only then read; the status, the headers and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        for part in parts:
            client.sendall(part)
        client.shutdown(socket.SHUT_WR)
        told = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = told.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, body


HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


def chunked(size: int, count: int) -> bytes:
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunk * count + b"0\r\n\r\n"


TOO_LARGE = (413, f"a body has at most {LIMIT} bytes")


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (POST + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, *TOO_LARGE),
        (POST + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9_000_000, *TOO_LARGE),
        (POST + b"Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n", *TOO_LARGE),
        (POST + chunked(900, 5), *TOO_LARGE),
        (POST + chunked(100_000, 90), *TOO_LARGE),
        (
            POST + b"X: " + b"x" * 9_000_000 + b"\r\n\r\n",
            431,
            "a request's headers have at most 8192 bytes",
        ),
        (
            POST + b"Transfer-Encoding: gzip\r\n\r\n",
            501,
            "the Transfer-Encoding is one that the agent does not know; it takes chunked",
        ),
        (b"hello\r\n\r\n", 400, "it is not HTTP: Start line is invalid"),
        (POST + b"no colon\r\n\r\n", 400, "it is not HTTP: Invalid header"),
        (
            POST + b"Authorization: Bearer secret\n\r\n\r\n",
            400,
            "it is not HTTP: Bare CR or LF found in header line",
        ),
        (POST + b"Content-Length: x\r\n\r\n", 400, "it is not HTTP: Content-Length is invalid"),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\nnone\r\n",
            400,
            "it is not HTTP: Invalid chunk size",
        ),
        (
            b"GET /fails HTTP/1.1\r\n" + HOST + b"\r\n",
            500,
            "an unexpected error; the agent's log has it",
        ),
    ],
    ids=lambda value: ascii(value[:40]) if isinstance(value, bytes) else None,
)
def test_it_is_a_problem_document(port: int, sent: bytes, status: int, detail: str) -> None:
    """Which a client that sends all before it reads gets, too."""
    found, headers, body = ask(port, sent)
    title = http.HTTPStatus(status).phrase
    assert json.loads(body) == {"title": title, "status": status, "detail": detail}
    assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert (headers["content-length"], headers["connection"]) == (str(len(body)), "close")
    assert re.fullmatch("[0-9a-f-]{36}", headers["x-request-id"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"Content-Length: 5000\r\n\r\n" + b"x" * 5000, 413),
        (chunked(900, 5), 413),
        (b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"Content-Length: x\r\n\r\n", 400),
    ],
    ids=["large", "large in chunks", "of another encoding", "no length"],
)
def test_below_redfish_it_is_an_error_of_redfish(port: int, sent: bytes, status: int) -> None:
    """With the text of the problem document that it is elsewhere."""
    _, _, problem = ask(port, POST + sent)
    found, headers, body = ask(port, POST.replace(b"/", b"/redfish/v1/Systems?a=b", 1) + sent)
    text = json.loads(problem)["detail"]
    assert json.loads(body) == {
        "error": {
            "code": "Base.1.4.GeneralError",
            "message": text,
            "@Message.ExtendedInfo": [message(status, "GeneralError", text)],
        }
    }
    assert (found, headers["content-type"], headers["odata-version"]) == (
        status,
        "application/json",
        "4.0",
    )
    assert headers["content-length"] == str(len(body))


def test_what_is_within_the_bounds_is_the_applications(port: int) -> None:
    """A chunked body, too, of which each chunk has something around it."""
    for sent in (POST + b"Content-Length: 999\r\n\r\n" + b"x" * 999, POST + chunked(9, 111)):
        status, _, body = ask(port, sent)
        assert (status, body) == (200, b"999")


def send_without_end(client: socket.socket) -> None:
    while True:
        client.sendall(b"x" * 65536)


def test_a_connection_without_end_is_closed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What still comes is thrown away, but not for ever."""
    monkeypatch.setattr("agent.server.refusals._MOST_THROWN_AWAY", 1 << 20)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"hello\r\n\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_without_end(client)
