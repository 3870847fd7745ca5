"""The paths of networks, and their alias below a host."""

from typing import Any

from agent.http.openapi.methods import change, read
from agent.http.openapi.parameters import in_path
from agent.http.openapi.responses import many, one
from agent.http.schemas.names import NETWORK_NAME

_Json = dict[str, Any]


def paths() -> _Json:
    """Every path of the tag networks."""
    network = [in_path("network", "the network's name")]
    under_host = [in_path("name", "a host's name, which says nothing"), *network]
    return {
        "/hosts/{name}/networks/{network}": _network(under_host, "Host"),
        "/networks": {
            "get": read(
                "listNetworks",
                "networks",
                "List all networks, active or not.",
                many("NetworkRow"),
            )
        },
        "/networks/{network}": _network(network, ""),
    }


def _network(parameters: list[_Json], under: str) -> _Json:
    """A network's operations; under: what their ids say more, for the alias."""
    given = [*parameters[:-1], in_path("network", "the new network's name", NETWORK_NAME)]
    alias = " The same as /networks/{network}." if under else ""
    names = {each["name"]: f"$request.path.{each['name']}" for each in parameters}
    links = {
        word: {"operationId": f"{word}{under}Network", "parameters": names}
        for word in ("get", "delete")
    }
    return {
        "get": read(
            f"get{under}Network",
            "networks",
            f"Show a network.{alias}",
            one("Network"),
            parameters,
            also=(404,),
        ),
        "post": change(
            f"create{under}Network",
            "networks",
            f"Make a network, active now and after every reboot.{alias}",
            "Network",
            given,
            body="NetworkRequest",
            links=links,
        ),
        "delete": change(
            f"delete{under}Network",
            "networks",
            f"Remove a network that no host uses.{alias}",
            "NetworkDeleted",
            parameters,
            also=(404,),
        ),
    }
