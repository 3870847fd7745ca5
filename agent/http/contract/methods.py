"""OpenAPI's operations, the methods of a path: one that reads, or one that changes something."""

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from agent.http.contract.values import Json, array, boolean, ref, text
from agent.plans.power import VERBS

JSON = "application/json"
SCRIPT = "text/x-shellscript"
TEXT_OF_SCRIPT: Json = {SCRIPT: {"schema": text()}}
TAGS = ("hosts", "snapshots", "networks", "operations", "agent")

# The statuses of errors: of every operation, of one that runs commands, and of a change.
_ALWAYS = (401, 403, 413, 421, 500, 503)
_COMMANDS = (*_ALWAYS, 504)
_CHANGE = (*_COMMANDS, 400, 409, 507)
# The tags of reads that run none.
_WITHOUT_COMMANDS = ("operations", "agent")


class Method(NamedTuple):
    """A method of a path, its name in lower case, with what the document says of it."""

    path: str
    name: str
    operation: Json


def parameter(where: str, name: str, description: str, schema: Json, **more: Any) -> Json:
    """A parameter of a request. where: path, query or header."""
    return {"name": name, "in": where, "description": description, "schema": schema, **more}


in_query = partial(parameter, "query")
# The name of something that exists may be any text.
in_path = partial(parameter, "path", schema=text(minLength=1), required=True)
DRY_RUN = in_query("dry_run", "change nothing and return the plan", boolean())
_PREFER = parameter(
    "header",
    "Prefer",
    "`respond-async` (RFC 7240) for a 202 as soon as the change is planned",
    text(examples=["respond-async"]),
)
_REQUEST_ID = parameter(
    "header",
    "X-Request-ID",
    "an id for the log, at most 128 letters, digits and . _ : -; an invalid one is replaced",
    text(),
)


def one(name: str) -> Json:
    """The content of an answer that is one thing, in JSON. name: of its schema."""
    return {JSON: {"schema": ref(name)}}


def many(name: str) -> Json:
    """The content of an answer that is a list, in JSON. name: of the schema of each."""
    return {JSON: {"schema": array(ref(name))}}


def body(name: str, example: Json) -> Json:
    """The body of a request. name: of its schema."""
    return {"required": True, "content": {JSON: {"schema": ref(name), "example": example}}}


def link(operation: str, names: dict[str, str], **more: Any) -> Json:
    """A link to an operation, by its id. names: each parameter of its path, and its value."""
    return {"operationId": operation, "parameters": names, **more}


def answer(description: str, content: Json, *headers: str, **more: Any) -> Json:
    """An answer. headers: those that it has besides the request's id."""
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *headers)}
    return {"description": description, "headers": refs, "content": content, **more}


def read(
    route: str,
    id_: str,
    summary: str,
    content: Json,
    *asked: Json,
    errors: Iterable[int] = (),
    **more: Any,
) -> Method:
    """A method that changes nothing.

    route: GET and the path. id_: OpenAPI's operationId. content: of the 200. asked: the
    parameters. errors: statuses beside those of every such method. more: what else the operation
    has.
    """
    places = {each["in"] for each in asked}
    statuses = [*(_ALWAYS if _tag(route) in _WITHOUT_COMMANDS else _COMMANDS), *errors]
    statuses += [status for where, status in (("path", 404), ("query", 400)) if where in places]
    answers = {"200": answer("Success.", content), **_errors(statuses)}
    return _method(
        route, operationId=id_, summary=summary, parameters=asked, responses=answers, **more
    )


def change(
    route: str,
    id_: str,
    summary: str,
    shown: str,
    *asked: Json,
    further: Json | None = None,
    part: bool = False,
    **more: Any,
) -> Method:
    """A method that changes something, or with a dry run only shows its plan.

    route: the method and the path; a POST makes what does not exist yet. id_: OpenAPI's
    operationId. shown: the name of the schema of its result. asked: the
    parameters of the path. further: links from its result. part: a POST makes a part of what
    has to exist. more: what else the operation has.
    """
    done = {JSON: {"schema": {"anyOf": [ref(shown), ref("Plan"), ref("Done")]}}, **TEXT_OF_SCRIPT}
    answers = {
        "200": answer(
            "The result of the change or, with `dry_run=true`, its plan.",
            done,
            "X-Operation-ID",
            links={**_TO_OPERATION, **(further or {})},
        ),
        "202": answer(
            "With `Prefer: respond-async`: the change is planned and runs in the background.",
            one("OperationBegun"),
            *("X-Operation-ID", "Location", "Preference-Applied"),
            links=_TO_OPERATION,
        ),
        **_errors(_CHANGE if route.startswith("POST ") and not part else (*_CHANGE, 404)),
    }
    asked = (*asked, DRY_RUN, _PREFER)
    return _method(
        route, operationId=id_, summary=summary, parameters=asked, responses=answers, **more
    )


def rest_codes(path: str, method: str, operation: Json) -> Json:
    """An operation as it is with the setting `rest_codes`: a change that is done is 201 or 204."""
    told = operation["responses"]["200"]
    verb = path.rpartition("/")[2]
    if method == "post":
        more = {"201": {**told, "description": "It was created."}}
    elif method == "delete" or (method == "put" and verb in VERBS):
        more = {"204": answer("The change is done.", {}, "X-Operation-ID")}
    else:
        return operation
    return {**operation, "responses": {**operation["responses"], **more}}


_TO_OPERATION = {
    "operation": link(
        "getOperation",
        {"operation": "$response.header.X-Operation-ID"},
        description="The commands that were run for it.",
    )
}


def _method(route: str, parameters: Iterable[Json], **more: Any) -> Method:
    method, _, path = route.partition(" ")
    operation = {"tags": [_tag(path)], "parameters": [*parameters, _REQUEST_ID], **more}
    return Method(path, method.lower(), operation)


def _tag(route: str) -> str:
    """What a route is listed under: the last kind of thing that its path names."""
    return next((part for part in reversed(route.split("/")) if part in TAGS), "agent")


def _errors(statuses: Iterable[int]) -> Json:
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses)
    }
