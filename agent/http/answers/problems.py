"""What a problem document holds."""

from agent.http.answers.values import TEXT, UUID, Schema, array, record, said

_PROBLEM_FACTS = {
    "errors": said(
        "400: every field that was wrong", array(record({"field": TEXT, "detail": TEXT}))
    ),
    "command": said("the command that failed, ready to paste", TEXT),
    "exit_code": said(
        "its exit code, negative for a signal, null when it did not run or was killed",
        {"type": ["integer", "null"]},
    ),
    "stderr": said("what it said there", TEXT),
    "operation": said("the id that the log and the journal have the change under", UUID),
    "held_by": said("409: the operation that is at work on the name", TEXT),
    "left_behind": said("commands that still have to be run", array(TEXT)),
}

SCHEMAS: dict[str, Schema] = {
    "Problem": {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": said("the status in words", TEXT),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": said("what was wrong, for a person", TEXT),
            **_PROBLEM_FACTS,
        },
        "description": "RFC 9457",
    },
}
