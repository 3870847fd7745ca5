"""The journal's database: its schema, its file, and the agent's one connection to it.

SQLite with a write-ahead log.
"""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import JournalFailed

_SCHEMA = """
create table if not exists operations (
    number integer primary key,
    id text not null unique,
    does text not null,
    host text,
    network text,
    request text not null,
    plan text not null,
    status text not null,
    began real not null,
    ended real,
    error text,
    domain text,
    location text
);
create index if not exists operations_by_host on operations (host, number);
create index if not exists operations_by_network on operations (network, number);
create index if not exists operations_by_status on operations (status, number);
create index if not exists operations_by_domain on operations (domain, number);
create table if not exists steps (
    operation integer not null references operations (number) on delete cascade,
    number integer not null,
    undoes integer,
    step integer not null,
    argv text not null,
    stdin text,
    began real not null,
    seconds real,
    exit_code integer,
    ok integer,
    stdout text,
    stderr text,
    error text,
    primary key (operation, number)
) without rowid;
"""


class Database:
    """A connection to the file, for one thread at a time.

    `writing` and `reading` raise JournalFailed when the file cannot be opened, read or
    written, and try anew at the next call.
    path: the file, or ":memory:" for tests.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = path
        # One connection and one lock: SQLite has one writer at a time anyhow, and every
        # statement here takes well under a millisecond.
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection, to read and write: all that is written in the block, or none of it."""
        with self.reading() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            except BaseException:
                # After some errors, such as a full disk, SQLite has done it by itself.
                if db.in_transaction:
                    db.execute("rollback")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, to read; nobody else has it until the end of the block."""
        with self._lock:
            try:
                if self._db is None:
                    self._db = _open(self._path)
                yield self._db
            except sqlite3.Error as error:
                raise JournalFailed(
                    f"the journal {self._path} cannot be used: {error};"
                    " no change is made without it"
                ) from error


def _open(path: Path | str) -> sqlite3.Connection:
    if path != ":memory:":
        # What clients sent is nobody else's to read; SQLite gives its other files this mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        # Only what is not so yet: each of these wants the file to itself for a moment.
        if db.execute("pragma journal_mode").fetchone()[0] != "wal":
            db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("pragma foreign_keys = on")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
