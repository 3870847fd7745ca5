"""What hosts' serial consoles printed, from the files that libvirt logs them to.

virtlogd writes them, and bounds them: past 2 MiB the file becomes `.0` and a new one begins.
"""

import codecs
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.config import Config
from agent.errors import AgentError, NotFound, TooMany
from agent.hypervisor.hypervisor import Hypervisor
from agent.tools.parsers.terminal import Shown, shown

_log = logging.getLogger("agent.console")

# At most so much is read at once.
PIECE_BYTES = 64 * 1024
# What a terminal shows is drawn from so much of the end. A full screen of an installer is 1 to 5
# KiB, but what is on it may have been drawn long before the last change. Drawing takes 0.2 ms a KiB
# of log lines, 0.7 of cursor movements, and 5 of the worst that a host could print.
TAIL_BYTES = 128 * 1024
# How often a file is looked at while somebody waits for more, and the domain while they follow.
_LOOK_SECONDS = 0.1
_GONE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a console: its bytes, where they begin, and where what follows begins."""

    offset: int
    next: int
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as text; what is not UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")


class Consoles:
    """The consoles of one hypervisor's hosts.

    Who waits for more has one of a bounded number of places, since a thread waits with them.
    """

    def __init__(self, hypervisor: Hypervisor, config: Config) -> None:
        self._hypervisor = hypervisor
        self._folder = Path(config.console_dir)
        self._most = config.console_followers
        self._places = threading.BoundedSemaphore(config.console_followers)
        self._closed = threading.Event()
        # Held by who asks libvirt which hosts there are.
        self._asks = threading.Lock()
        self._hosts: frozenset[str] = frozenset()
        self._asked = self._known = 0.0

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed.set()

    def log(self, name: str) -> tuple[str, Path]:
        """A host's UUID and its console's file; raises NotFound where one is missing."""
        definition = self._hypervisor.domain_named(name).definition
        log = definition.console_log
        if log is None or Path(log).parent != self._folder:
            raise NotFound(f"host {name!r} has no console log in {self._folder}")
        return definition.uuid, Path(log)

    def screen(self, name: str) -> tuple[Shown, int]:
        """What a terminal on a host's console shows now, and the offset of what comes next.

        Raises NotFound where the host or its console is missing.
        """
        _, log = self.log(name)
        data, following = tail(log)
        return shown(data), following

    @contextmanager
    def place(self) -> Iterator[None]:
        """Have one of the places for those who wait; raises TooMany when all are taken."""
        if not self._places.acquire(blocking=False):
            raise TooMany(f"{self._most} clients wait for consoles already; try again later")
        try:
            yield
        finally:
            self._places.release()

    def wait(self, log: Path, offset: int, seconds: float, left: Callable[[], bool]) -> Piece:
        """The piece at an offset as soon as there is one, or an empty one when time is up.

        seconds: how long to wait. left: whether the client is gone.
        """
        limit = time.monotonic() + seconds
        while True:
            piece = read(log, offset)
            waits = time.monotonic() < limit and not self._closed.is_set() and not left()
            if piece.data or not waits:
                return piece
            self._closed.wait(_LOOK_SECONDS)

    def follow(
        self, uuid: str, log: Path, offset: int, left: Callable[[], bool]
    ) -> Iterator[bytes]:
        """The pieces from an offset on, until the host of that UUID or the client is gone.

        The place is taken at the first piece, and freed when the iterator is closed.
        """
        with self.place():
            began = time.monotonic()
            yield b""
            while True:
                piece = read(log, offset)
                offset = piece.next
                if piece.data:
                    yield piece.data
                elif self._closed.is_set() or left() or self._is_gone(uuid, began):
                    return
                else:
                    self._closed.wait(_LOOK_SECONDS)

    def _is_gone(self, uuid: str, since: float) -> bool:
        """Whether a host that was there at that time is gone.

        However many ask, libvirt is asked now and then. While it does not answer, none is; and
        nobody but the one who has asked it waits for that.
        """
        now = time.monotonic()
        if now - self._asked > _GONE_SECONDS and self._asks.acquire(blocking=False):
            self._asked = now
            try:
                self._hosts = frozenset(row.uuid for row in self._hypervisor.domains())
                self._known = now
            except AgentError as error:
                _log.warning("followers of consoles: %s", error.detail)
            finally:
                self._asks.release()
        return self._known > since and uuid not in self._hosts


def read(log: Path, offset: int) -> Piece:
    """A piece of a log from an offset on, empty where there is nothing yet.

    An offset past the end is from before the file was rotated: what was not read then is in
    `.0`, and then the new file is read from its start.
    """
    if _size(log) < offset:
        data = _bytes(log.with_name(f"{log.name}.0"), offset)
        if len(data) == PIECE_BYTES:
            return _piece(offset, data)
        if data:
            return Piece(offset, 0, data)
        offset = 0
    return _piece(offset, _bytes(log, offset))


def tail(log: Path) -> tuple[bytes, int]:
    """The end of a log, and the offset of what follows it.

    Of a file that was just rotated, what is missing is from `.0`. Where something is before it, it
    begins where neither a character nor an escape sequence is cut: at a line's end or an escape.
    """
    most = TAIL_BYTES
    data, following = _end(log, most)
    if following < most:
        data = _end(log.with_name(f"{log.name}.0"), most - following)[0] + data
    if len(data) == most:
        whole = re.search(rb"[\n\x1b]", data)
        # What has neither is text, which may begin with the rest of a character.
        data = data[whole.start() :] if whole else data.lstrip(bytes(range(0x80, 0xC0)))
    return data, following


def _end(path: Path, most: int) -> tuple[bytes, int]:
    """So many bytes of the end of a file, and the offset of its end."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - most)
            file.seek(start)
            data = file.read(most)
            return data, start + len(data)
    except FileNotFoundError:
        return b"", 0


def _piece(offset: int, data: bytes) -> Piece:
    # The last character may go on in the next piece, or not be written whole yet.
    cut = _unfinished(data)
    if cut and len(data) > cut:
        data = data[:-cut]
    return Piece(offset, offset + len(data), data)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _bytes(path: Path, offset: int) -> bytes:
    # Not every file system can seek as far past the end as a client may ask for.
    if offset >= _size(path):
        return b""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)
    except FileNotFoundError:
        return b""


def _unfinished(data: bytes) -> int:
    """How many bytes at the end begin a character of UTF-8 that ends beyond them."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return len(decoder.getstate()[0])
