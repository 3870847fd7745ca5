"""What answers about changes hold: plans, operations, and how far they came."""

from agent.http.answers.values import (
    COUNT,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    UUID,
    Schema,
    array,
    record,
    ref,
    said,
)
from agent.operations.operation import STATUSES

_COMMAND = {
    "argv": array(TEXT),
    "stdin": TEXT_OR_NULL,
    "shell": said("the command as a line to paste", TEXT),
}
_RUN = record(
    {
        "step": said("of the plan, from 0", COUNT),
        "undo": said("whether it took the step back", {"type": "boolean"}),
        **_COMMAND,
        "began": TIME,
        "seconds": NUMBER_OR_NULL,
        "exit_code": said(
            "negative for a signal; null while it runs, or killed", {"type": ["integer", "null"]}
        ),
        "ok": said(
            "whether it did what it was for, or found it done", {"type": ["boolean", "null"]}
        ),
        "stdout": TEXT_OR_NULL,
        "stderr": TEXT_OR_NULL,
        "error": said("why it did not end by itself", TEXT_OR_NULL),
    }
)
_OPERATION_ROW = {
    "id": UUID,
    "number": said("its place in the journal", {"type": "integer", "minimum": 1}),
    "does": said("what it does, in a few words", TEXT),
    "host": said("the host that it is about", TEXT_OR_NULL),
    "network": said("or the network", TEXT_OR_NULL),
    "status": {"enum": list(STATUSES)},
    "began": TIME,
    "ended": TIME_OR_NULL,
    "steps": said("of the plan", COUNT),
    "steps_done": COUNT,
    "undo_commands": said("how many were run", COUNT),
    "request": record(
        {
            "method": TEXT,
            "path": TEXT,
            "body": said("as its client sent it", {}),
            "request_id": TEXT,
            "client": said("the address", TEXT_OR_NULL),
        }
    ),
    "error": said(
        "as its client was told",
        {"type": ["object", "null"]},
    ),
}

SCHEMAS: dict[str, Schema] = {
    "Done": said(
        "a change that is done, and could not be shown",
        record({"name": TEXT, "operation": UUID}),
    ),
    "Command": record(
        {
            **_COMMAND,
            "tolerates": said("texts on stderr that say that nothing was left to do", array(TEXT)),
        }
    ),
    "Plan": record(
        {
            "does": said("what the change is, in a few words", TEXT),
            "steps": array(
                record(
                    {
                        "does": TEXT,
                        "command": ref("Command"),
                        "undo": said("what takes the step back", array(ref("Command"))),
                    }
                )
            ),
            "install": said(
                "what goes on after it",
                {
                    "anyOf": [
                        record({"host": TEXT, "domain": UUID, "location": TEXT_OR_NULL}),
                        {"type": "null"},
                    ]
                },
            ),
            "leave": said("whether a crash leaves it as it is", {"type": "boolean"}),
        }
    ),
    "OperationRow": record(_OPERATION_ROW),
    "Operation": record(
        {**_OPERATION_ROW, "plan": ref("Plan"), "commands": said("what was run", array(_RUN))},
        {"phase": said("what virt-install says that it is at", TEXT_OR_NULL)},
    ),
    "OperationBegun": {
        "anyOf": [
            ref("Operation"),
            said("one that the journal does not show now", record({"id": UUID})),
        ]
    },
}
