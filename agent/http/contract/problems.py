"""Errors in the contract: what a problem document holds, and what each status means."""

from agent.http.contract.methods import answer
from agent.http.contract.values import Json, array, integer, record, ref, text, uuid
from agent.http.problems import MEDIA_TYPE

SCHEMAS: Json = {
    "Problem": {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": text("the status in words"),
            "status": integer(least=400, most=599),
            "detail": text("what was wrong, for a person"),
            "errors": array(
                record({"field": text(), "detail": text()}), "400: every field that was wrong"
            ),
            "command": text("the command that failed, ready to paste"),
            "exit_code": integer(
                "its exit code, negative for a signal, null when it did not run or was killed",
                null=True,
            ),
            "stderr": text("what it said there"),
            "operation": uuid("the id that the log and the journal have the change under"),
            "held_by": text("409: the operation that is at work on the name"),
            "left_behind": array(text(), "commands that still have to be run"),
        },
        "description": "RFC 9457",
    },
}

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
_HEADERS = {401: ("WWW-Authenticate",), 503: ("Retry-After", "X-Operation-ID")}

RESPONSES: Json = {
    f"Problem{status}": answer(
        description,
        {MEDIA_TYPE: {"schema": ref("Problem")}},
        *_HEADERS.get(status, ("X-Operation-ID",)),
    )
    for status, description in _ERRORS.items()
}
