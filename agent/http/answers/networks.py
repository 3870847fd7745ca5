"""What answers about networks hold."""

from agent.http.answers.values import (
    TEXT,
    TEXT_OR_NULL,
    UUID,
    YES_OR_NO,
    Schema,
    array,
    record,
    said,
)

_NETWORK_ROW = {
    "name": said("the libvirt network's name", TEXT),
    "state": {"enum": ["active", "inactive"]},
    "autostart": said("whether it starts with the hypervisor", YES_OR_NO),
    "persistent": said("whether it is there after a reboot", YES_OR_NO),
}

SCHEMAS: dict[str, Schema] = {
    "NetworkRow": record(_NETWORK_ROW),
    "Network": record(
        {
            **_NETWORK_ROW,
            "id": said("the libvirt UUID", UUID),
            "bridge": TEXT_OR_NULL,
            "vlan": {"type": ["integer", "null"]},
            "ports": said(
                "the cards that are on it now",
                array(record({"host": TEXT, "mac": TEXT, "port": TEXT_OR_NULL})),
            ),
        }
    ),
    "NetworkDeleted": record({"id": UUID, "name": TEXT}),
}
