"""The contract as an OpenAPI 3.1 document, over the schemas that requests are validated with.

To document a new route, add it to `_paths`.
"""

from typing import Any

from agent import answers, schemas
from agent.answers import ref
from agent.operation import STATUSES
from agent.power_plans import VERBS
from agent.resources.console import MOST_OFFSET, MOST_WAIT_SECONDS
from agent.resources.operations import MOST_NUMBER, MOST_OPERATIONS

_Json = dict[str, Any]

JSON = "application/json"
_PROBLEM = "application/problem+json"
_SCRIPT = "text/x-shellscript"

# What may be answered besides: to anything; to what reads libvirt and Open vSwitch; to a change.
_ANY = (401, 403, 413, 421, 500)
_READ = (*_ANY, 503, 504)
_CHANGE = (400, 409, *_READ, 507)

_ERRORS = {
    400: "What is asked for cannot be; `errors` names every field that is wrong.",
    401: "There is no token, or not one that the agent knows.",
    403: "The token, or the page that this comes from, may not do that.",
    404: "There is nothing of that name.",
    409: "The name is taken, what should go is in use, the host's state does not fit, or another"
    " operation is at work on the name (`held_by`).",
    413: "The body has more bytes than the agent takes, 65536 unless it is set otherwise.",
    421: "The Host header is not a name of this agent.",
    500: "A command failed, or nobody foresaw it; the agent's log has more.",
    503: "libvirt, Open vSwitch or the journal is out of reach, too many do that already, or the"
    " agent is stopping.",
    504: "A command ran past its time limit.",
    507: "There is no disk space or memory left on the hypervisor.",
}
_HEADERS: _Json = {
    "X-Request-ID": ("The id of the request, the client's own where it sent one.", True),
    "X-Operation-ID": ("The id of the change in the journal; not with a dry run.", False),
    "Retry-After": ("When to ask again, in seconds.", False),
    "Location": ("Where to look what became of it.", True),
    "Preference-Applied": ("respond-async", True),
    "WWW-Authenticate": ("How to show who one is.", False),
}

_DESCRIPTION = f"""\
Makes, shows and removes virtual machines ("hosts") and VLAN networks on one hypervisor.

A body is read as JSON whatever its Content-Type. A trailing slash makes no difference. HEAD works
where GET does; OPTIONS says which methods a path takes, and any other method is a 405 with the
same `Allow`. Errors are problem documents.

`dry_run=true` on a change answers the plan and changes nothing. `Prefer: respond-async` has it
answered with 202 as soon as the plan is made, and `Location` says where to look for its end. With
`Accept: {_SCRIPT}` a plan or an operation is a shell script.
"""


def document(host: _Json = schemas.HOST, network: _Json = schemas.NETWORK) -> _Json:
    """The OpenAPI document. host, network: what the bodies that make one may hold."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Staging compute agent",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "tags": [{"name": name} for name in ("hosts", "networks", "operations", "agent")],
        "paths": _paths(),
        "components": {
            "schemas": {"HostRequest": host, "NetworkRequest": network, **answers.SCHEMAS},
            "responses": {f"Problem{status}": _problem(status) for status in _ERRORS},
            "headers": {
                name: {"description": said, "required": always, "schema": {"type": "string"}}
                for name, (said, always) in _HEADERS.items()
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> _Json:
    host, network = [_name()], [_name("network", "the network's name")]
    under_host = [_name("name", "a host's name, which says nothing"), *network]
    return {
        "/hosts": {
            "get": _read("listHosts", "hosts", "List all hosts, running or not.", _list("HostRow"))
        },
        "/hosts/{name}": {
            "get": _read("getHost", "hosts", "Show a host.", _json("Host"), host, also=(404,)),
            "post": _change(
                "createHost",
                "hosts",
                "Make a host and start it.",
                "Host",
                [_name("name", "the new host's name", schemas.HOST_NAME)],
                more="The answer comes once the machine runs; an install goes on after it. It"
                " exists whole, or nothing is left of it. A location must be one that"
                " virt-install knows an installer at, and the name short enough for the"
                " files of its disks. There must be each network, active, with no more than"
                " one VLAN tag.",
                body="HostRequest",
                links=_host_links(),
            ),
            "delete": _change(
                "deleteHost",
                "hosts",
                "Remove a host and the disks that were made for it.",
                "HostDeleted",
                host,
                also=(404,),
            ),
        },
        **{
            f"/hosts/{{name}}/{verb}": {
                "put": _change(f"{verb}Host", "hosts", _VERBS[verb], "Host", host, also=(404,))
            }
            for verb in VERBS
        },
        "/hosts/{name}/console": {"get": _console(host)},
        "/hosts/{name}/networks/{network}": _network(under_host, "Host"),
        "/networks": {
            "get": _read(
                "listNetworks",
                "networks",
                "List all networks, active or not.",
                _list("NetworkRow"),
            )
        },
        "/networks/{network}": _network(network, ""),
        "/operations": {
            "get": _read(
                "listOperations",
                "operations",
                "List what was changed, newest first.",
                _list("OperationRow"),
                _filters(),
                also=(400,),
            )
        },
        "/operations/{operation}": {
            "get": _read(
                "getOperation",
                "operations",
                "Show one change with every command.",
                {**_json("Operation"), **_TEXT_OF_SCRIPT},
                [_name("operation", "the operation's id")],
                also=(404,),
            )
        },
        "/health": {"get": _health()},
        "/metrics": {
            "get": _read(
                "getMetrics",
                "agent",
                "What the agent counts and measures, for Prometheus.",
                {
                    "text/plain": {"schema": {"type": "string"}},
                    "application/openmetrics-text": {"schema": {"type": "string"}},
                },
            )
        },
        "/openapi.json": {
            "get": _read(
                "getOpenapi", "agent", "This document.", {JSON: {"schema": {"type": "object"}}}
            )
        },
        "/docs": {
            "get": _read(
                "getDocs",
                "agent",
                "This document for a person.",
                {"text/html": {"schema": {"type": "string"}}},
            )
        },
    }


_VERBS = {
    "start": "Start a host; one that runs is left as it is.",
    "shutdown": "Press a host's power button (ACPI); whether it heeds that is up to it.",
    "stop": "Stop a host at once; one that is shut off is left as it is.",
    "reboot": "Ask a host to start anew (ACPI).",
    "reset": "Start a host anew at once.",
}


def _read(
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
        "parameters": [*(parameters or []), _REQUEST_ID],
        "responses": {
            "200": _answer("It is this.", content),
            **_errors(*also, *commandless.get(tag, _READ)),
        },
    }


def _change(
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
    done = _answer(
        "It is done; or with `dry_run=true`, this is the plan.",
        {
            JSON: {"schema": {"anyOf": [ref(made), ref("Plan"), ref("Done")]}},
            **_TEXT_OF_SCRIPT,
        },
        "X-Operation-ID",
    )
    begun = _answer(
        "`Prefer: respond-async`: it is planned, and will be done.",
        _json("OperationBegun"),
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
        "parameters": [*parameters, _DRY_RUN, _PREFER, _REQUEST_ID],
        "responses": {
            "200": {**done, "links": {"operation": found, **(links or {})}},
            "202": {**begun, "links": {"operation": found}},
            **_errors(*also, *_CHANGE),
        },
    }
    if more:
        operation["description"] = more
    if body:
        content = {JSON: {"schema": ref(body), "example": _EXAMPLES[body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _network(parameters: list[_Json], under: str) -> _Json:
    """A network's operations; under: what their ids say more, for the alias."""
    given = [*parameters[:-1], _name("network", "the new network's name", schemas.NETWORK_NAME)]
    alias = " The same as /networks/{network}." if under else ""
    names = {each["name"]: f"$request.path.{each['name']}" for each in parameters}
    links = {
        word: {"operationId": f"{word}{under}Network", "parameters": names}
        for word in ("get", "delete")
    }
    return {
        "get": _read(
            f"get{under}Network",
            "networks",
            f"Show a network.{alias}",
            _json("Network"),
            parameters,
            also=(404,),
        ),
        "post": _change(
            f"create{under}Network",
            "networks",
            f"Make a network, active now and after every reboot.{alias}",
            "Network",
            given,
            body="NetworkRequest",
            links=links,
        ),
        "delete": _change(
            f"delete{under}Network",
            "networks",
            f"Remove a network that no host uses.{alias}",
            "NetworkDeleted",
            parameters,
            also=(404,),
        ),
    }


def _host_links() -> _Json:
    ids = ["getHost", "deleteHost", "getConsole", *(f"{verb}Host" for verb in VERBS)]
    return {
        name: {"operationId": name, "parameters": {"name": "$request.path.name"}} for name in ids
    }


def _console(parameters: list[_Json]) -> _Json:
    said = _read(
        "getConsole",
        "hosts",
        "Show what a host's serial console printed.",
        {
            **_json("Piece"),
            "text/plain": {"schema": {"type": "string"}},
        },
        [
            *parameters,
            _query("offset", "from which byte on", _number(0, MOST_OFFSET)),
            _query(
                "wait",
                "how many seconds to wait for something new, in JSON",
                _number(0, MOST_WAIT_SECONDS),
            ),
            _query(
                "follow",
                "go on until the host is deleted, with `Accept: text/plain`",
                {"type": "boolean"},
            ),
        ],
        also=(400, 404),
    )
    said["description"] = (
        "In JSON one piece; ask for the next with its `next` as `offset`. With `Accept:"
        " text/plain` all there is as text, and with `follow=true` what comes, until the host is"
        " deleted. `follow` goes with `Accept: text/plain` only."
    )
    return said


def _health() -> _Json:
    health = _read(
        "getHealth",
        "agent",
        "Say whether libvirt, the pool, Open vSwitch and the journal answer.",
        _json("Health"),
    )
    health["responses"]["503"] = _answer("One of them does not answer.", _json("Health"))
    return health


def _filters() -> list[_Json]:
    return [
        _query("host", "only those about this host", {"type": "string"}),
        _query("network", "only those about this network", {"type": "string"}),
        _query("status", "only those of this status", {"type": "string", "enum": list(STATUSES)}),
        _query("before", "only those of a lower `number`", _number(1, MOST_NUMBER)),
        _query("limit", "how many at most, 50 by default", _number(1, MOST_OPERATIONS)),
    ]


def _name(name: str = "name", said: str = "the host's name", schema: _Json | None = None) -> _Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": said,
        "schema": schema or {"type": "string", "minLength": 1},
        "example": _EXAMPLES[name],
    }


def _query(name: str, said: str, schema: _Json) -> _Json:
    return {"name": name, "in": "query", "description": said, "schema": schema}


def _number(least: int, most: int) -> _Json:
    return {"type": "integer", "minimum": least, "maximum": most}


_EXAMPLES = {
    "HostRequest": {"memory": 512, "disks": [8, 20], "networks": ["vlan10"]},
    "NetworkRequest": {"bridge": "br0", "vlan": 10},
    "name": "ns.example.com",
    "network": "vlan10",
    "operation": "0b4f5f0e-6f0c-4a5d-8f1e-3a1d6c1f7b11",
}
_DRY_RUN = _query("dry_run", "change nothing, and answer the plan", {"type": "boolean"})
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` (RFC 7240) to be answered with 202 as soon as it is planned",
    "schema": {"type": "string", "examples": ["respond-async"]},
}
_REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "an id for the log, at most 128 letters, digits and . _ : -; any other is"
    " replaced",
    "schema": {"type": "string"},
}
_TEXT_OF_SCRIPT: _Json = {_SCRIPT: {"schema": {"type": "string"}}}


def _json(name: str) -> _Json:
    return {JSON: {"schema": ref(name)}}


def _list(name: str) -> _Json:
    return {JSON: {"schema": {"type": "array", "items": ref(name)}}}


def _answer(said: str, content: _Json, *headers: str) -> _Json:
    return {
        "description": said,
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-ID", *headers)
        },
        "content": content,
    }


def _problem(status: int) -> _Json:
    more = {401: ("WWW-Authenticate",), 503: ("Retry-After", "X-Operation-ID")}
    headers = more.get(status, ("X-Operation-ID",))
    return _answer(_ERRORS[status], {_PROBLEM: {"schema": ref("Problem")}}, *headers)


def _errors(*statuses: int) -> _Json:
    return {
        str(status): {"$ref": f"#/components/responses/Problem{status}"}
        for status in sorted(statuses)
    }
