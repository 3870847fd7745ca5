"""The debug console: pieces, waiting, raw text and streams, with more of them than is good."""

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .stack import own, virsh

NAME = own("ns")
BODY = {"memory": 64, "disks": [], "networks": []}
TEXT = {"Accept": "text/plain"}
FOLLOWERS = 30


@pytest.fixture
def log(agent: Agent) -> Path:
    """The console log of a host that is off, so that the test alone writes to it."""
    return _make(agent)


def _make(agent: Agent, name: str = NAME) -> Path:
    made = agent.post("hosts", name, body=BODY).body
    assert agent.request("PUT", f"/hosts/{name}/stop").status == 200
    log = stack.CONSOLE_DIR / f"{made['id']}.console.log"
    # virtlogd lets go of the file a moment after the machine.
    stack.wait_for(lambda: not _is_open(log), "a console log that nobody writes")
    log.write_bytes(b"")
    return log


def _is_open(path: Path) -> bool:
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(fd) == str(path) for fd in folder.iterdir()):
                return True
        except OSError:
            pass
    return False


def _piece(agent: Agent, query: str = "", name: str = NAME) -> Any:
    answer = agent.request("GET", f"/hosts/{name}/console{query}")
    assert answer.status == 200
    return answer.body


@contextmanager
def _following(agent: Agent, query: str = "", name: str = NAME) -> Iterator[socket.socket]:
    """A connection on which a console is followed."""
    host, _, port = agent.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=240) as connection:
        connection.sendall(
            f"GET /hosts/{name}/console?follow=true{query} HTTP/1.1\r\nHost: localhost\r\n"
            "Accept: text/plain\r\n\r\n".encode()
        )
        yield connection


def _read_until(connection: socket.socket, text: bytes) -> bytes:
    said = b""
    while text not in said:
        more = connection.recv(65536)
        assert more, f"the stream ended without {text!r}: {said!r}"
        said += more
    return said


def _places_taken(agent: Agent) -> tuple[int, int]:
    """The agent's threads, and its open files."""
    folder = Path(f"/proc/{agent.process.pid}")
    return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))


def test_pieces(agent: Agent, log: Path) -> None:
    """Each begins where the one before ended; past the end there is nothing yet."""
    assert _piece(agent) == {"offset": 0, "next": 0, "text": ""}
    log.write_bytes("początek\r\n".encode())
    assert _piece(agent) == {"offset": 0, "next": 11, "text": "początek\r\n"}
    assert _piece(agent, "?offset=8") == {"offset": 8, "next": 11, "text": "k\r\n"}
    assert _piece(agent, "?offset=11") == {"offset": 11, "next": 11, "text": ""}
    log.write_bytes(b"\xff\x00\x1b[0m\xc4")
    assert _piece(agent) == {"offset": 0, "next": 6, "text": "\ufffd\x00\x1b[0m"}
    assert _piece(agent, "?offset=6") == {"offset": 6, "next": 7, "text": "\ufffd"}


def test_a_large_log_comes_in_pieces(agent: Agent, log: Path) -> None:
    """All of it in the end, each character whole."""
    text = "ąęłó\n" * 100_000
    log.write_text(text, "utf-8")
    found, offset = [], 0
    while (piece := _piece(agent, f"?offset={offset}"))["text"]:
        assert (piece["offset"], piece["next"] - offset <= 64 * 1024) == (offset, True)
        found.append(piece["text"])
        offset = piece["next"]
    assert offset == log.stat().st_size
    assert "".join(found) == text
    whole = agent.text("GET", f"/hosts/{NAME}/console", None, TEXT)
    assert (whole.status, whole.text) == (200, text)
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    end = agent.text("GET", f"/hosts/{NAME}/console?offset={offset - 9}", None, TEXT)
    assert end.text == "ąęłó\n"


def _lines(agent: Agent) -> list[str]:
    """The lines that a terminal shows, up to the last that is not blank."""
    answer = agent.request("GET", f"/hosts/{NAME}/console?screen=true")
    assert answer.status == 200
    text: str = "\n".join(answer.body["lines"])
    return text.rstrip("\n").split("\n")


def test_what_a_terminal_shows(agent: Agent, log: Path) -> None:
    """After cursor movements, in JSON and as text, and of a long log what is left of it."""
    log.write_bytes(b"one\r\ntwo\r\n\x1b[2J\x1b[3;5H\x0elqk\x0f ok\x1b[4;5Hno\x1b[4;6H")
    target = f"/hosts/{NAME}/console?screen=true"
    lines = ["", "", "    ┌─┐ ok", "    no", *[""] * 20]
    assert agent.request("GET", target).body == {
        "columns": 80,
        "rows": 24,
        "lines": lines,
        "cursor": {"row": 3, "column": 5},
        "next": log.stat().st_size,
    }
    text = agent.text("GET", target, None, TEXT)
    assert (text.status, text.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert text.text == "".join(f"{line}\n" for line in lines)
    log.write_text("".join(f"line {number} ąęł\r\n" for number in range(50_000)), "utf-8")
    assert _lines(agent) == [f"line {number} ąęł" for number in range(49_977, 50_000)]
    log.rename(log.with_name(f"{log.name}.0"))
    assert _lines(agent) == [f"line {number} ąęł" for number in range(49_977, 50_000)]
    log.write_bytes(b"a new file")
    assert _lines(agent)[-2:] == ["line 49999 ąęł", "a new file"]
    for query in ("offset=0", "wait=1", "follow=true"):
        answer = agent.request("GET", f"{target}&{query}")
        assert (answer.status, answer.fields) == (400, {query.partition("=")[0]})


def test_many_look_at_terminals(agent: Agent, log: Path) -> None:
    """Whatever their hosts print, each is answered, and so is everybody else."""
    log.write_bytes(os.urandom(1 << 20))
    target = f"/hosts/{NAME}/console?screen=true"
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(agent.request, "GET", target) for _ in range(80)]
        assert [agent.get("health").status for _ in range(3)] == [200] * 3
        assert {len(answer.result().body["lines"]) for answer in asked} == {24}


def test_a_log_that_is_rotated(agent: Agent, log: Path) -> None:
    """Who reads on gets what they had not read of the old file, then the new one."""
    log.write_bytes(b"one\ntwo\n")
    with _following(agent) as connection:
        _read_until(connection, b"two")
        old = log.with_name(f"{log.name}.0")
        with log.open("ab") as file:
            file.write(b"three\n")
        log.rename(old)
        log.write_bytes(b"4\n")
        said = _read_until(connection, b"4\n")
        assert said.index(b"three") < said.index(b"4\n")
    assert _piece(agent, "?offset=8") == {"offset": 8, "next": 0, "text": "three\n"}
    assert _piece(agent, "?offset=0") == {"offset": 0, "next": 2, "text": "4\n"}
    assert _piece(agent, "?offset=999") == {"offset": 0, "next": 2, "text": "4\n"}
    assert _piece(agent, f"?offset={1 << 62}") == {"offset": 0, "next": 2, "text": "4\n"}
    assert agent.delete("hosts", NAME).status == 200
    assert stack.snapshot()["console logs"] == set()


def test_waiting_for_more(agent: Agent, log: Path) -> None:
    """It is answered once there is more, and at once where there is more already."""
    with ThreadPoolExecutor(2) as pool:
        waits = [pool.submit(_piece, agent, "?wait=60") for _ in range(2)]
        assert agent.get("hosts", NAME).status == 200
        log.write_bytes(b"more\n")
        for wait in waits:
            assert wait.result(50) == {"offset": 0, "next": 5, "text": "more\n"}
    assert _piece(agent, "?wait=60") == {"offset": 0, "next": 5, "text": "more\n"}
    assert _piece(agent, "?wait=1&offset=5") == {"offset": 5, "next": 5, "text": ""}
    assert _piece(agent, "?wait=0&offset=5") == {"offset": 5, "next": 5, "text": ""}


def _settled(agent: Agent) -> tuple[int, int]:
    """The same once those that have asked are gone."""
    seen: list[tuple[int, int]] = []

    def same() -> bool:
        seen.append(_places_taken(agent))
        return len(seen) >= 10 and len(set(seen[-10:])) == 1

    stack.wait_for(same, "an end to what was asked before")
    return seen[-1]


def test_parameters_that_cannot_be(agent: Agent) -> None:
    """Each is named, whether or not there is such a host; `follow` is for text alone."""
    path = f"/hosts/{NAME}/console"
    answer = agent.request("GET", f"{path}?tail=1&wait=61&offset=-1&follow=x")
    assert (answer.status, answer.fields) == (400, {"tail", "wait", "offset", "follow"})
    _make(agent)
    answer = agent.request("GET", f"{path}?follow=true")
    assert (answer.status, answer.fields) == (400, {"follow"})


def test_a_host_without_a_log(agent: Agent) -> None:
    """A 404, as without a host; so is a log elsewhere, which is not the agent's to show."""
    answer = agent.get("hosts", NAME, "console")
    assert (answer.status, answer.body["detail"]) == (404, f"there is no host {NAME!r}")
    logs = {"": None, "<log file='/etc/passwd'/>": "/etc/passwd"}
    for log in logs:
        stack.define_domain(NAME, f"<serial type='pty'>{log}</serial>")
        for target in (f"/hosts/{NAME}/console", f"/hosts/{NAME}/console?wait=1"):
            for headers in ({}, TEXT):
                answer = agent.request("GET", target, None, headers)
                assert (answer.status, answer.body["detail"]) == (
                    404,
                    f"host {NAME!r} has no console log in {stack.CONSOLE_DIR}",
                )
        virsh("undefine", NAME)
    for method in ("POST", "PUT", "DELETE"):
        assert agent.request(method, f"/hosts/{NAME}/console").status == 405


def test_a_log_that_is_not_there_yet(agent: Agent, log: Path) -> None:
    """An empty piece; whoever waits is told once there is one."""
    log.unlink()
    assert _piece(agent) == {"offset": 0, "next": 0, "text": ""}
    assert agent.text("GET", f"/hosts/{NAME}/console", None, TEXT).text == ""
    with _following(agent) as connection:
        log.write_bytes(b"first words\n")
        _read_until(connection, b"first words\n")


def test_many_followers(start_agent: Callable[..., Agent]) -> None:
    """All get all, nobody else waits for them, and nothing of them stays."""
    # A virsh that is kept ends when it was not needed for a while, and its files with it.
    agent = start_agent(warm_virsh=0)
    log = _make(agent)
    log.write_bytes(b"begin\n")
    # Every thread has been made, and every file opened, that will be in any case.
    with ThreadPoolExecutor(8) as pool:
        assert {a.status for a in pool.map(agent.get, ["hosts"] * 64)} == {200}
    before = _settled(agent)
    with ExitStack() as connected:
        followers = [connected.enter_context(_following(agent)) for _ in range(FOLLOWERS)]
        for follower in followers:
            assert _read_until(follower, b"begin").startswith(b"HTTP/1.1 200 OK")
        for word in ("one", "two", "three"):
            with log.open("a") as file:
                file.write(f"{word}\n")
            for answer in (agent.get("hosts"), agent.get("health"), agent.get("hosts", NAME)):
                assert answer.status == 200
            for follower in followers:
                _read_until(follower, word.encode())
        with ThreadPoolExecutor(8) as pool:
            assert {a.status for a in pool.map(agent.get, ["hosts"] * 32)} == {200}
        assert _places_taken(agent)[1] >= before[1] + FOLLOWERS
    stack.wait_for(lambda: _places_taken(agent) <= before, f"{before} threads and files")
    # Every place is free again.
    with ExitStack() as connected:
        for _ in range(FOLLOWERS):
            _read_until(connected.enter_context(_following(agent)), b"three")


def test_more_followers_than_places(start_agent: Callable[..., Agent]) -> None:
    """Past the bound a 503 says so; who leaves makes room, those who wait count as well."""
    agent = start_agent(console_followers=2)
    log = _make(agent)
    log.write_bytes(b"begin\n")
    target = f"/hosts/{NAME}/console"
    full = "2 clients wait for consoles already; try again later"
    with _following(agent) as first:
        _read_until(first, b"begin")
        with _following(agent) as second:
            _read_until(second, b"begin")
            for query, headers in (("follow=true", TEXT), ("wait=5&offset=6", {})):
                answer = agent.request("GET", f"{target}?{query}", None, headers)
                assert (answer.status, answer.body["detail"]) == (503, full)
                assert answer.headers["retry-after"] == "5"
            # Nothing else is refused.
            assert _piece(agent)["text"] == "begin\n"
            assert agent.text("GET", target, None, TEXT).text == "begin\n"
            # Nobody iterates over the stream of a HEAD.
        stack.wait_for(
            lambda: agent.request("GET", f"{target}?wait=1&offset=6").status == 200, "a place"
        )
        for _ in range(3):
            head = agent.text("HEAD", f"{target}?follow=true", None, TEXT)
            assert head.status == 200
        with _following(agent) as third:
            _read_until(third, b"begin")
            log.write_bytes(b"begin\nmore\n")
            _read_until(first, b"more")
            _read_until(third, b"more")


def test_the_agent_stops_while_it_is_followed(start_agent: Callable[..., Agent]) -> None:
    """Its followers end, and hold nothing up."""
    agent = start_agent()
    _make(agent).write_bytes(b"begin\n")
    waiting = http.client.HTTPConnection(agent.address, timeout=50)
    with _following(agent) as follower, closing(waiting):
        _read_until(follower, b"begin")
        waiting.request("GET", f"/hosts/{NAME}/console?wait=60&offset=6")
        # Whoever asks later is answered when that request has come in.
        assert [agent.get("operations").status for _ in range(2)] == [200] * 2
        assert agent.stop() == 0
        assert follower.recv(100) in (b"", b"0\r\n\r\n")
        answer = json.load(waiting.getresponse())
        assert answer == {"offset": 6, "next": 6, "text": ""}


def test_a_follower_of_a_host_that_is_deleted(agent: Agent) -> None:
    """It ends with the host, also where there is another of the same name at once."""
    log = _make(agent)
    log.write_bytes(b"begin\n")
    with _following(agent) as connection:
        _read_until(connection, b"begin")
        assert agent.delete("hosts", NAME).status == 200
        assert agent.post("hosts", NAME, body=BODY).status == 200
        _read_until(connection, b"0\r\n\r\n")


def test_a_follower_of_a_host_that_is_new(agent: Agent, log: Path) -> None:
    """That others are followed already does not make it unknown."""
    log.write_bytes(b"begin\n")
    other = own("other")
    with _following(agent) as connection:
        _read_until(connection, b"begin")
        new = _make(agent, other)
        with _following(agent, name=other) as late:
            new.write_bytes(b"late\n")
            _read_until(late, b"late\n")
