"""What ovs-vsctl prints."""

import json
from dataclasses import dataclass
from typing import Any

from agent.errors import InvalidOutput


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface: its name, and the external ids that libvirt sets on those it makes."""

    name: str
    external_ids: dict[str, str]


def bridges(text: str) -> list[str]:
    """`list-br`: the names of the bridges."""
    return text.split()


def interfaces(text: str) -> list[Interface]:
    """`--format=json --columns=name,external_ids list Interface`: the interfaces."""
    return [
        Interface(_string(row["name"]), _map(row["external_ids"]))
        for row in rows(text, ("name", "external_ids"))
    ]


def rows(text: str, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """A table that ovs-vsctl printed as JSON, a dictionary a row.

    columns: those that must be there. Raises InvalidOutput when one is not.
    """
    try:
        table = json.loads(text)
        headings, data = table["headings"], table["data"]
        found = [dict(zip(headings, row, strict=True)) for row in data]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidOutput("ovs-vsctl", text, "no table in JSON") from error
    for row in found:
        for column in columns:
            if column not in row:
                raise InvalidOutput("ovs-vsctl", text, f"no column {column}")
    return found


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidOutput("ovs-vsctl", repr(value), "no text")
    return value


def _map(value: Any) -> dict[str, str]:
    """OVSDB's JSON has a map as ["map", [[key, value], ...]]."""
    match value:
        case ["map", list(pairs)]:
            return {str(key): str(item) for key, item in pairs}
    raise InvalidOutput("ovs-vsctl", repr(value), "no map")
