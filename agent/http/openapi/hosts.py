"""The paths of hosts."""

from typing import Any

from agent.http.openapi.methods import change, read
from agent.http.openapi.parameters import between, in_path, in_query
from agent.http.openapi.responses import many, one
from agent.http.resources.console import MOST_OFFSET, MOST_WAIT_SECONDS
from agent.http.schemas.names import HOST_NAME
from agent.plans.power import VERBS

_Json = dict[str, Any]

_VERBS = {
    "start": "Start a host; one that runs is left as it is.",
    "shutdown": "Press a host's power button (ACPI); whether it heeds that is up to it.",
    "stop": "Stop a host at once; one that is shut off is left as it is.",
    "reboot": "Ask a host to start anew (ACPI).",
    "reset": "Start a host anew at once.",
}


def paths() -> _Json:
    """Every path of the tag hosts."""
    host = [in_path("name", "the host's name")]
    return {
        "/hosts": {
            "get": read("listHosts", "hosts", "List all hosts, running or not.", many("HostRow"))
        },
        "/hosts/{name}": {
            "get": read("getHost", "hosts", "Show a host.", one("Host"), host, also=(404,)),
            "post": change(
                "createHost",
                "hosts",
                "Make a host and start it.",
                "Host",
                [in_path("name", "the new host's name", HOST_NAME)],
                more="The answer comes once the machine runs; an install goes on after it. It"
                " exists whole, or nothing is left of it. A location must be one that"
                " virt-install knows an installer at, and the name short enough for the"
                " files of its disks. There must be each network, active, with no more than"
                " one VLAN tag.",
                body="HostRequest",
                links=_host_links(),
            ),
            "delete": change(
                "deleteHost",
                "hosts",
                "Remove a host and the disks that were made for it.",
                "HostDeleted",
                host,
                also=(404,),
            ),
        },
        **{
            f"/hosts/{{name}}/{verb}": {
                "put": change(f"{verb}Host", "hosts", _VERBS[verb], "Host", host, also=(404,))
            }
            for verb in VERBS
        },
        "/hosts/{name}/console": {"get": _console(host)},
    }


def _host_links() -> _Json:
    ids = ["getHost", "deleteHost", "getConsole", *(f"{verb}Host" for verb in VERBS)]
    return {
        name: {"operationId": name, "parameters": {"name": "$request.path.name"}} for name in ids
    }


def _console(parameters: list[_Json]) -> _Json:
    said = read(
        "getConsole",
        "hosts",
        "Show what a host's serial console printed.",
        {
            **one("Piece"),
            "text/plain": {"schema": {"type": "string"}},
        },
        [
            *parameters,
            in_query("offset", "from which byte on", between(0, MOST_OFFSET)),
            in_query(
                "wait",
                "how many seconds to wait for something new, in JSON",
                between(0, MOST_WAIT_SECONDS),
            ),
            in_query(
                "follow",
                "go on until the host is deleted, with `Accept: text/plain`",
                {"type": "boolean"},
            ),
        ],
        also=(400, 404),
    )
    said["description"] = (
        "In JSON one piece; ask for the next with its `next` as `offset`. With `Accept:"
        " text/plain` all there is as text, and with `follow=true` what comes, until the host is"
        " deleted. `follow` goes with `Accept: text/plain` only."
    )
    return said
