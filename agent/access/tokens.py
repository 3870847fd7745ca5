"""The tokens that clients authenticate with: a file of names, rights and salted hashes.

A line is a token: its name, "full" or "read-only", the salt and the hash, both in hex, and, when it
is for some hosts only, a `host=PATTERN` for each pattern of their names. Empty lines and those that
begin with # are kept as they are.
"""

import fcntl
import hmac
import logging
import os
import re
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.access.rights import Rights
from agent.errors import AlreadyExists, ConfigError, NotFound, TokensUnusable

_log = logging.getLogger("agent")

FULL, READ_ONLY = "full", "read-only"
# No "@", which the log has between a name and an address.
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST = "host="
# As long as a host's name.
_MOST_PATTERN = 253
_MOST_FILE_BYTES = 1 << 20
# A token has 43 characters; nobody is to have the agent hash more than a few.
MOST_TOKEN = 256


@dataclass(frozen=True, slots=True)
class Token:
    """What the file knows of a token, which is not the token itself.

    hosts: shell patterns of the names of the only hosts that it is for; none for all.
    """

    name: str
    rights: str
    salt: bytes
    hash: bytes
    hosts: tuple[str, ...] = ()

    def line(self) -> str:
        """It as a line of the file."""
        hosts = (f"{_HOST}{pattern}" for pattern in self.hosts)
        return " ".join((self.name, self.rights, self.salt.hex(), self.hash.hex(), *hosts))

    def allows(self) -> Rights:
        """What its client may do."""
        return Rights(self.rights == READ_ONLY, self.hosts or None)


def digest(salt: bytes, secret: str) -> bytes:
    """The salted hash of a token.

    A quick one: it is computed anew for every request, thousands a second. Slow ones, such as
    scrypt, are for passwords, which can be guessed; nobody guesses 256 random bits.
    """
    return hmac.digest(salt, secret.encode("utf-8", "replace"), "sha256")


def read(path: Path) -> tuple[Token, ...]:
    """The tokens of a file, none when there is no file; raises TokensUnusable."""
    return _parse(path, _text(path))


def _parse(path: Path, text: str) -> tuple[Token, ...]:
    """The tokens of the text of that file; raises TokensUnusable, which names the line."""
    tokens: dict[str, Token] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            token = _parse_line(line)
            if token.name in tokens:
                raise ValueError(f"there is a token {token.name} above it already")
        except ValueError as error:
            raise TokensUnusable(f"tokens_file: {path}: line {number}: {error}") from error
        tokens[token.name] = token
    return tuple(tokens.values())


def _parse_line(line: str) -> Token:
    """The token of a line; raises ValueError, which says what is wrong."""
    words = line.split()
    if len(words) < 4:
        raise ValueError(f"it has {len(words)} words; a token is its name, rights, salt and hash")
    name, rights, salt, hashed, *hosts = words
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid token name")
    if rights not in (FULL, READ_ONLY):
        raise ValueError(f"{rights!r} is neither {FULL} nor {READ_ONLY}")
    for what, value, digits in (("salt", salt, 32), ("hash", hashed, 64)):
        if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value):
            raise ValueError(f"the {what} is not {digits} hexadecimal digits")
    for word in hosts:
        # What is not understood might have been to limit the token.
        if not word.startswith(_HOST) or not _is_pattern(word.removeprefix(_HOST)):
            raise ValueError(f"{word!r} is not {_HOST} and a pattern of host names")
    patterns = tuple(word.removeprefix(_HOST) for word in hosts)
    return Token(name, rights, bytes.fromhex(salt), bytes.fromhex(hashed), patterns)


def _is_pattern(text: str) -> bool:
    """Whether a text can be a pattern in the file, where spaces delimit words."""
    return 0 < len(text) <= _MOST_PATTERN and text.isprintable() and " " not in text


def _text(path: Path) -> str:
    try:
        # Not blocking: a FIFO in its place must not hold every request up.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(file, "rb") as opened:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise TokensUnusable(f"tokens_file: {path}: is not a file")
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise TokensUnusable(
                    f"tokens_file: {path}: others than its owner may write to it; chmod 600 it"
                )
            content = opened.read(_MOST_FILE_BYTES + 1)
        if len(content) > _MOST_FILE_BYTES:
            raise TokensUnusable(f"tokens_file: {path}: has more than {_MOST_FILE_BYTES} bytes")
        return content.decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise TokensUnusable(f"tokens_file: {path}: cannot be read: {error.strerror}") from error


class Tokens:
    """The tokens of a file as it is now.

    path: the file. It is looked at for every request, and read again when it has changed. While
    it cannot be used nobody is authenticated.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], tuple[Token, ...]] | None = None
        self._said = ""

    def find(self, secret: str) -> Token | None:
        """The token that a client has, None for none of ours; raises TokensUnusable."""
        found = None
        # All of them, to the end: the time it takes says nothing of which it was.
        for token in self.all():
            if hmac.compare_digest(digest(token.salt, secret[:MOST_TOKEN]), token.hash):
                found = token
        return found if len(secret) <= MOST_TOKEN else None

    def all(self) -> tuple[Token, ...]:
        """Every token; raises TokensUnusable, whose reason the log gets once."""
        before = self._read
        stamp = self._stamp()
        if before is not None and before[0] == stamp:
            return before[1]
        with self._lock:
            # Taken before the reading: a change in between is seen by the next request.
            stamp = self._stamp()
            try:
                tokens = read(self._path)
            except TokensUnusable as error:
                self._read = None
                self._say(f"{error.detail}; every request is refused until that is corrected")
                raise
            if not tokens:
                self._say(
                    f"tokens_file: {self._path} holds no tokens, so every request is refused;"
                    " `python -m agent token add NAME --config FILE` makes one"
                )
            else:
                self._said = ""
            self._read = (stamp, tokens)
            return tokens

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError as error:
            return (error.errno or 0,)
        return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            _log.warning("%s", what)


def add(path: Path, name: str, *, read_only: bool, hosts: Sequence[str] = ()) -> str:
    """Make a token and return it; the file keeps its hash only.

    hosts: shell patterns of the names of the only hosts that it is for; none for all.
    Raises AlreadyExists, TokensUnusable, and ConfigError for a name, a pattern or a file that
    cannot be.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: a name has 1 to 64 letters, digits, dots, _ and -")
    for pattern in hosts:
        if not _is_pattern(pattern):
            raise ConfigError(
                f"{pattern!r}: a pattern of host names has 1 to {_MOST_PATTERN} printable"
                " characters and no space; use ? for one"
            )
    secret, salt = secrets.token_urlsafe(32), secrets.token_bytes(16)
    rights = READ_ONLY if read_only else FULL
    token = Token(name, rights, salt, digest(salt, secret), tuple(hosts))
    with _alone(path):
        text = _text(path)
        if name in {each.name for each in _parse(path, text)}:
            raise AlreadyExists(f"there is a token {name} already; revoke it first")
        newline = "" if not text or text.endswith("\n") else "\n"
        _write(path, f"{text}{newline}{token.line()}\n")
    return secret


def revoke(path: Path, name: str) -> None:
    """Take a token out of the file.

    Raises NotFound, TokensUnusable, and ConfigError for a file that cannot be written.
    """
    with _alone(path):
        text = _text(path)
        if name not in {each.name for each in _parse(path, text)}:
            raise NotFound(f"there is no token {name!r}; `token list` has them")
        lines = text.removesuffix("\n").split("\n")
        kept = [line for line in lines if line.split()[:1] != [name]]
        _write(path, "".join(f"{line}\n" for line in kept))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file's own lock, so that of two changes at once none is lost."""
    # Beside the file, which is a new one after every change.
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"tokens_file: {lock}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _write(path: Path, text: str) -> None:
    """Put a new file in the place of the old, at once and on the disk."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            with suppress(FileNotFoundError):
                # The agent need not be root, and goes on reading what is its own.
                old = path.stat()
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigError(f"tokens_file: {error.filename or path}: {error.strerror}") from error
