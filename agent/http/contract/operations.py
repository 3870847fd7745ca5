"""Operations in the journal, and the plans that they carry out: what answers hold, and methods."""

from agent.http.contract import values as v
from agent.http.contract.methods import TEXT_OF_SCRIPT, in_path, in_query, many, one, read
from agent.operations.operation import STATUSES

QUERY = (
    in_query("host", "only those of this host", v.text()),
    in_query("network", "only those of this network", v.text()),
    in_query("status", "only those with this status", v.text(enum=list(STATUSES))),
    in_query("before", "only those with a lower `number`", v.between(1, 1 << 62)),
    in_query("limit", "at most so many, 50 by default", v.between(1, 500)),
)

_COMMAND = {
    "argv": v.array(v.text()),
    "stdin": v.text(null=True),
    "shell": v.text("the command as a line to paste"),
}
_STEP = {
    "does": v.text(),
    "command": v.ref("Command"),
    "undo": v.array(v.ref("Command"), "the commands that undo the step"),
}
_INSTALL = {
    "host": v.text(),
    "domain": v.uuid(),
    "location": v.text(null=True),
    "after_install": v.enum(["start", "off"], "whether the host is started after it"),
    "override": v.boolean("whether it is a boot override instead of an installer"),
}
_RUN = {
    "step": v.integer("of the plan, from 0", minimum=0),
    "undo": v.boolean("whether it is an undo of the step"),
    **_COMMAND,
    "began": v.time(),
    "seconds": v.number(null=True),
    "exit_code": v.integer("negative for a signal; null while it runs, or killed", null=True),
    "ok": v.boolean("whether it succeeded, or had nothing left to do", null=True),
    "stdout": v.text(null=True),
    "stderr": v.text(null=True),
    "error": v.text("why it did not exit by itself", null=True),
}
_REQUEST = {
    "method": v.text(),
    "path": v.text(),
    "body": {"description": "as the client sent it"},
    "request_id": v.text(),
    "client": v.text("the address", null=True),
}
_ROW = {
    "id": v.uuid(),
    "number": v.integer("its place in the journal", minimum=1),
    "does": v.text("a short description"),
    "host": v.text("the host that it changes", null=True),
    "network": v.text("the network that it changes", null=True),
    "status": v.enum(STATUSES),
    "began": v.time(),
    "ended": v.time(null=True),
    "steps": v.integer("of the plan", minimum=0),
    "steps_done": v.integer(minimum=0),
    "undo_commands": v.integer("how many undo commands were run", minimum=0),
    "request": v.record(_REQUEST),
    "error": {
        "type": ["object", "null"],
        "description": "the error as the client received it",
    },
}

SCHEMAS: v.Json = {
    "Done": v.record(
        {"name": v.text(), "operation": v.uuid()},
        description="a change that is done, but whose result could not be read",
    ),
    "Command": v.record(
        {
            **_COMMAND,
            "tolerates": v.array(v.text(), "texts on stderr that mean that nothing was left to do"),
            "expects": v.text("what it prints if it succeeded", null=True),
        }
    ),
    "Plan": v.record(
        {
            "does": v.text("a short description"),
            "steps": v.array(v.record(_STEP)),
            "install": v.or_null(
                v.record(_INSTALL), "the install that continues after the last step"
            ),
            "leave": v.boolean("whether it is neither completed nor undone after a crash"),
            "once": v.text(
                "a file; while it exists, the script and `replay` refuse to run", null=True
            ),
        }
    ),
    "OperationRow": v.record(_ROW),
    "Operation": v.record(
        {
            **_ROW,
            "plan": v.ref("Plan"),
            "commands": v.array(v.record(_RUN), "the commands that were run"),
        },
        {"phase": v.text("virt-install's phase, or how much of an image is fetched", null=True)},
    ),
    "OperationBegun": {
        "anyOf": [
            v.ref("Operation"),
            v.record({"id": v.uuid()}, description="if the journal cannot be read at present"),
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
