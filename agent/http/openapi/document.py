"""The document as a whole."""

from typing import Any

from agent.http.openapi import hosts, networks, operations, service
from agent.http.openapi.components import components
from agent.http.openapi.responses import SCRIPT
from agent.http.schemas.hosts import HOST
from agent.http.schemas.networks import NETWORK

_Json = dict[str, Any]

_DESCRIPTION = f"""\
Makes, shows and removes virtual machines ("hosts") and VLAN networks on one hypervisor.

A body is read as JSON whatever its Content-Type. A trailing slash makes no difference. HEAD works
where GET does; OPTIONS says which methods a path takes, and any other method is a 405 with the
same `Allow`. Errors are problem documents.

`dry_run=true` on a change answers the plan and changes nothing. `Prefer: respond-async` has it
answered with 202 as soon as the plan is made, and `Location` says where to look for its end. With
`Accept: {SCRIPT}` a plan or an operation is a shell script.
"""


def document(host: _Json = HOST, network: _Json = NETWORK) -> _Json:
    """The OpenAPI document. host, network: what the bodies that make one may hold."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Staging compute agent",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "tags": [{"name": name} for name in ("hosts", "networks", "operations", "agent")],
        "paths": {
            **hosts.paths(),
            **networks.paths(),
            **operations.paths(),
            **service.paths(),
        },
        "components": components(host, network),
    }
