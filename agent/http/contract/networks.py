"""Networks: the body that makes one, what answers about them hold, and their methods."""

from typing import Any

from agent.errors import FieldError
from agent.http.contract.methods import Method, body, change, in_path, link, many, one, read
from agent.http.contract.names import NETWORK_NAME, NETWORK_WORDS, name_errors
from agent.http.contract.validator import plain, refuse, schema_errors
from agent.http.contract.values import (
    Json,
    array,
    between,
    enum,
    integer,
    or_null,
    record,
    text,
    uuid,
)
from agent.plans.networks import NetworkRequest

NETWORK = record(
    {
        # An Open vSwitch bridge is a network device: 15 characters.
        "bridge": text(
            "an existing Open vSwitch bridge", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$"
        ),
    },
    {
        "vlan": between(1, 4094, "the untagged VLAN"),
        "trunk": array(between(1, 4094), "the tagged VLANs", minItems=1, uniqueItems=True),
    },
    "`vlan`, `trunk`, or both",
)
_ROW = {
    "name": text("the libvirt network's name"),
    "state": enum(["active", "inactive"]),
    "autostart": enum(["yes", "no"], "whether it starts with the hypervisor"),
    "persistent": enum(["yes", "no"], "whether it exists after a reboot"),
}
_PORT = {"host": text(), "mac": text(), "port": text(null=True)}

_ID = {"id": uuid("the libvirt UUID")}
_LEADS_TO = {
    "bridge": text(null=True),
    "vlan": integer("the untagged VLAN", null=True),
    "trunk": or_null(array(integer()), "the tagged VLANs; null for access ports"),
}

# A network among all of them.
SUMMARY: Json = {**_ID, "name": _ROW["name"], "state": _ROW["state"], **_LEADS_TO}

SCHEMAS: Json = {
    "NetworkRequest": NETWORK,
    "NetworkRow": record(_ROW),
    "Network": record(
        {
            **_ROW,
            **_ID,
            **_LEADS_TO,
            "ports": array(record(_PORT), "the cards that are connected now"),
        }
    ),
    "NetworkDeleted": record({"id": uuid(), "name": text()}),
}


def network_request(name: str, given: Any) -> NetworkRequest:
    """Read the body of a POST of a network; raises InvalidRequest that names every field."""
    errors = [*name_errors(name, NETWORK_NAME, NETWORK_WORDS), *schema_errors(NETWORK, given)]
    if not errors and not given.keys() & {"vlan", "trunk"}:
        errors.append(FieldError("vlan", "is required, or trunk, or both"))
    if not errors and given.get("vlan") in given.get("trunk", ()):
        errors.append(FieldError("trunk", f"VLAN {given['vlan']} comes without a tag by vlan"))
    refuse(errors)
    return NetworkRequest(**{"name": name, "vlan": None, **plain(given)})


def _methods(
    path: str, under: str = "", alias: str = "", above: tuple[Json, ...] = ()
) -> list[Method]:
    """The methods of a network at a path. under, alias: what their ids and summaries say more."""
    there = in_path("network", "the network's name", example="vlan10")
    new = in_path("network", "the new network's name", schema=NETWORK_NAME, example="vlan10")
    names = {each["name"]: f"$request.path.{each['name']}" for each in (*above, there)}
    return [
        read(
            f"GET {path}",
            f"get{under}Network",
            f"Show a network.{alias}",
            one("Network"),
            *above,
            there,
        ),
        change(
            f"POST {path}",
            f"create{under}Network",
            f"Create a network that is active now and after every reboot.{alias}",
            "Network",
            *above,
            new,
            description="With `vlan` alone hosts get access ports, with `trunk` trunk ports; `vlan`"
            " is then the native VLAN.",
            requestBody=body("NetworkRequest", {"bridge": "br0", "vlan": 10}),
            further={word: link(f"{word}{under}Network", names) for word in ("get", "delete")},
        ),
        change(
            f"DELETE {path}",
            f"delete{under}Network",
            f"Delete a network that no host uses.{alias}",
            "NetworkDeleted",
            *above,
            there,
        ),
    ]


METHODS = [
    *_methods(
        "/hosts/{name}/networks/{network}",
        "Host",
        " The same as /networks/{network}.",
        (in_path("name", "the name of any host; it is ignored", example="ns.example.com"),),
    ),
    read("GET /networks", "listNetworks", "List all networks, active or not.", many("NetworkRow")),
    *_methods("/networks/{network}"),
]
