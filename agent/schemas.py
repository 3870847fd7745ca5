r"""What a request may hold: JSON Schema, and the rules that no schema says well.

The schemas are what requests are validated with, and what the OpenAPI document shows. Their
patterns are ECMA 262's, as JSON Schema has it: no `\Z`, and `$` is the very end.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from agent.disks import volume_name
from agent.errors import FieldError, InvalidRequest
from agent.host_plans import HostRequest
from agent.network_plans import NetworkRequest

# libvirt keeps a definition in NAME.xml and writes it as NAME.xml.new first, and a file's
# name has at most 255 bytes.
NAME_BYTES = 255 - len(".xml.new")
FILE_NAME_BYTES = 255
MOST_DISKS = 64
MOST_NETWORKS = 24
# The largest qcow2 image that QEMU makes with its usual clusters: 2 PiB.
MOST_DISK_GIB = 1 << 21
# Linux cuts a command line off there on x86.
MOST_CMDLINE_BYTES = 2047
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


def _refused(why: str, **rule: Any) -> dict[str, Any]:
    """A rule of a schema with what its breaker is told; without a rule nothing will do."""
    return {**(rule or {"not": {}}), _REFUSAL: why}


_REFUSAL = "x-refusal"
_UNLESS_INSTALL = 'goes with "install": true only'
_UNLESS_LOCATION = "goes with a location only: a network boot brings its own kernel parameters"
# What urlsplit takes for a URL with a host. A number of a bracketed host is read by code.
_PORT = (
    r"0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
_LOCATION = (
    r"^(?:[Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp])://"
    r'(?:[!"$-.0->@-Z\\^-~]*@)?'
    r"(?:[A-Za-z0-9._%-]+|\[[A-Za-z0-9._:%-]+\])"
    rf"(?::(?:{_PORT})?)?(?:[/?#][!-~]*)?$"
)
# No control characters, and no space at either end.
_INNER = r"\u0000-\u001f\u007f-\u009f\ufffe\uffff"
_CMDLINE = rf"^(?:[^ {_INNER}](?:[^{_INNER}]*[^ {_INNER}])?)?$"

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
            "pattern": _LOCATION,
            "description": "with install: the URL of an install tree, http, https or ftp",
        },
        "cmdline": {
            "type": "string",
            "maxLength": MOST_CMDLINE_BYTES,
            "pattern": _CMDLINE,
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
                "cmdline": _refused(_UNLESS_LOCATION),
                "console": _refused(_UNLESS_LOCATION),
                "networks": _refused(
                    "an install without a location boots from a network; name one", minItems=1
                ),
            }
        },
    },
    "else": {
        "properties": {
            "location": _refused(_UNLESS_INSTALL),
            "cmdline": _refused(_UNLESS_INSTALL),
            "console": _refused(_UNLESS_INSTALL),
        }
    },
}
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

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_UUID = r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}"
# virsh would take these for a number and for an id.
_NO_NAME = {"pattern": rf"^(?:[0-9]+|{_UUID})$"}
HOST_NAME: dict[str, Any] = {
    "type": "string",
    "pattern": rf"^{_LABEL}(?:\.{_LABEL})*$",
    "not": _NO_NAME,
    "maxLength": NAME_BYTES,
}
NETWORK_NAME: dict[str, Any] = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_:][A-Za-z0-9._:-]*$",
    "not": _NO_NAME,
    "maxLength": NAME_BYTES,
}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    # Python's $ is before a last newline, too.
    if validator.is_type(instance, "string") and not re.fullmatch(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


# Every pattern here is of the whole text.
Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


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


def host_request(name: str, body: Any, limits: HostLimits = UNLIMITED) -> HostRequest:
    """Read the body of a POST of a host; raises InvalidRequest that names every field."""
    errors = [*_name_errors(name, HOST_NAME, "an RFC 1123 host name")]
    if isinstance(body, dict):
        # First, since they say better what is wrong with a text than its pattern does.
        errors += _text_errors(body)
    errors += _errors(host_schema(limits), body)
    if isinstance(body, dict):
        errors += _total_errors(body, limits)
        errors += _disk_name_errors(name, body)
    if errors:
        raise InvalidRequest(_unique(errors))
    return HostRequest(
        name=name,
        # JSON Schema takes 8.0 for an integer, and a command must not read "8.0".
        memory=int(body["memory"]),
        disks=tuple(int(size) for size in body["disks"]),
        networks=tuple(body["networks"]),
        install=body.get("install", False),
        location=_location(body.get("location")),
        cmdline=body.get("cmdline", ""),
        console=body.get("console", False),
        vcpus=int(body.get("vcpus", 1)),
        autostart=body.get("autostart", False),
    )


def network_request(name: str, body: Any) -> NetworkRequest:
    """Read the body of a POST of a network; raises InvalidRequest that names every field."""
    what = "letters, digits and . _ : -, not starting with - or ."
    errors = [*_name_errors(name, NETWORK_NAME, what), *_errors(NETWORK, body)]
    if errors:
        raise InvalidRequest(_unique(errors))
    return NetworkRequest(name=name, bridge=body["bridge"], vlan=int(body["vlan"]))


def _name_errors(name: str, schema: dict[str, Any], what: str) -> Iterator[FieldError]:
    if not re.fullmatch(schema["pattern"], name):
        yield FieldError("name", f"{_cut(repr(name))} is not {what}")
    elif name.isdigit():
        yield FieldError("name", f"{name!r} is all digits, which virsh takes for a number")
    elif re.fullmatch(_NO_NAME["pattern"], name):
        yield FieldError("name", f"{name!r} has the shape of a UUID, which virsh takes it for")
    if len(name) > schema["maxLength"]:
        yield FieldError("name", f"it has {len(name)} characters, and libvirt takes {NAME_BYTES}")


def _errors(schema: dict[str, Any], body: Any) -> Iterator[FieldError]:
    for error in Validator(schema).iter_errors(body):
        yield from _field_errors(error, schema)


def _field_errors(error: ValidationError, schema: dict[str, Any]) -> Iterator[FieldError]:
    given: Any = error.instance
    if error.validator == "required":
        for name in schema["required"]:
            if name not in given:
                yield FieldError(name, "is required")
    elif error.validator == "additionalProperties":
        for name in sorted(set(given) - set(schema["properties"])):
            has = ", ".join(schema["properties"])
            yield FieldError(_cut(name), f"there is no such field; there are {has}")
    else:
        path = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path
        )
        message = error.message
        if error.validator == "maxItems":
            # Its own message has all the items, and not how many there may be.
            message = f"{len(given)} are more than the maximum of {error.validator_value}"
        rule = error.schema
        why = rule.get(_REFUSAL) if isinstance(rule, dict) else None
        yield FieldError(path.removeprefix(".") or "body", _cut(why or message))


def _total_errors(body: dict[str, Any], limits: HostLimits) -> Iterator[FieldError]:
    disks = body.get("disks")
    if not limits.total_gb or not isinstance(disks, list):
        return
    # Of what is no size of a disk something else is said.
    total = sum(
        int(size)
        for size in disks
        if (isinstance(size, int) or (isinstance(size, float) and size.is_integer()))
        and 0 < size <= MOST_DISK_GIB
    )
    if total > limits.total_gb:
        yield FieldError(
            "disks", f"{total} GB together are more than the maximum of {limits.total_gb} of a host"
        )


def _location(given: str | None) -> str | None:
    """A location as virt-install knows it for a URL: with its scheme in lower case."""
    if given is None:
        return None
    scheme, colon, rest = given.partition(":")
    return scheme.lower() + colon + rest


def _text_errors(body: dict[str, Any]) -> Iterator[FieldError]:
    if body.get("install") is not True or "location" not in body:
        return  # then neither text may be there at all
    for name, why_not in (("location", _why_no_location), ("cmdline", _why_no_cmdline)):
        text = body.get(name)
        if isinstance(text, str):
            why = why_not(text)
            if why is not None:
                yield FieldError(name, why)


def _why_no_location(location: str) -> str | None:
    # virt-install's libraries crash on much of what is no URL; it would also take a path on
    # the hypervisor, which is not the client's to read.
    if not re.fullmatch(r"[!-~]+", location):
        return "it has characters that a URL must have percent-encoded"
    try:
        url = urlsplit(location)
        port = url.port
        host = url.hostname
    except ValueError as error:
        return f"it is no URL: {error}"
    if url.scheme not in ("http", "https", "ftp"):
        return "it is not a http, https or ftp URL"
    if not host or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host) or port == 0:
        return "it is a URL without a usable host"
    return None


def _why_no_cmdline(cmdline: str) -> str | None:
    bad = next((char for char in cmdline if not _passes(char)), None)
    if bad is not None:
        return f"it has the character {bad!r}, which no kernel command line can hold"
    if cmdline != cmdline.strip(" "):
        return "it begins or ends with a space, which would be lost"
    size = len(cmdline.encode())
    if size > MOST_CMDLINE_BYTES:
        return f"it has {size} bytes, and the kernel reads {MOST_CMDLINE_BYTES}"
    return None


def _passes(char: str) -> bool:
    """Whether libvirt's XML carries a character, and a kernel command line can hold it."""
    code = ord(char)
    return code >= 0x20 and not (
        0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code & 0xFFFE == 0xFFFE
    )


def _disk_name_errors(name: str, body: dict[str, Any]) -> Iterator[FieldError]:
    disks = body.get("disks")
    if isinstance(disks, list) and 0 < len(disks) <= MOST_DISKS and len(name) <= NAME_BYTES:
        longest = volume_name(name, len(disks) - 1)
        if len(longest) > FILE_NAME_BYTES:
            over = len(longest) - FILE_NAME_BYTES
            yield FieldError(
                "name", f"with {len(disks)} disks it is {over} too long for their files"
            )


def _unique(errors: list[FieldError]) -> list[FieldError]:
    """One error a field: the first says it, and a second would only confuse."""
    return list({error.field: error for error in reversed(errors)}.values())[::-1]


def _cut(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."
