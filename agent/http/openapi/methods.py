"""A method of a path, OpenAPI's operation: one that reads, or one that changes something."""

from typing import Any

from agent.http.answers.values import ref
from agent.http.openapi.parameters import DRY_RUN, PREFER, REQUEST_ID
from agent.http.openapi.responses import JSON, TEXT_OF_SCRIPT, answer, errors, one

_Json = dict[str, Any]

# What may be answered besides: to anything; to what reads libvirt and Open vSwitch; to a change.
_ANY = (401, 403, 413, 421, 500)
_READ = (*_ANY, 503, 504)
_CHANGE = (400, 409, *_READ, 507)

_EXAMPLES = {
    "HostRequest": {"memory": 512, "disks": [8, 20], "networks": ["vlan10"]},
    "NetworkRequest": {"bridge": "br0", "vlan": 10},
}


def read(
    id: str,  # noqa: A002 - OpenAPI's own word
    tag: str,
    does: str,
    content: _Json,
    parameters: list[_Json] | None = None,
    also: tuple[int, ...] = (),
) -> _Json:
    """An operation that changes nothing. content: of its 200. also: further statuses."""
    commandless = {"operations": (*_ANY, 503), "agent": _ANY}
    return {
        "operationId": id,
        "tags": [tag],
        "summary": does,
        "parameters": [*(parameters or []), REQUEST_ID],
        "responses": {
            "200": answer("It is this.", content),
            **errors(*also, *commandless.get(tag, _READ)),
        },
    }


def change(
    id: str,  # noqa: A002
    tag: str,
    does: str,
    made: str,
    parameters: list[_Json],
    more: str = "",
    body: str = "",
    also: tuple[int, ...] = (),
    links: _Json | None = None,
) -> _Json:
    """An operation that changes something. made: what is answered when it is done."""
    done = answer(
        "It is done; or with `dry_run=true`, this is the plan.",
        {
            JSON: {"schema": {"anyOf": [ref(made), ref("Plan"), ref("Done")]}},
            **TEXT_OF_SCRIPT,
        },
        "X-Operation-ID",
    )
    begun = answer(
        "`Prefer: respond-async`: it is planned, and will be done.",
        one("OperationBegun"),
        "X-Operation-ID",
        "Location",
        "Preference-Applied",
    )
    found = {
        "operationId": "getOperation",
        "parameters": {"operation": "$response.header.X-Operation-ID"},
        "description": "What was run for it.",
    }
    operation: _Json = {
        "operationId": id,
        "tags": [tag],
        "summary": does,
        "parameters": [*parameters, DRY_RUN, PREFER, REQUEST_ID],
        "responses": {
            "200": {**done, "links": {"operation": found, **(links or {})}},
            "202": {**begun, "links": {"operation": found}},
            **errors(*also, *_CHANGE),
        },
    }
    if more:
        operation["description"] = more
    if body:
        content = {JSON: {"schema": ref(body), "example": _EXAMPLES[body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
