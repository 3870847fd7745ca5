"""What an answer about the agent's health holds."""

from agent.http.answers.values import COUNT, TEXT, TEXT_OR_NULL, Schema, array, record, said

_PART = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ok", "failing"]},
        "detail": said("why it is failing", TEXT),
        "version": TEXT_OR_NULL,
        "name": TEXT,
        "capacity_bytes": COUNT,
        "available_bytes": COUNT,
        "unsettled": said("operations that did not come to an end yet", array(TEXT)),
        "command": TEXT,
        "exit_code": {"type": ["integer", "null"]},
        "stderr": TEXT,
    },
}

SCHEMAS: dict[str, Schema] = {
    "Health": record(
        {
            "status": {"enum": ["ok", "failing"]},
            "libvirt": _PART,
            "pool": _PART,
            "openvswitch": _PART,
            "journal": _PART,
        }
    ),
}
