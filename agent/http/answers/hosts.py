"""What answers about hosts hold."""

from agent.http.answers.values import (
    INTEGER,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    UUID,
    Schema,
    array,
    or_null,
    record,
    said,
)
from agent.tools.parsers.virsh import STATES

_HOST_ROW = {
    "id": said("the libvirt UUID", UUID),
    "name": said("the libvirt domain's name", TEXT),
    "state": said("virsh's word", {"enum": list(STATES)}),
}
_DISK = record(
    {
        "target": said("sda and so on", TEXT),
        "size": said("GB (of 2^30 bytes)", NUMBER_OR_NULL),
        "pool": TEXT_OR_NULL,
        "volume": TEXT_OR_NULL,
    }
)
_INTERFACE = record(
    {
        "mac": TEXT,
        "network": TEXT_OR_NULL,
        "bridge": TEXT_OR_NULL,
        "vlan": {"type": ["integer", "null"]},
        "port": said("its name on the bridge", TEXT_OR_NULL),
    }
)
_INSTALL = record(
    {
        "state": {"enum": ["running", "done", "failed"]},
        "started": TIME,
        "finished": TIME_OR_NULL,
        "location": TEXT_OR_NULL,
        "reason": said("why it failed", TEXT_OR_NULL),
    }
)

SCHEMAS: dict[str, Schema] = {
    "HostRow": record(_HOST_ROW),
    "Host": record(
        {
            **_HOST_ROW,
            "memory": said("MB (of 2^20 bytes)", INTEGER),
            "vcpus": INTEGER,
            "autostart": said("whether it starts with the hypervisor", {"type": "boolean"}),
            "disks": array(_DISK),
            "interfaces": array(_INTERFACE),
            "install": said(
                "null for a host that was not installed over the network", or_null("Install")
            ),
        }
    ),
    "Install": _INSTALL,
    "HostDeleted": record(
        {
            "id": UUID,
            "name": TEXT,
            "deleted": said("the volumes that went with it", array(TEXT)),
            "kept": said(
                "disks that are not the agent's to delete",
                array(record({"target": TEXT_OR_NULL, "disk": TEXT, "reason": TEXT})),
            ),
        }
    ),
}
