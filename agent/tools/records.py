"""What commands say, in files that outlive the agent.

A command goes on when the agent is killed, but what it says then goes to a pipe that nobody reads.
To a file it is said all the same, and the next start finds it there: such as that a name was
somebody else's. It need not survive a power failure, so nothing waits for a disk.
"""

import contextlib
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_log = logging.getLogger("agent.operation")

_OUT, _ERR = "out", "err"
# The room that a file has before the command runs, filled with zeros: on a full disk it could not
# say why it failed. virsh says a line or three.
_ROOM_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """The two files that a command writes to."""

    stdout: BinaryIO
    stderr: BinaryIO

    def read(self) -> tuple[bytes, bytes]:
        """What it has written so far."""
        for file in (self.stdout, self.stderr):
            file.seek(0)
        return _text(self.stdout.read()), _text(self.stderr.read())


class Records:
    """The records of commands, by operation and the command's number in it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, operation: str, number: int) -> Iterator[Record | None]:
        """A record for a command to write to; None when there can be none, which is logged."""
        with ExitStack() as stack:
            record = None
            try:
                self._folder.mkdir(mode=0o700, exist_ok=True)
                out, err = (
                    stack.enter_context(open(self._path(operation, number, kind), "w+b"))
                    for kind in (_OUT, _ERR)
                )
                for file in (out, err):
                    os.posix_fallocate(file.fileno(), 0, _ROOM_BYTES)
                record = Record(out, err)
            except OSError as error:
                _log.warning("operation %s: %s: %s", operation, self._folder, error.strerror)
            yield record

    def said(self, operation: str, number: int) -> tuple[str, str]:
        """What a command wrote to its stdout and its stderr: nothing without a record."""
        out, err = (self._read(self._path(operation, number, kind)) for kind in (_OUT, _ERR))
        return out, err

    def awaited(self, operation: str) -> bool:
        """Whether a command of an operation has a record and has not ended, as far as that says.

        virsh ends what it says on stdout with a newline of its own, however it fares.
        """
        return any(not self._read(path) for path in self._folder.glob(f"{operation}.*.{_OUT}"))

    def forget(self, operation: str, number: int) -> None:
        """Remove a record; there may be none."""
        for kind in (_OUT, _ERR):
            _remove(self._path(operation, number, kind))

    def keep_only(self, operations: Collection[str]) -> None:
        """Remove the records of all other operations."""
        for path in self._folder.glob("*.*.*"):
            if path.name.split(".")[0] not in operations:
                _remove(path)

    def _path(self, operation: str, number: int, kind: str) -> Path:
        return self._folder / f"{operation}.{number}.{kind}"

    def _read(self, path: Path) -> str:
        try:
            return _text(path.read_bytes()).decode("utf-8", "replace")
        except OSError:
            return ""


def _text(written: bytes) -> bytes:
    return written.replace(b"\0", b"")


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
