"""How a responder reads a body."""

import json
from typing import Any

import falcon

from agent.errors import FieldError, InvalidRequest


def json_body(req: falcon.Request) -> Any:
    """The body as JSON, whatever its Content-Type; raises InvalidRequest for any other.

    The original clients send no Content-Type, and `curl -d` sends that of a form.
    """
    try:
        return json.loads(req.bounded_stream.read(), parse_constant=_no_constant)
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = str(error)
    raise InvalidRequest([FieldError("body", f"it is not JSON: {why}")])


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number in JSON")
