"""What answers hold, as JSON Schema, for the OpenAPI document."""

from typing import Any

from agent.journal import STATUSES
from agent.parsers.virsh import STATES

_Schema = dict[str, Any]


def _object(required: _Schema, optional: _Schema | None = None) -> _Schema:
    """An object of exactly these fields. required: those that are always there."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
        "additionalProperties": False,
    }


def _array(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _said(description: str, schema: _Schema) -> _Schema:
    return {**schema, "description": description}


def ref(name: str) -> _Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(name: str) -> _Schema:
    return {"anyOf": [ref(name), {"type": "null"}]}


_TEXT: _Schema = {"type": "string"}
_TEXT_OR_NULL: _Schema = {"type": ["string", "null"]}
_INTEGER: _Schema = {"type": "integer"}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_NUMBER_OR_NULL: _Schema = {"type": ["number", "null"]}
_UUID: _Schema = {"type": "string", "format": "uuid"}
_YES_OR_NO: _Schema = {"enum": ["yes", "no"]}
_TIME: _Schema = {"type": "number", "description": "seconds since 1970"}
_TIME_OR_NULL: _Schema = {"type": ["number", "null"], "description": "seconds since 1970"}

_HOST_ROW = {
    "id": _said("the libvirt UUID", _UUID),
    "name": _said("the libvirt domain's name", _TEXT),
    "state": _said("virsh's word", {"enum": list(STATES)}),
}
_NETWORK_ROW = {
    "name": _said("the libvirt network's name", _TEXT),
    "state": {"enum": ["active", "inactive"]},
    "autostart": _said("whether it starts with the hypervisor", _YES_OR_NO),
    "persistent": _said("whether it is there after a reboot", _YES_OR_NO),
}
_DISK = _object(
    {
        "target": _said("sda and so on", _TEXT),
        "size": _said("GB (of 2^30 bytes)", _NUMBER_OR_NULL),
        "pool": _TEXT_OR_NULL,
        "volume": _TEXT_OR_NULL,
    }
)
_INTERFACE = _object(
    {
        "mac": _TEXT,
        "network": _TEXT_OR_NULL,
        "bridge": _TEXT_OR_NULL,
        "vlan": {"type": ["integer", "null"]},
        "port": _said("its name on the bridge", _TEXT_OR_NULL),
    }
)
_INSTALL = _object(
    {
        "state": {"enum": ["running", "done", "failed"]},
        "started": _TIME,
        "finished": _TIME_OR_NULL,
        "location": _TEXT_OR_NULL,
        "reason": _said("why it failed", _TEXT_OR_NULL),
    }
)
_COMMAND = {
    "argv": _array(_TEXT),
    "stdin": _TEXT_OR_NULL,
    "shell": _said("the command as a line to paste", _TEXT),
}
_RUN = _object(
    {
        "step": _said("of the plan, from 0", _COUNT),
        "undo": _said("whether it took the step back", {"type": "boolean"}),
        **_COMMAND,
        "began": _TIME,
        "seconds": _NUMBER_OR_NULL,
        "exit_code": _said(
            "negative for a signal; null while it runs, or killed", {"type": ["integer", "null"]}
        ),
        "ok": _said(
            "whether it did what it was for, or found it done", {"type": ["boolean", "null"]}
        ),
        "stdout": _TEXT_OR_NULL,
        "stderr": _TEXT_OR_NULL,
        "error": _said("why it did not end by itself", _TEXT_OR_NULL),
    }
)
_OPERATION_ROW = {
    "id": _UUID,
    "number": _said("its place in the journal", {"type": "integer", "minimum": 1}),
    "does": _said("what it does, in a few words", _TEXT),
    "host": _said("the host that it is about", _TEXT_OR_NULL),
    "network": _said("or the network", _TEXT_OR_NULL),
    "status": {"enum": list(STATUSES)},
    "began": _TIME,
    "ended": _TIME_OR_NULL,
    "steps": _said("of the plan", _COUNT),
    "steps_done": _COUNT,
    "undo_commands": _said("how many were run", _COUNT),
    "request": _object(
        {
            "method": _TEXT,
            "path": _TEXT,
            "body": _said("as its client sent it", {}),
            "request_id": _TEXT,
            "client": _said("the address", _TEXT_OR_NULL),
        }
    ),
    "error": _said(
        "as its client was told; `kept` names volumes that a recovery found to be somebody else's",
        {"type": ["object", "null"]},
    ),
}
_PROBLEM_FACTS = {
    "errors": _said(
        "400: every field that was wrong", _array(_object({"field": _TEXT, "detail": _TEXT}))
    ),
    "command": _said("the command that failed, ready to paste", _TEXT),
    "exit_code": _said(
        "its exit code, negative for a signal, null when it did not run or was killed",
        {"type": ["integer", "null"]},
    ),
    "stderr": _said("what it said there", _TEXT),
    "operation": _said("the id that the log and the journal have the change under", _UUID),
    "held_by": _said("409: the operation that is at work on the name", _TEXT),
    "left_behind": _said("commands that still have to be run", _array(_TEXT)),
}
_PART = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ok", "failing"]},
        "detail": _said("why it is failing", _TEXT),
        "version": _TEXT_OR_NULL,
        "name": _TEXT,
        "capacity_bytes": _COUNT,
        "available_bytes": _COUNT,
        "unsettled": _said("operations that did not come to an end yet", _array(_TEXT)),
        "command": _TEXT,
        "exit_code": {"type": ["integer", "null"]},
        "stderr": _TEXT,
    },
}

SCHEMAS: dict[str, _Schema] = {
    "HostRow": _object(_HOST_ROW),
    "Host": _object(
        {
            **_HOST_ROW,
            "memory": _said("MB (of 2^20 bytes)", _INTEGER),
            "vcpus": _INTEGER,
            "autostart": _said("whether it starts with the hypervisor", {"type": "boolean"}),
            "disks": _array(_DISK),
            "interfaces": _array(_INTERFACE),
            "install": _said(
                "null for a host that was not installed over the network", _or_null("Install")
            ),
        }
    ),
    "Install": _INSTALL,
    "HostDeleted": _object(
        {
            "id": _UUID,
            "name": _TEXT,
            "deleted": _said("the volumes that went with it", _array(_TEXT)),
            "kept": _said(
                "disks that are not the agent's to delete",
                _array(_object({"target": _TEXT_OR_NULL, "disk": _TEXT, "reason": _TEXT})),
            ),
        }
    ),
    "NetworkRow": _object(_NETWORK_ROW),
    "Network": _object(
        {
            **_NETWORK_ROW,
            "id": _said("the libvirt UUID", _UUID),
            "bridge": _TEXT_OR_NULL,
            "vlan": {"type": ["integer", "null"]},
            "ports": _said(
                "the cards that are on it now",
                _array(_object({"host": _TEXT, "mac": _TEXT, "port": _TEXT_OR_NULL})),
            ),
        }
    ),
    "NetworkDeleted": _object({"id": _UUID, "name": _TEXT}),
    "Done": _said(
        "a change that is done, and could not be shown",
        _object({"name": _TEXT, "operation": _UUID}),
    ),
    "Command": _object(
        {
            **_COMMAND,
            "tolerates": _said(
                "texts on stderr that say that nothing was left to do", _array(_TEXT)
            ),
        }
    ),
    "Plan": _object(
        {
            "does": _said("what the change is, in a few words", _TEXT),
            "steps": _array(
                _object(
                    {
                        "does": _TEXT,
                        "command": ref("Command"),
                        "undo": _said("what takes the step back", _array(ref("Command"))),
                        "taken": _said(
                            "texts on stderr that say that the name is somebody else's",
                            _array(_TEXT),
                        ),
                    }
                )
            ),
            "install": _said(
                "what goes on after it",
                {
                    "anyOf": [
                        _object({"host": _TEXT, "domain": _UUID, "location": _TEXT_OR_NULL}),
                        {"type": "null"},
                    ]
                },
            ),
            "leave": _said("whether a crash leaves it as it is", {"type": "boolean"}),
        }
    ),
    "OperationRow": _object(_OPERATION_ROW),
    "Operation": _object(
        {**_OPERATION_ROW, "plan": ref("Plan"), "commands": _said("what was run", _array(_RUN))},
        {"phase": _said("what virt-install says that it is at", _TEXT_OR_NULL)},
    ),
    "OperationBegun": {
        "anyOf": [
            ref("Operation"),
            _said("one that the journal does not show now", _object({"id": _UUID})),
        ]
    },
    "Piece": _object(
        {
            "offset": _said("where it begins, in bytes", _COUNT),
            "next": _said("where what follows begins", _COUNT),
            "text": _said("what is not UTF-8 is replaced", _TEXT),
        }
    ),
    "Health": _object(
        {
            "status": {"enum": ["ok", "failing"]},
            "libvirt": _PART,
            "pool": _PART,
            "openvswitch": _PART,
            "journal": _PART,
        }
    ),
    "Problem": {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": _said("the status in words", _TEXT),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _said("what was wrong, for a person", _TEXT),
            **_PROBLEM_FACTS,
        },
        "description": "RFC 9457",
    },
}
