"""Errors in the contract: what a problem document holds, and what each status means."""

from agent.http.contract.methods import answer
from agent.http.contract.values import Json, array, between, integer, record, ref, text, uuid
from agent.http.problems import MEDIA_TYPE

SCHEMAS: Json = {
    "Problem": {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": text("the status in words"),
            "status": between(400, 599),
            "detail": text("what is wrong, for people"),
            "errors": array(
                record({"field": text(), "detail": text()}), "400: every invalid field"
            ),
            "command": text("the command that failed, ready to paste"),
            "exit_code": integer(
                "its exit code, negative for a signal, null if it did not run or was killed",
                null=True,
            ),
            "stderr": text("its error output"),
            "operation": uuid("the id of the change in the log and the journal"),
            "held_by": text("409: the operation that has locked the name"),
            "left_behind": array(text(), "commands that still have to be run"),
        },
        "description": "RFC 9457",
    },
}

_ERRORS = {
    400: "The request is invalid; `errors` names every invalid field.",
    401: "The token is missing or unknown.",
    403: "The token is read-only or for some hosts only, or a web page of another site sent the"
    " request.",
    404: "There is nothing of that name.",
    409: "The name is taken, the network is in use, the host's state does not allow it, or another"
    " operation has locked the name (`held_by`).",
    413: "The body is larger than the setting `body_bytes`, 65536 by default.",
    421: "The Host header is not a name of this agent.",
    500: "A command failed, or an unexpected error occurred; the agent's log has more.",
    503: "libvirt, Open vSwitch or the journal cannot be reached, the agent cannot read its"
    " tokens, too many requests are in progress, or the agent is stopping.",
    504: "A command exceeded its time limit.",
    507: "There is not enough disk space or memory on the hypervisor.",
}
_HEADERS = {401: ("WWW-Authenticate",), 503: ("Retry-After", "X-Operation-ID")}

RESPONSES: Json = {
    f"Problem{status}": answer(
        description,
        {MEDIA_TYPE: {"schema": ref("Problem")}},
        *_HEADERS.get(status, ("X-Operation-ID",)),
    )
    for status, description in _ERRORS.items()
}
