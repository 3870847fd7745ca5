"""Hosts: the body that makes one, what answers about them hold, and their methods."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from agent.config import Config
from agent.errors import FieldError
from agent.http.contract import values as v
from agent.http.contract.install_texts import (
    CMDLINE,
    IMAGE,
    LOCATION,
    MOST_CMDLINE_BYTES,
    text_errors,
    with_plain_scheme,
)
from agent.http.contract.methods import body, change, in_path, link, many, one, read
from agent.http.contract.names import HOST_NAME, name_errors
from agent.http.contract.validator import check, plain, refuse, refused, schema_errors
from agent.plans.cards import Card
from agent.plans.hosts import HostRequest
from agent.plans.installs import InstallRequest
from agent.plans.power import VERBS
from agent.tools.parsers.virsh import STATES

MOST_DISKS = 64
MOST_NETWORKS = 24
# The largest qcow2 image that QEMU makes with its usual clusters: 2 PiB.
MOST_DISK_GIB = 1 << 21
# Beyond it x86 needs an interrupt controller that an unknown guest may not drive.
MOST_VCPUS = 255
# libvirt counts KiB in 64 bits, of which it leaves some to itself: 8 EiB.
MOST_MEMORY_MIB = (1 << 43) - 1


BOOT = ("disk", "network", "cdrom")
_UNICAST = "[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}"
# A network's name, or an object. Only libvirt's own domains may have fe first; 0 is no address.
_CARD: v.Json = {
    "type": ["string", "object"],
    "required": ["network"],
    "properties": {
        "network": v.text("the network's name"),
        "mac": {
            **v.text("derived from the host's name and the card's index by default"),
            **refused(
                "it is not a unicast MAC such as 02:00:00:00:00:01, or begins with fe",
                pattern=rf"^(?!00:00:00:00:00:00$)(?![Ff][Ee]){_UNICAST}$",
            ),
        },
    },
    "additionalProperties": False,
}
_DEFAULTS = Config()


@cache
def host_schema(config: Config) -> v.Json:
    """The schema of the body that makes a host, with the limits that are configured.

    It cannot say how large the disks may be together.
    """
    fields = v.record(
        {
            "memory": v.between(
                1, _least(config.host_memory, MOST_MEMORY_MIB), "MB (of 2^20 bytes)"
            ),
            "disks": v.array(
                v.between(1, _least(config.host_disk_gb, config.host_total_gb, MOST_DISK_GIB)),
                "GB (of 2^30 bytes) each, sda first; [] for none",
                maxItems=_least(config.host_disks, MOST_DISKS),
            ),
            "networks": v.array(
                _CARD,
                "one item per card: a network's name, or an object with a MAC; [] for none",
                maxItems=MOST_NETWORKS,
            ),
        },
        {
            "install": v.boolean(
                "whether to install an operating system over the network; without a location the"
                " host boots from its first network"
            ),
            **_installer_fields(config),
            "vcpus": v.between(
                1, _least(config.host_vcpus, MOST_VCPUS), "virtual processors, 1 by default"
            ),
            "autostart": v.boolean("whether it starts with the hypervisor, false by default"),
            "boot": v.array(
                v.enum(BOOT),
                "boot order, disk and network by default",
                minItems=1,
                uniqueItems=True,
            ),
            "start": v.boolean("without install: whether to start it, true by default"),
        },
    )
    return {**fields, **_INSTALL_RULES}


def _installer_fields(config: Config) -> v.Json:
    return {
        "location": v.text(
            "with install: the URL of an install tree, http, https or ftp",
            maxLength=2048,
            pattern=LOCATION,
        ),
        "cmdline": v.text(
            "with a location: kernel parameters of the installer, at most"
            f" {MOST_CMDLINE_BYTES} bytes",
            maxLength=MOST_CMDLINE_BYTES,
            pattern=CMDLINE,
        ),
        "console": v.boolean(
            "with a location: whether to direct the installer to the serial console"
        ),
        "after_install": v.enum(
            ["start", "off"],
            "with install: whether to start the host when its installer has ended, or leave it off;"
            f" {config.after_install} by default",
        ),
    }


def _least(*bounds: int) -> int:
    """The lowest of some bounds, of which 0 is none."""
    return min(bound for bound in bounds if bound)


_UNLESS_INSTALL = 'requires "install": true'
_UNLESS_LOCATION = "requires a location: a network boot has its own kernel parameters"
_NETWORK_BOOT = "an install without a location requires a network to boot from"
_OF_INSTALL = ("location", "cmdline", "console", "after_install")
_NOT_STARTED = "cannot be combined with install, which starts the host"
_INSTALL_RULES: v.Json = {
    "if": {"properties": {"install": {"const": True}}, "required": ["install"]},
    "then": {
        "properties": {"start": refused(_NOT_STARTED)},
        "if": {"not": {"required": ["location"]}},
        "then": {
            "properties": {
                "cmdline": refused(_UNLESS_LOCATION),
                "console": refused(_UNLESS_LOCATION),
                "networks": refused(_NETWORK_BOOT, minItems=1),
            }
        },
    },
    "else": {"properties": {name: refused(_UNLESS_INSTALL) for name in _OF_INSTALL}},
}
_EXAMPLE = {"memory": 512, "disks": [8, 20], "networks": ["vlan10"]}

_ROW = {
    "id": v.uuid("the libvirt UUID"),
    "name": v.text("the libvirt domain's name"),
    "state": v.enum(STATES, "as virsh prints it"),
}
_SIZE = {"memory": v.integer("MB (of 2^20 bytes)"), "vcpus": v.integer()}
_DISK = {
    "target": v.text("sda and so on"),
    "size": v.number("GB (of 2^30 bytes)", null=True),
    "pool": v.text(null=True),
    "volume": v.text(null=True),
}
_INTERFACE = {
    "mac": v.text(),
    "network": v.text(null=True),
    "bridge": v.text(null=True),
    "vlan": v.integer("the untagged VLAN", null=True),
    "trunk": v.or_null(v.array(v.integer()), "the tagged VLANs; null for an access port"),
    "port": v.text("its name on the bridge", null=True),
}
_KEPT = {"target": v.text(null=True), "disk": v.text(), "reason": v.text()}

BOOT_REQUEST = v.record({"boot": v.array(v.enum(BOOT), "boot order", minItems=1, uniqueItems=True)})
# libvirt and curl take more, but nobody's server does.
MEDIA_REQUEST = v.record({"image": v.text("an http or https URL", maxLength=2048, pattern=IMAGE)})

# A host among all of them.
SUMMARY: v.Json = {
    **_ROW,
    **_SIZE,
    "interfaces": v.array(v.record(_INTERFACE)),
    "install": v.or_null(v.ref("Install")),
}

SCHEMAS: v.Json = {
    "BootRequest": BOOT_REQUEST,
    "MediaRequest": MEDIA_REQUEST,
    "HostRow": v.record(_ROW),
    "Host": v.record(
        {
            **_ROW,
            **_SIZE,
            "autostart": v.boolean("whether it starts with the hypervisor"),
            "disks": v.array(v.record(_DISK)),
            "interfaces": v.array(v.record(_INTERFACE)),
            "boot": v.array(v.enum(BOOT), "boot order from its next start on"),
            "media": v.or_null(
                v.record({"image": v.text("the URL that it was fetched from", null=True)}),
                "the image in its CD drive; null for an empty one",
            ),
            "install": v.or_null(
                v.ref("Install"),
                "null if it was never installed, nor booted once from the network or its media",
            ),
        }
    ),
    "Install": v.record(
        {
            "state": v.enum(["running", "done", "failed"]),
            "started": v.time(),
            "finished": v.time(null=True),
            "location": v.text(null=True),
            "reason": v.text("why it failed", null=True),
        }
    ),
    "HostDeleted": v.record(
        {
            "id": v.uuid(),
            "name": v.text(),
            "deleted": v.array(v.text(), "the volumes that were deleted"),
            "kept": v.array(v.record(_KEPT), "disks that the agent does not delete"),
        }
    ),
}


def host_request(name: str, given: Any, config: Config = _DEFAULTS) -> HostRequest:
    """Read the body of a POST of a host; raises InvalidRequest that names every field."""
    errors = [*name_errors(name, HOST_NAME, "an RFC 1123 host name")]
    # First, since they say better what is wrong with a text than its pattern does.
    errors += text_errors(given, "location")
    errors += schema_errors(host_schema(config), given)
    disks = given.get("disks") if isinstance(given, dict) else None
    if config.host_total_gb and isinstance(disks, list):
        # Of what is no size of a disk something else is said.
        sizes = [size for size in disks if isinstance(size, int | float)]
        total = int(sum(size for size in sizes if 0 < size <= MOST_DISK_GIB))
        if total > config.host_total_gb:
            most = f"the maximum of {config.host_total_gb} for a host"
            errors.append(FieldError("disks", f"{total} GB together are more than {most}"))
    if not errors:
        errors += _same_macs(given["networks"])
    refuse(errors)
    wanted = plain(given)
    install = _install_request({name: wanted.pop(name) for name in _OF_INSTALL if name in wanted})
    return HostRequest(
        **{
            **wanted,
            "name": name,
            "networks": tuple(map(_card, given["networks"])),
            "install": install if wanted.get("install") else None,
        }
    )


def _card(given: Any) -> Card:
    if isinstance(given, str):
        return Card(given)
    mac = given.get("mac")
    return Card(given["network"], mac and mac.lower())


def _same_macs(networks: list[Any]) -> Iterator[FieldError]:
    """What is wrong with MACs that two cards of a host have."""
    seen: set[str] = set()
    for index, card in enumerate(map(_card, networks)):
        if card.mac in seen:
            yield FieldError(f"networks[{index}].mac", f"another card has {card.mac} as well")
        if card.mac is not None:
            seen.add(card.mac)


def _install_request(given: v.Json) -> InstallRequest:
    return InstallRequest(**{**given, "location": with_plain_scheme(given.get("location"))})


def install_schema(config: Config) -> v.Json:
    """The schema of the body that installs a host again."""
    fields = v.record(
        {},
        {
            **_installer_fields(config),
            "cdrom": v.boolean("without a location: whether to boot from its media"),
        },
        "without location and cdrom, the host boots from the network",
    )
    without = {name: refused(_UNLESS_LOCATION) for name in ("cmdline", "console")}
    return {
        **fields,
        "if": {"not": {"required": ["location"]}},
        "then": {"properties": without},
        "else": {"properties": {"cdrom": refused(_NOT_BOTH, const=False)}},
    }


_NOT_BOTH = "cannot be combined with a location"


def install_request(given: Any, config: Config = _DEFAULTS) -> InstallRequest:
    """Read the body that installs a host again; raises InvalidRequest that names every field."""
    check(install_schema(config), given, text_errors(given, "location"))
    return _install_request(plain(given))


def boot_request(given: Any) -> tuple[str, ...]:
    """Read the body that sets a boot order; raises InvalidRequest."""
    check(BOOT_REQUEST, given)
    return tuple(given["boot"])


def media_request(given: Any) -> str:
    """Read the body that puts media in: the URL of the image. Raises InvalidRequest."""
    check(MEDIA_REQUEST, given, text_errors(given, "image"))
    return str(with_plain_scheme(given["image"]))


HOST_IN_PATH = in_path("name", "the host's name", example="ns.example.com")
_VERBS = {
    "start": "Start a host; no effect if it is running.",
    "shutdown": "Press a host's power button (ACPI); the guest may ignore that.",
    "stop": "Stop a host immediately; no effect if it is shut off.",
    "reboot": "Ask a host to reboot (ACPI).",
    "reset": "Reset a host immediately.",
}


METHODS = [
    read("GET /hosts", "listHosts", "List all hosts, running or not.", many("HostRow")),
    read("GET /hosts/{name}", "getHost", "Show a host.", one("Host"), HOST_IN_PATH),
    change(
        "POST /hosts/{name}",
        "createHost",
        "Create a host, and start or install it.",
        "Host",
        in_path("name", "the new host's name", schema=HOST_NAME, example="ns.example.com"),
        description="The response is sent once the machine is running; an install continues after"
        " it. If the create fails, nothing is left of the host. A location must be an install tree"
        " that virt-install supports. Each network must exist and be active.",
        requestBody=body("HostRequest", _EXAMPLE),
        further={
            each: link(each, {"name": "$request.path.name"})
            for each in (
                *("getHost", "deleteHost", "getConsole", "getScreen", "getUsage"),
                *(f"{verb}Host" for verb in VERBS),
            )
        },
    ),
    change(
        "PUT /hosts/{name}/boot",
        "setHostBoot",
        "Set a host's boot order from its next start on.",
        "Host",
        HOST_IN_PATH,
        requestBody=body("BootRequest", {"boot": ["network", "disk"]}),
    ),
    change(
        "PUT /hosts/{name}/install",
        "installHost",
        "Install a host that is off again, or boot it once from the network or its media.",
        "Host",
        HOST_IN_PATH,
        description="Its disks, cards and addresses stay as they are. `install` shows its"
        " progress, as after a first install.",
        requestBody=body("InstallRequest", {}),
    ),
    change(
        "PUT /hosts/{name}/media",
        "insertHostMedia",
        "Insert an image into a host's read-only SCSI CD-ROM drive, running or not.",
        "Host",
        HOST_IN_PATH,
        description="The agent fetches it into its pool; `phase` of the operation shows the"
        " progress.",
        requestBody=body("MediaRequest", {"image": "http://deb.example.com/netinst.iso"}),
    ),
    change(
        "DELETE /hosts/{name}/media",
        "ejectHostMedia",
        "Eject a host's media and delete the agent's copy.",
        "Host",
        HOST_IN_PATH,
    ),
    change(
        "DELETE /hosts/{name}",
        "deleteHost",
        "Delete a host and the disks that were created for it.",
        "HostDeleted",
        HOST_IN_PATH,
    ),
    *(
        change(f"PUT /hosts/{{name}}/{verb}", f"{verb}Host", _VERBS[verb], "Host", HOST_IN_PATH)
        for verb in VERBS
    ),
]
