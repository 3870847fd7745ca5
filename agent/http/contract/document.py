"""The OpenAPI 3.1 document as a whole."""

from agent.config import Config
from agent.http.contract import (
    console,
    hosts,
    networks,
    operations,
    problems,
    service,
    snapshots,
)
from agent.http.contract.methods import SCRIPT, TAGS, rest_codes
from agent.http.contract.values import Json, text

_DESCRIPTION = f"""\
Creates, shows and deletes virtual machines ("hosts") and VLAN networks on one hypervisor.

A body is parsed as JSON whatever its Content-Type. A trailing slash makes no difference. HEAD works
wherever GET does; OPTIONS returns the methods of a path, and any other method is a 405 with the
same `Allow`. Errors are problem documents.

`dry_run=true` on a change returns the plan and changes nothing. With `Prefer: respond-async` the
response is a 202 as soon as the plan exists, with the operation's path in `Location`.
With `Accept: {SCRIPT}` a plan or an operation is returned as a shell script.

With a token for some hosts only, other hosts and their changes are not visible. With a read-only
token, passwords are shown as `***`.
"""
# Each with whether it is always there.
_HEADERS = {
    "X-Request-ID": ("The id of the request: the client's own, if it sent one.", True),
    "X-Operation-ID": ("The id of the change in the journal; not with a dry run.", False),
    "Retry-After": ("When to retry, in seconds.", False),
    "Location": ("The path of the operation.", True),
    "Preference-Applied": ("respond-async", True),
    "WWW-Authenticate": ("How to authenticate.", False),
}


def document(config: Config) -> Json:
    """The OpenAPI document, with the limits of a new host that are configured."""
    paths: Json = {}
    for module in (hosts, snapshots, console, networks, operations, service):
        for path, method, operation in module.METHODS:
            of_rest = rest_codes(path, method, operation) if config.rest_codes else operation
            paths.setdefault(path, {})[method] = of_rest
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Staging compute agent",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}],
        "tags": [{"name": name} for name in TAGS],
        "paths": paths,
        "components": {
            "schemas": {
                "HostRequest": hosts.host_schema(config),
                "InstallRequest": hosts.install_schema(config),
                **hosts.SCHEMAS,
                **snapshots.SCHEMAS,
                **console.SCHEMAS,
                **networks.SCHEMAS,
                **operations.SCHEMAS,
                **service.SCHEMAS,
                **problems.SCHEMAS,
            },
            "responses": problems.RESPONSES,
            "headers": {
                name: {"description": description, "required": always, "schema": text()}
                for name, (description, always) in _HEADERS.items()
            },
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
