"""Reads a body into what it asks for, or says of every field what is wrong with it."""

from collections.abc import Iterator
from typing import Any

from agent.errors import FieldError, InvalidRequest
from agent.http.schemas.hosts import MOST_DISK_GIB, UNLIMITED, HostLimits, host_schema
from agent.http.schemas.install_texts import text_errors, with_plain_scheme
from agent.http.schemas.names import (
    HOST_NAME,
    NETWORK_NAME,
    name_errors,
)
from agent.http.schemas.networks import NETWORK
from agent.http.schemas.validator import schema_errors, unique
from agent.plans.hosts import HostRequest
from agent.plans.networks import NetworkRequest


def host_request(name: str, body: Any, limits: HostLimits = UNLIMITED) -> HostRequest:
    """Read the body of a POST of a host; raises InvalidRequest that names every field."""
    errors = [*name_errors(name, HOST_NAME, "an RFC 1123 host name")]
    if isinstance(body, dict):
        # First, since they say better what is wrong with a text than its pattern does.
        errors += text_errors(body)
    errors += schema_errors(host_schema(limits), body)
    if isinstance(body, dict):
        errors += _total_errors(body, limits)
    if errors:
        raise InvalidRequest(unique(errors))
    return HostRequest(
        name=name,
        # JSON Schema takes 8.0 for an integer, and a command must not read "8.0".
        memory=int(body["memory"]),
        disks=tuple(int(size) for size in body["disks"]),
        networks=tuple(body["networks"]),
        install=body.get("install", False),
        location=with_plain_scheme(body.get("location")),
        cmdline=body.get("cmdline", ""),
        console=body.get("console", False),
        vcpus=int(body.get("vcpus", 1)),
        autostart=body.get("autostart", False),
    )


def network_request(name: str, body: Any) -> NetworkRequest:
    """Read the body of a POST of a network; raises InvalidRequest that names every field."""
    what = "letters, digits and . _ : -, not starting with - or ."
    errors = [*name_errors(name, NETWORK_NAME, what), *schema_errors(NETWORK, body)]
    if errors:
        raise InvalidRequest(unique(errors))
    return NetworkRequest(name=name, bridge=body["bridge"], vlan=int(body["vlan"]))


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
