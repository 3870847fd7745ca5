"""What the body of a new network may hold."""

from typing import Any

NETWORK: dict[str, Any] = {
    "type": "object",
    "required": ["bridge", "vlan"],
    "additionalProperties": False,
    "properties": {
        # An Open vSwitch bridge is a network device: 15 characters.
        "bridge": {
            "type": "string",
            "pattern": r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$",
            "description": "an Open vSwitch bridge that is there",
        },
        "vlan": {
            "type": "integer",
            "minimum": 1,
            "maximum": 4094,
            "description": "the tag of the access ports",
        },
    },
}
