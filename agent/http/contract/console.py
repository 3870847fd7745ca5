"""What a host shows and uses: its serial console, its screen, its usage, and their methods."""

from agent.http.contract.hosts import HOST_IN_PATH
from agent.http.contract.methods import JSON, in_query, one, read
from agent.http.contract.values import (
    Json,
    array,
    between,
    boolean,
    integer,
    number,
    or_null,
    record,
    ref,
    text,
)
from agent.tools.parsers.terminal import COLUMNS, ROWS

PNG = "image/png"
QUERY = (
    in_query("offset", "from which byte on", between(0, 1 << 62)),
    in_query(
        "wait",
        "how many seconds to wait for something new, in JSON",
        between(0, 60),
    ),
    in_query("follow", "go on until the host is deleted, with `Accept: text/plain`", boolean()),
    in_query("screen", f"what a terminal of {COLUMNS} by {ROWS} shows now", boolean()),
)
_BYTES = integer(minimum=0)
_NEXT = integer("where what follows begins", minimum=0)

SCHEMAS: Json = {
    "Piece": record(
        {
            "offset": integer("where it begins, in bytes", minimum=0),
            "next": _NEXT,
            "text": text("what is not UTF-8 is replaced"),
        }
    ),
    "Terminal": record(
        {
            "columns": integer(),
            "rows": integer(),
            "lines": array(text(), "one a row, without the blanks at its end"),
            "cursor": or_null(
                record({"row": between(0, ROWS - 1), "column": between(0, COLUMNS - 1)}),
                "null while it is hidden",
            ),
            "next": _NEXT,
        },
        description="what a terminal shows, with `screen=true`",
    ),
    "Usage": record(
        {
            "cpu_seconds": number("processor time, of all its processors", minimum=0),
            "memory_bytes": integer("memory of the hypervisor that it has now", minimum=0),
            "disks": array(
                record({"target": text(), "read_bytes": _BYTES, "written_bytes": _BYTES}),
                "CD-ROM drives as well",
            ),
            "interfaces": array(
                record({"mac": text(), "received_bytes": _BYTES, "sent_bytes": _BYTES})
            ),
        },
        description="since the host was started",
    ),
}

METHODS = [
    read(
        "GET /hosts/{name}/console",
        "getConsole",
        "Show what a host's serial console printed.",
        {
            JSON: {"schema": {"anyOf": [ref("Piece"), ref("Terminal")]}},
            "text/plain": {"schema": text()},
        },
        HOST_IN_PATH,
        *QUERY,
        description="In JSON one piece; ask for the next with its `next` as `offset`. With"
        " `Accept: text/plain` all there is as text, and with `follow=true` what comes, until"
        " the host is deleted. `follow` goes with `Accept: text/plain` only. With `screen=true`,"
        " which goes with none of the others, what a terminal shows after all of it.",
    ),
    read(
        "GET /hosts/{name}/screen",
        "getScreen",
        "Show a picture of a host's screen.",
        {PNG: {"schema": text(format="binary")}},
        HOST_IN_PATH,
        errors=(409,),
    ),
    read(
        "GET /hosts/{name}/usage",
        "getUsage",
        "Show what a host that runs has used.",
        one("Usage"),
        HOST_IN_PATH,
        errors=(409,),
    ),
]
