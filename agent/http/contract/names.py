"""What the name of a new host and of a new network may be."""

import re
from collections.abc import Iterator

from agent.errors import FieldError
from agent.http.contract.validator import cut
from agent.http.contract.values import Json

# libvirt keeps a definition in NAME.xml and writes it as NAME.xml.new first, and a file's
# name has at most 255 bytes.
NAME_BYTES = 255 - len(".xml.new")

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_UUID = r"[0-9A-Fa-f]{8}-?(?:[0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}"
# virsh would take these for a number and for an id.
_NO_NAME = rf"^(?:[0-9]+|{_UUID})$"
_NAME: Json = {"type": "string", "not": {"pattern": _NO_NAME}, "maxLength": NAME_BYTES}
HOST_NAME: Json = {**_NAME, "pattern": rf"^{_LABEL}(?:\.{_LABEL})*$"}
# Of networks and of snapshots.
NETWORK_WORDS = "letters, digits and . _ : -, not starting with - or ."
NETWORK_NAME: Json = {**_NAME, "pattern": r"^[A-Za-z0-9_:][A-Za-z0-9._:-]*$"}


def name_errors(name: str, schema: Json, what: str) -> Iterator[FieldError]:
    """What is wrong with a name. schema: one of those above; what: what they are, in words."""
    if not re.fullmatch(schema["pattern"], name):
        yield FieldError("name", f"{cut(repr(name))} is not {what}")
    elif name.isdigit():
        yield FieldError("name", f"{name!r} is all digits, which virsh takes for a number")
    elif re.fullmatch(_NO_NAME, name):
        yield FieldError("name", f"{name!r} has the shape of a UUID, which virsh takes it for")
    if len(name) > schema["maxLength"]:
        yield FieldError("name", f"it has {len(name)} characters, and libvirt takes {NAME_BYTES}")
