"""What the body of a new host may hold."""

import copy
from dataclasses import dataclass
from typing import Any

from agent.http.schemas.install_texts import CMDLINE, LOCATION, MOST_CMDLINE_BYTES
from agent.http.schemas.validator import refused

MOST_DISKS = 64
MOST_NETWORKS = 24
# The largest qcow2 image that QEMU makes with its usual clusters: 2 PiB.
MOST_DISK_GIB = 1 << 21
# Beyond it x86 needs an interrupt controller that an unknown guest may not drive.
MOST_VCPUS = 255
# libvirt counts KiB in 64 bits, of which it leaves some to itself: 8 EiB.
MOST_MEMORY_MIB = (1 << 43) - 1


@dataclass(frozen=True, slots=True)
class HostLimits:
    """The most that one new host may have; 0 for no limit but what can be at all.

    memory: MiB. disk_gb: GiB of each disk. total_gb: GiB of all its disks together.
    """

    memory: int = 0
    vcpus: int = 0
    disks: int = 0
    disk_gb: int = 0
    total_gb: int = 0


UNLIMITED = HostLimits()

_UNLESS_INSTALL = 'goes with "install": true only'
_UNLESS_LOCATION = "goes with a location only: a network boot brings its own kernel parameters"

HOST: dict[str, Any] = {
    "type": "object",
    "required": ["memory", "disks", "networks"],
    "additionalProperties": False,
    "properties": {
        "memory": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_MEMORY_MIB,
            "description": "MB (of 2^20 bytes)",
        },
        "disks": {
            "type": "array",
            "maxItems": MOST_DISKS,
            "items": {"type": "integer", "minimum": 1, "maximum": MOST_DISK_GIB},
            "description": "GB (of 2^30 bytes) each, sda first; [] for none",
        },
        "networks": {
            "type": "array",
            "maxItems": MOST_NETWORKS,
            "items": {"type": "string"},
            "description": "names of networks, one card each; [] for none",
        },
        "install": {
            "type": "boolean",
            "description": "whether to install an operating system over the network; without a"
            " location the host boots from its first network",
        },
        "location": {
            "type": "string",
            "maxLength": 2048,
            "pattern": LOCATION,
            "description": "with install: the URL of an install tree, http, https or ftp",
        },
        "cmdline": {
            "type": "string",
            "maxLength": MOST_CMDLINE_BYTES,
            "pattern": CMDLINE,
            "description": "with a location: kernel parameters of the installer, at most"
            f" {MOST_CMDLINE_BYTES} bytes",
        },
        "console": {
            "type": "boolean",
            "description": "with a location: whether to point the installer at the serial console",
        },
        "vcpus": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_VCPUS,
            "description": "virtual processors, 1 by default",
        },
        "autostart": {
            "type": "boolean",
            "description": "whether it starts with the hypervisor, false by default",
        },
    },
    "if": {"properties": {"install": {"const": True}}, "required": ["install"]},
    "then": {
        "if": {"not": {"required": ["location"]}},
        "then": {
            "properties": {
                "cmdline": refused(_UNLESS_LOCATION),
                "console": refused(_UNLESS_LOCATION),
                "networks": refused(
                    "an install without a location boots from a network; name one", minItems=1
                ),
            }
        },
    },
    "else": {
        "properties": {
            "location": refused(_UNLESS_INSTALL),
            "cmdline": refused(_UNLESS_INSTALL),
            "console": refused(_UNLESS_INSTALL),
        }
    },
}


def host_schema(limits: HostLimits) -> dict[str, Any]:
    """The schema of a new host within limits, as far as a schema can say them."""
    schema = copy.deepcopy(HOST)
    properties = schema["properties"]
    disks = properties["disks"]
    for place, keyword, most in (
        (properties["memory"], "maximum", limits.memory),
        (properties["vcpus"], "maximum", limits.vcpus),
        (disks, "maxItems", limits.disks),
        (disks["items"], "maximum", limits.disk_gb),
        (disks["items"], "maximum", limits.total_gb),
    ):
        if most:
            place[keyword] = min(most, place[keyword])
    return schema
