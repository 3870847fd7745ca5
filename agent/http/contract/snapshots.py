"""Snapshots of hosts: what answers about them hold, and their methods."""

from agent.errors import FieldError
from agent.http.contract.hosts import HOST_IN_PATH
from agent.http.contract.methods import change, in_path, many, one, read
from agent.http.contract.names import NETWORK_NAME, NETWORK_WORDS, name_errors
from agent.http.contract.validator import refuse
from agent.http.contract.values import Json, enum, record, text, time
from agent.tools.parsers.virsh import STATES

SCHEMAS: Json = {
    "Snapshot": record(
        {
            "name": text(),
            "state": enum(
                (*STATES, "disk-snapshot"),
                "the host's state at that time, as virsh prints it; disk-snapshot for an external"
                " one of its disks only",
            ),
            "created": time(),
        }
    ),
    "SnapshotDeleted": record({"host": text(), "name": text()}),
}

_IN_PATH = (HOST_IN_PATH, in_path("snapshot", "the snapshot's name", example="clean"))
_PATH = "/hosts/{name}/snapshots/{snapshot}"

METHODS = [
    read(
        "GET /hosts/{name}/snapshots",
        "listSnapshots",
        "List a host's snapshots, oldest first.",
        many("Snapshot"),
        HOST_IN_PATH,
    ),
    read(f"GET {_PATH}", "getSnapshot", "Show a snapshot.", one("Snapshot"), *_IN_PATH),
    change(
        f"POST {_PATH}",
        "createSnapshot",
        "Create a snapshot of a host's disks, and of its memory if it is running.",
        "Snapshot",
        HOST_IN_PATH,
        in_path("snapshot", "the new snapshot's name", schema=NETWORK_NAME, example="clean"),
        part=True,
        description="Its disks must be qcow2 volumes created for it, and its drive empty.",
    ),
    change(
        f"PUT {_PATH}/revert",
        "revertSnapshot",
        "Revert a host to a snapshot: disks, definition, and memory if it was running.",
        "Host",
        *_IN_PATH,
        description="A running host is stopped first.",
    ),
    change(f"DELETE {_PATH}", "deleteSnapshot", "Delete a snapshot.", "SnapshotDeleted", *_IN_PATH),
]


def see_name(name: str) -> None:
    """Raise InvalidRequest unless a snapshot may have that name."""
    errors = name_errors(name, NETWORK_NAME, NETWORK_WORDS)
    refuse([FieldError("snapshot", error.detail) for error in errors])
