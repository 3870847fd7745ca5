"""Redfish sessions: what a client gets for its token, and authenticates with for a while."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.access.tokens import MOST_TOKEN, Token, Tokens, digest

# However much a session is used, it ends after so many times the seconds that it may be idle.
_LONGEST = 48


@dataclass(slots=True)
class Session:
    """A client that has authenticated.

    user_name: as the client gave it; nothing depends on it. token: that it authenticated with,
    None where nobody needs one. hash: of what it authenticates with from then on. began, used: on
    the clock of its Sessions.
    """

    id: str
    user_name: str
    token: Token | None
    hash: bytes
    began: float
    used: float


class Sessions:
    """The sessions of one agent, in memory: they end with it.

    tokens: those that are accepted, None where nobody needs one. seconds: how long a session may
    be idle. most: how many there may be. clock: in seconds.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        seconds: int,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._tokens = tokens
        self._most = most
        self._clock = clock
        # One for all of them: it is as old as they are, and so a request costs one hash.
        self._salt = secrets.token_bytes(16)
        self._lock = threading.Lock()
        # By their hashes, oldest first.
        self._sessions: dict[bytes, Session] = {}

    def open(self, user_name: str, token: str) -> tuple[Session, str] | None:
        """Begin a session; returns it and what its client authenticates with.

        token: the client's. Returns None when it is none of the agent's; raises TokensUnusable.

        When there are as many as there may be, the one goes that was idle for longest, since a
        client that forgets to end its own must not keep others out. One of the same token goes
        first, so that no team's client ends those of another's.
        """
        found = None
        if self._tokens is not None:
            found = self._tokens.find(token)
            if found is None:
                return None
        secret, now = secrets.token_urlsafe(32), self._clock()
        new = Session(secrets.token_hex(8), user_name, found, digest(self._salt, secret), now, now)
        with self._lock:
            self._forget()
            while len(self._sessions) >= self._most:
                first = min(
                    self._sessions.values(), key=lambda each: (not _same(each, found), each.used)
                )
                del self._sessions[first.hash]
            self._sessions[new.hash] = new
        return new, secret

    def find(self, secret: str) -> Token | None:
        """The token of the session that a client has, which is used with this.

        Returns None when there is no such session, or its token was revoked; raises TokensUnusable.
        """
        if self._tokens is None or len(secret) > MOST_TOKEN:
            return None
        hashed = digest(self._salt, secret)
        with self._lock:
            self._forget()
            # The time it takes says nothing of a secret, whose hash nobody else can compute.
            session = self._sessions.get(hashed)
        if session is None:
            return None
        # As the file has it now: its rights may have been edited.
        token = next((each for each in self._tokens.all() if _same(session, each)), None)
        with self._lock:
            if token is None:
                self._sessions.pop(hashed, None)
            else:
                session.used = self._clock()
        return token

    def of(self, token: Token | None) -> list[Session]:
        """The sessions of a token, or those that needed none, oldest first."""
        with self._lock:
            self._forget()
            return [each for each in self._sessions.values() if _same(each, token)]

    def end(self, session: Session) -> None:
        """End a session; it may have ended already."""
        with self._lock:
            self._sessions.pop(session.hash, None)

    def _forget(self) -> None:
        """Forget the sessions that are too old."""
        now = self._clock()
        self._sessions = {
            hashed: each
            for hashed, each in self._sessions.items()
            if now - each.used < self._seconds and now - each.began < _LONGEST * self._seconds
        }


def _same(session: Session, token: Token | None) -> bool:
    """Whether a session is of that token, and not of another that has got its name since."""
    own = session.token
    return (own and own.hash) == (token and token.hash)
