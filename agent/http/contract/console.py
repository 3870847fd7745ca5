"""A host's serial console: what an answer about it holds, and its method."""

from agent.http.contract.hosts import HOST_IN_PATH
from agent.http.contract.methods import in_query, one, read
from agent.http.contract.values import Json, between, boolean, integer, record, text

QUERY = (
    in_query("offset", "from which byte on", between(0, 1 << 62)),
    in_query(
        "wait",
        "how many seconds to wait for something new, in JSON",
        between(0, 60),
    ),
    in_query("follow", "go on until the host is deleted, with `Accept: text/plain`", boolean()),
)

SCHEMAS: Json = {
    "Piece": record(
        {
            "offset": integer("where it begins, in bytes", minimum=0),
            "next": integer("where what follows begins", minimum=0),
            "text": text("what is not UTF-8 is replaced"),
        }
    ),
}

METHODS = [
    read(
        "GET /hosts/{name}/console",
        "getConsole",
        "Show what a host's serial console printed.",
        {**one("Piece"), "text/plain": {"schema": text()}},
        HOST_IN_PATH,
        *QUERY,
        description="In JSON one piece; ask for the next with its `next` as `offset`. With"
        " `Accept: text/plain` all there is as text, and with `follow=true` what comes, until"
        " the host is deleted. `follow` goes with `Accept: text/plain` only.",
    )
]
