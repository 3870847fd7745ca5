"""What the bodies of Redfish's requests may hold, and what they ask for."""

from typing import Any

from agent.compute.hosts import RESETS
from agent.errors import FieldError, InvalidRequest
from agent.http.contract import values as v
from agent.http.contract.hosts import media_request
from agent.http.contract.validator import check, refused
from agent.plans.boot_override import DISABLED, ENABLED, ONCE, active
from agent.redfish.documents import TARGETS, System, boot_mode

_RESET = v.record({}, {"ResetType": v.enum(RESETS)})
_INSERT = v.record(
    {"Image": v.text()},
    {
        "Inserted": {**v.boolean(), **refused("media are always inserted at once", const=True)},
        "WriteProtected": {**v.boolean(), **refused("media are read-only", const=True)},
        "MediaType": v.enum(["CD", "DVD"]),
        "TransferMethod": v.enum(["Upload"]),
        "TransferProtocolType": v.enum(["HTTP", "HTTPS"]),
    },
)
_OVERRIDE = v.record(
    {},
    {
        "BootSourceOverrideEnabled": v.enum(ENABLED),
        "BootSourceOverrideTarget": v.enum(TARGETS),
        "BootSourceOverrideMode": v.enum(["Legacy", "UEFI"]),
    },
)
_PATCH = v.record({"Boot": _OVERRIDE})


def reset(given: Any) -> str:
    """The kind of reset that a body asks for, On without one; raises InvalidRequest."""
    check(_RESET, given)
    return str(given.get("ResetType", "On"))


def image(given: Any) -> str:
    """The URL of the image that a body wants to be inserted; raises InvalidRequest."""
    check(_INSERT, given)
    try:
        return media_request({"image": given["Image"]})
    except InvalidRequest as error:
        fields = [FieldError("Image", each.detail) for each in error.errors]
        raise InvalidRequest(fields) from error


def nothing(given: Any) -> None:
    """Raise InvalidRequest unless a body is empty."""
    check(v.record({}), given)


def override(given: Any, host: System) -> tuple[str, str]:
    """What a PATCH of a system wants it to boot from: enabled, and target.

    What it does not say stays as it is. Raises InvalidRequest, also for another boot mode than the
    system's own, which is its firmware's.
    """
    check(_PATCH, given)
    boot = given["Boot"]
    now = active(host.kept)
    mode = boot_mode(host.kept)
    if boot.get("BootSourceOverrideMode", mode) != mode:
        why = f"the firmware of this system boots in mode {mode} only"
        raise InvalidRequest([FieldError("Boot.BootSourceOverrideMode", why)])
    target = boot.get("BootSourceOverrideTarget", "None" if now is None else now.target)
    if target == "None":
        enabled = boot.get("BootSourceOverrideEnabled", DISABLED)
        if enabled != DISABLED:
            why = f"{enabled} needs a target other than None"
            raise InvalidRequest([FieldError("Boot.BootSourceOverrideTarget", why)])
        return DISABLED, target
    # A target alone is for once, unless one that lasts is set already.
    return boot.get("BootSourceOverrideEnabled", ONCE if now is None else now.enabled), target
