"""What the paths refer to: schemas, the answers that are problem documents, and headers."""

from typing import Any

from agent.http.answers import changes, console, health, hosts, networks, problems
from agent.http.answers.values import ref
from agent.http.openapi.responses import answer

_Json = dict[str, Any]

_PROBLEM = "application/problem+json"

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


def components(host: _Json, network: _Json) -> _Json:
    """The components of the document. host, network: what the bodies that make one may hold."""
    return {
        "schemas": {
            "HostRequest": host,
            "NetworkRequest": network,
            **hosts.SCHEMAS,
            **networks.SCHEMAS,
            **changes.SCHEMAS,
            **console.SCHEMAS,
            **health.SCHEMAS,
            **problems.SCHEMAS,
        },
        "responses": {f"Problem{status}": _problem(status) for status in _ERRORS},
        "headers": {
            name: {"description": said, "required": always, "schema": {"type": "string"}}
            for name, (said, always) in _HEADERS.items()
        },
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    }


def _problem(status: int) -> _Json:
    more = {401: ("WWW-Authenticate",), 503: ("Retry-After", "X-Operation-ID")}
    headers = more.get(status, ("X-Operation-ID",))
    return answer(_ERRORS[status], {_PROBLEM: {"schema": ref("Problem")}}, *headers)
