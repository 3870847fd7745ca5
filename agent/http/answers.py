"""What answers are made of: JSON as bytes, and ETags."""

import hashlib
import json
from collections.abc import Sequence

import falcon

# Answers are built anew each time, so they cannot contain themselves.
_ENCODER = json.JSONEncoder(check_circular=False)


def json_line(answer: object) -> bytes:
    """An answer as JSON, in ASCII: what a client sent may hold halves of surrogate pairs."""
    return f"{_ENCODER.encode(answer)}\n".encode("ascii")


def etag(data: bytes) -> str:
    """The ETag of an answer of these bytes."""
    return hashlib.sha256(data).hexdigest()[:32]


def is_known(req: falcon.Request, resp: falcon.Response, tag: str) -> bool:
    """Give the answer its ETag, and make it a 304 where the client has it already.

    Returns whether it is a 304.
    """
    resp.etag = tag
    if not matches(req.if_none_match, tag):
        return False
    resp.status = falcon.HTTP_304
    return True


def matches(given: Sequence[object] | None, tag: str) -> bool:
    """Whether an ETag is one of those that a header gives, as Falcon reads it."""
    # A weak one as well: clients send back what a proxy has made of it.
    return any(str(each) in ("*", tag) for each in given or ())
