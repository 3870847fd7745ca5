"""How a responder reads a request's body and query."""

import json
from collections.abc import Iterable
from typing import Any

import falcon

from agent.errors import FieldError, InvalidRequest
from agent.http.contract.values import Json


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


def query(req: falcon.Request, parameters: Iterable[Json]) -> dict[str, Any]:
    """The parameters that a query gives, by their names, in the types of their schemas.

    parameters: OpenAPI's, all that the method has. Raises InvalidRequest that names every one
    that is unknown, given more than once, or not valid.
    """
    schemas = {each["name"]: each["schema"] for each in parameters}
    there = f"the parameters are {', '.join(schemas)}"
    values = {}
    errors = [
        FieldError(name, f"there is no such query parameter; {there}")
        for name in sorted(set(req.params) - set(schemas))
    ]
    for name in sorted(set(req.params) & set(schemas)):
        try:
            values[name] = _value(req.params[name], schemas[name])
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    if errors:
        raise InvalidRequest(errors)
    return values


def _value(given: str | list[str], schema: Json) -> str | int | bool:
    if isinstance(given, list):
        raise ValueError("is given more than once")
    match schema:
        case {"type": "boolean"}:
            if given not in ("true", "false"):
                raise ValueError(f"{given!r} is neither true nor false")
            return given == "true"
        case {"type": "integer", "minimum": least, "maximum": most}:
            # A number of more digits is none that SQLite has, and slow to read.
            digits = len(given) <= 19 and given.isascii() and given.isdigit()
            if not digits or not least <= int(given) <= most:
                raise ValueError(f"{given!r} is not a number from {least} to {most}")
            return int(given)
        case {"enum": values} if given not in values:
            raise ValueError(f"{given!r} is not one of {', '.join(values)}")
    return given
