"""Operations in the journal, and the plans that they carry out: what answers hold, and methods."""

from agent.http.contract.methods import TEXT_OF_SCRIPT, in_path, in_query, many, one, read
from agent.http.contract.values import (
    Json,
    array,
    between,
    boolean,
    enum,
    integer,
    number,
    or_null,
    record,
    ref,
    text,
    time,
    uuid,
)
from agent.operations.operation import STATUSES

QUERY = (
    in_query("host", "only those about this host", text()),
    in_query("network", "only those about this network", text()),
    in_query("status", "only those of this status", text(enum=list(STATUSES))),
    in_query("before", "only those of a lower `number`", between(1, 1 << 62)),
    in_query("limit", "how many at most, 50 by default", between(1, 500)),
)

_COMMAND = {
    "argv": array(text()),
    "stdin": text(null=True),
    "shell": text("the command as a line to paste"),
}
_STEP = {
    "does": text(),
    "command": ref("Command"),
    "undo": array(ref("Command"), "what takes the step back"),
}
_INSTALL = {"host": text(), "domain": uuid(), "location": text(null=True)}
_RUN = {
    "step": integer("of the plan, from 0", minimum=0),
    "undo": boolean("whether it took the step back"),
    **_COMMAND,
    "began": time(),
    "seconds": number(null=True),
    "exit_code": integer("negative for a signal; null while it runs, or killed", null=True),
    "ok": boolean("whether it did its work, or found it done", null=True),
    "stdout": text(null=True),
    "stderr": text(null=True),
    "error": text("why it did not exit by itself", null=True),
}
_REQUEST = {
    "method": text(),
    "path": text(),
    "body": {"description": "as its client sent it"},
    "request_id": text(),
    "client": text("the address", null=True),
}
_ROW = {
    "id": uuid(),
    "number": integer("its place in the journal", minimum=1),
    "does": text("what it does, in a few words"),
    "host": text("the host that it is about", null=True),
    "network": text("the network that it is about", null=True),
    "status": enum(STATUSES),
    "began": time(),
    "ended": time(null=True),
    "steps": integer("of the plan", minimum=0),
    "steps_done": integer(minimum=0),
    "undo_commands": integer("how many were run", minimum=0),
    "request": record(_REQUEST),
    "error": {
        "type": ["object", "null"],
        "description": "as its client was told",
    },
}

SCHEMAS: Json = {
    "Done": record(
        {"name": text(), "operation": uuid()},
        description="a change that is done, whose result could not be read",
    ),
    "Command": record(
        {
            **_COMMAND,
            "tolerates": array(text(), "texts on stderr that say that nothing was left to do"),
        }
    ),
    "Plan": record(
        {
            "does": text("what the change is, in a few words"),
            "steps": array(record(_STEP)),
            "install": or_null(record(_INSTALL), "the install that goes on after the last step"),
            "leave": boolean("whether it is left as it is after a crash"),
        }
    ),
    "OperationRow": record(_ROW),
    "Operation": record(
        {
            **_ROW,
            "plan": ref("Plan"),
            "commands": array(record(_RUN), "the commands that were run"),
        },
        {"phase": text("the phase that virt-install reports", null=True)},
    ),
    "OperationBegun": {
        "anyOf": [
            ref("Operation"),
            record({"id": uuid()}, description="one that the journal cannot show at present"),
        ]
    },
}

METHODS = [
    read(
        "GET /operations",
        "listOperations",
        "List changes, newest first.",
        many("OperationRow"),
        *QUERY,
    ),
    read(
        "GET /operations/{operation}",
        "getOperation",
        "Show a change with every command.",
        {**one("Operation"), **TEXT_OF_SCRIPT},
        in_path("operation", "the operation's id", example="0b4f5f0e-6f0c-4a5d-8f1e-3a1d6c1f7b11"),
    ),
]
