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
    in_query("offset", "the first byte to return", between(0, 1 << 62)),
    in_query("wait", "how many seconds to wait for further output, in JSON", between(0, 60)),
    in_query("follow", "continue until the host is deleted, with `Accept: text/plain`", boolean()),
    in_query("screen", f"return what a terminal of {COLUMNS} by {ROWS} shows now", boolean()),
)
_BYTES = integer(minimum=0)
_NEXT = integer("the offset of further output", minimum=0)

SCHEMAS: Json = {
    "Piece": record(
        {
            "offset": integer("the offset of its first byte", minimum=0),
            "next": _NEXT,
            "text": text("bytes that are not UTF-8 are replaced"),
        }
    ),
    "Terminal": record(
        {
            "columns": integer(),
            "rows": integer(),
            "lines": array(text(), "one per row, without trailing blanks"),
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
            "cpu_seconds": number("processor time of all its processors and of QEMU", minimum=0),
            "memory_bytes": integer("memory of the hypervisor that it occupies now", minimum=0),
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
        "Show the output of a host's serial console.",
        {
            JSON: {"schema": {"anyOf": [ref("Piece"), ref("Terminal")]}},
            "text/plain": {"schema": text()},
        },
        HOST_IN_PATH,
        *QUERY,
        description="In JSON, one piece of at most 64 KiB; pass its `next` as `offset` for the"
        " next one. With `Accept: text/plain`, all output as text, and with `follow=true` further"
        " output until the host is deleted. `follow` requires `Accept: text/plain`. With"
        " `screen=true`, which excludes the other parameters, what a terminal shows now.",
    ),
    read(
        "GET /hosts/{name}/screen",
        "getScreen",
        "Return a screenshot of a host.",
        {PNG: {"schema": text(format="binary")}},
        HOST_IN_PATH,
        errors=(409,),
    ),
    read(
        "GET /hosts/{name}/usage",
        "getUsage",
        "Show the resource usage of a running host.",
        one("Usage"),
        HOST_IN_PATH,
        errors=(409,),
    ),
]
