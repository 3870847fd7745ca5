"""Console logs: pieces of files that grow, are rotated and deleted, and those who wait for them."""

import threading
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config
from agent.errors import OutOfReach, TooMany
from agent.hypervisor import consoles as console
from agent.hypervisor.consoles import PIECE_BYTES, TAIL_BYTES, Consoles, Piece, read, tail
from agent.hypervisor.facts import DomainRow

UUID, OTHER = "uuid-1", "uuid-2"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "host.console.log"


@pytest.fixture
def old(log: Path) -> Path:
    return log.with_name(f"{log.name}.0")


@pytest.mark.parametrize("offset", [0, 1, PIECE_BYTES, 1 << 62])
def test_a_missing_file_is_an_empty_one(log: Path, offset: int) -> None:
    assert read(log, offset) == Piece(0, 0, b"")


@pytest.mark.parametrize(
    ("offset", "piece"),
    [
        (0, Piece(0, 5, b"login")),
        (3, Piece(3, 5, b"in")),
        (5, Piece(5, 5, b"")),
        # Past the end, and there is no older file.
        (6, Piece(0, 5, b"login")),
        (1 << 62, Piece(0, 5, b"login")),
    ],
)
def test_a_piece_begins_at_its_offset(log: Path, offset: int, piece: Piece) -> None:
    log.write_bytes(b"login")
    assert read(log, offset) == piece


@pytest.mark.parametrize(
    ("offset", "piece"),
    [
        (0, Piece(0, 3, b"new")),
        (3, Piece(3, 3, b"")),
        # What was not read of the old file, then the new one from its start.
        (4, Piece(4, 0, b"contents")),
        (11, Piece(11, 0, b"s")),
        (12, Piece(0, 3, b"new")),
        (1 << 62, Piece(0, 3, b"new")),
    ],
)
def test_a_file_that_was_rotated(log: Path, old: Path, offset: int, piece: Piece) -> None:
    old.write_bytes(b"old contents")
    log.write_bytes(b"new")
    assert read(log, offset) == piece


def test_a_rotated_file_whose_successor_is_not_there_yet(log: Path, old: Path) -> None:
    old.write_bytes(b"old")
    assert read(log, 1) == Piece(1, 0, b"ld")
    assert read(log, 3) == Piece(0, 0, b"")


def test_what_is_left_of_a_rotated_file_comes_in_pieces(log: Path, old: Path) -> None:
    """Each character whole where the next piece has the rest of it."""
    old.write_bytes(b"12" + b"x" * (PIECE_BYTES - 1) + "ż".encode() + b"end")
    first = read(log, 2)
    assert (first.next, first.data) == (1 + PIECE_BYTES, b"x" * (PIECE_BYTES - 1))
    assert read(log, first.next) == Piece(first.next, 0, "żend".encode())


def test_no_more_than_a_piece_is_read(log: Path) -> None:
    """However large the file is; this one has a terabyte of zeros that take no room."""
    with log.open("wb") as file:
        file.truncate(1 << 40)
    piece = read(log, 1 << 39)
    assert (piece.offset, piece.next) == (1 << 39, (1 << 39) + PIECE_BYTES)
    assert piece.data == bytes(PIECE_BYTES)


@pytest.mark.parametrize("character", ["ż", "日", "😀"])
def test_a_character_that_is_cut_waits_for_its_end(log: Path, character: str) -> None:
    """By a piece's end, or by the file's as long as it is being written."""
    whole = character.encode()
    for cut in range(1, len(whole)):
        log.write_bytes(b"ab" + whole[:cut])
        assert read(log, 0) == Piece(0, 2, b"ab")
        log.write_bytes(b"ab" + whole)
        assert read(log, 2) == Piece(2, 2 + len(whole), whole)
        log.write_bytes(b"x" * (PIECE_BYTES - cut) + whole + b"end")
        first = read(log, 0)
        assert (first.next, first.data) == (PIECE_BYTES - cut, b"x" * (PIECE_BYTES - cut))
        assert read(log, first.next).text == f"{character}end"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"\x80\x80", "\ufffd\ufffd"),
        (b"\xc0\xafz", "\ufffd\ufffdz"),
        (b"\xed\xa0\x80z", "\ufffd\ufffd\ufffdz"),
        (b"\x00\x1b[2J\r\n", "\x00\x1b[2J\r\n"),
        # The start of a character, and nothing else: it is told all the same.
        (b"\xc4", "\ufffd"),
        (b"\xf0\x9f\x98", "\ufffd"),
        (b"", ""),
    ],
)
def test_bytes_that_are_not_utf_8_are_replaced(log: Path, data: bytes, text: str) -> None:
    log.write_bytes(data)
    piece = read(log, 0)
    assert (piece.next, piece.data, piece.text) == (len(data), data, text)


def test_noise_is_read_to_its_end(log: Path) -> None:
    """Every offset that a piece tells goes on, whatever bytes there are."""
    noise = bytes(range(256)) * 1024 + b"\xf0\x9f"
    log.write_bytes(noise)
    found, offset = b"", 0
    while (piece := read(log, offset)).data:
        assert piece.offset == offset < piece.next
        found += piece.data
        offset = piece.next
    assert found == noise


@pytest.mark.parametrize("data", [b"", b"login: ", b"x" * (TAIL_BYTES - 1)])
def test_the_tail_of_a_short_log_is_all_of_it(log: Path, data: bytes) -> None:
    log.write_bytes(data)
    assert tail(log) == (data, len(data))


def test_the_tail_of_a_missing_log(log: Path) -> None:
    assert tail(log) == (b"", 0)


REST = b"." * (TAIL_BYTES - 20)


@pytest.mark.parametrize(
    ("end", "begins"),
    [
        # The last of what is cut off, and what is there of the 20 bytes after it.
        ((b"a li", b"ne\r\n$ \x1b[Hx\n" + b"b" * 9), b"\n$ \x1b[Hx\n" + b"b" * 9),
        ((b"\x1b[12", b";34Hab\x1b[1;1Hx\n" + b"b" * 6), b"\x1b[1;1Hx\n" + b"b" * 6),
        ((b"\xe4", b"\xb8\x96" + b"b" * 18), b"b" * 18),
        ((b"a", b"b" * 20), b"b" * 20),
    ],
)
def test_a_tail_begins_with_something_whole(
    log: Path, end: tuple[bytes, bytes], begins: bytes
) -> None:
    log.write_bytes(b"x" * 1000 + b"".join(end) + REST)
    assert len(end[1]) == 20
    assert tail(log) == (begins + REST, log.stat().st_size)


def test_the_tail_of_a_file_that_was_rotated(log: Path, old: Path) -> None:
    """What is missing is from the old one, as long as the new one is not there yet all of it."""
    old.write_bytes(b"x" * TAIL_BYTES + b"\r\none\r\n")
    assert tail(log) == (b"\none\r\n", 0)
    log.write_bytes(b"two")
    assert tail(log) == (b"\none\r\ntwo", 3)
    old.write_bytes(b"one\r\n")
    assert tail(log) == (b"one\r\ntwo", 3)
    log.write_bytes(b"\n" + b"y" * (TAIL_BYTES - 1))
    assert tail(log) == (log.read_bytes(), TAIL_BYTES)


class Hypervisor:
    """Hosts by UUID, or an error instead."""

    def __init__(self) -> None:
        self.uuids = [UUID]
        self.error: Exception | None = None
        self.asked = 0

    def domains(self) -> list[DomainRow]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return [DomainRow(uuid, "name", "running") for uuid in self.uuids]


@pytest.fixture
def hypervisor() -> Hypervisor:
    return Hypervisor()


@pytest.fixture
def consoles(hypervisor: Hypervisor, monkeypatch: pytest.MonkeyPatch) -> Consoles:
    monkeypatch.setattr(console, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(console, "_GONE_SECONDS", 0.0)
    return Consoles(hypervisor, Config(console_followers=2))  # type: ignore[arg-type]


def never() -> bool:
    return False


def test_there_are_so_many_places(consoles: Consoles) -> None:
    with consoles.place(), consoles.place():
        with pytest.raises(TooMany) as caught, consoles.place():
            pass
        assert caught.value.detail == "2 clients wait for consoles already; try again later"
    with pytest.raises(KeyError), consoles.place():
        raise KeyError
    with consoles.place(), consoles.place():
        pass


def test_a_follower_has_a_place_until_it_is_closed(consoles: Consoles, log: Path) -> None:
    followers = [consoles.follow(UUID, log, 0, never) for _ in range(3)]
    assert [next(follower) for follower in followers[:2]] == [b"", b""]
    with pytest.raises(TooMany):
        next(followers[2])
    followers[0].close()  # type: ignore[attr-defined]
    assert next(consoles.follow(UUID, log, 0, never)) == b""


def test_a_follower_ends_when_its_host_is_gone(
    consoles: Consoles, hypervisor: Hypervisor, log: Path
) -> None:
    """Another host, of the same name even, is not its own."""
    log.write_bytes(b"one")
    follower = consoles.follow(UUID, log, 0, never)
    assert [next(follower), next(follower)] == [b"", b"one"]
    hypervisor.uuids = [OTHER]
    assert list(follower) == []


def test_a_follower_reads_all_before_it_ends(
    consoles: Consoles, hypervisor: Hypervisor, log: Path
) -> None:
    hypervisor.uuids = []
    log.write_bytes(b"x" * PIECE_BYTES + b"end")
    assert list(consoles.follow(UUID, log, 0, never)) == [b"", b"x" * PIECE_BYTES, b"end"]


def test_a_follower_ends_when_its_client_has_left(consoles: Consoles, log: Path) -> None:
    assert list(consoles.follow(UUID, log, 0, lambda: True)) == [b""]


def test_a_follower_outlives_a_libvirt_that_does_not_answer(
    consoles: Consoles, hypervisor: Hypervisor, log: Path
) -> None:
    hypervisor.error = OutOfReach(["virsh"], 1, "error: no")
    follower = consoles.follow(UUID, log, 0, lambda: hypervisor.asked > 5)
    assert list(follower) == [b""]
    assert hypervisor.asked > 5


def test_a_libvirt_that_hangs_keeps_one_follower_alone(
    consoles: Consoles, hypervisor: Hypervisor, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another one's host prints meanwhile is not kept back, nor is its end."""
    asks, answers = threading.Event(), threading.Event()
    answered: list[bool] = []

    def hang() -> list[DomainRow]:
        asks.set()
        answered.append(answers.wait(60))
        return []

    monkeypatch.setattr(hypervisor, "domains", hang)
    first = threading.Thread(target=lambda: list(consoles.follow(UUID, log, 0, never)))
    first.start()
    try:
        assert asks.wait(60)
        looks = iter([False, False, True])
        second = consoles.follow(UUID, log, 0, lambda: next(looks))
        assert list(second) == [b""]
    finally:
        answers.set()
        first.join(60)
    assert (answered, first.is_alive()) == ([True], False)


def test_who_follows_a_new_host_does_not_trust_what_was_read_before(
    hypervisor: Hypervisor, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(console, "_GONE_SECONDS", 3600.0)
    consoles = Consoles(hypervisor, Config())  # type: ignore[arg-type]
    monkeypatch.setattr(consoles, "_asked", -3601.0)
    looks = iter([False, False, True])
    assert list(consoles.follow(UUID, log, 0, lambda: next(looks))) == [b""]
    assert hypervisor.asked == 1
    # It is not in what was read then, and nobody reads anew for an hour.
    looks = iter([False, False, False, True])
    assert list(consoles.follow(OTHER, log, 0, lambda: next(looks))) == [b""]
    assert next(looks, "all were asked for") == "all were asked for"
    assert hypervisor.asked == 1


def test_waiting_ends_with_more(consoles: Consoles, log: Path) -> None:
    asked: list[None] = []

    def left() -> bool:
        asked.append(None)
        if len(asked) == 3:
            log.write_bytes(b"more")
        return False

    assert consoles.wait(log, 0, 3600, left) == Piece(0, 4, b"more")
    assert len(asked) == 4


@pytest.mark.parametrize(("seconds", "gone"), [(0, False), (0.01, False), (3600, True)])
def test_waiting_ends_without_more(
    consoles: Consoles, log: Path, seconds: float, gone: bool
) -> None:
    """When its time is up, or its client has left."""
    assert consoles.wait(log, 0, seconds, lambda: gone) == Piece(0, 0, b"")


def test_everybody_is_let_go_when_the_agent_stops(consoles: Consoles, log: Path) -> None:
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(consoles.wait(log, 0, 3600, never))),
        threading.Thread(target=lambda: found.append(list(consoles.follow(UUID, log, 0, never)))),
    ]
    for thread in threads:
        thread.start()
    consoles.close()
    for thread in threads:
        thread.join(60)
    assert sorted(found, key=str) == [Piece(0, 0, b""), [b""]]
