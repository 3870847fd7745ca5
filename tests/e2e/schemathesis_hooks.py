"""What schemathesis sends is made to fit the machine that it is sent to.

A schema cannot say which bridges and networks there are, nor how much memory. So each body that
is valid gets those that are there, and a small machine. What is not valid is sent as it is.
"""

import os
import uuid
from typing import Any

import requests
import schemathesis
from schemathesis import Case, HookContext

from agent.config import Config
from agent.http.contract import hosts, networks
from agent.http.contract.validator import Validator

NETWORK = "there"
_HOST = Validator(hosts.host_schema(Config()))
_INSTALL = ("install", "location", "cmdline", "console")


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Called with every request before it is sent."""
    path, method = case.operation.path, case.method.upper()
    if isinstance(case.body, dict):
        if path == "/hosts/{name}" and _HOST.is_valid(case.body):
            _small_host(case)
        elif path.endswith("/{network}") and Validator(networks.NETWORK).is_valid(case.body):
            case.body = {**case.body, "bridge": os.environ["BRIDGE"]}
    if method == "POST" and _in_a_row(case):
        _new_name(case)
    if path.endswith("/console"):
        _short_wait(case.query)
        if case.query.get("screen") in (True, "true"):
            # It goes with none of those.
            for other in ("offset", "wait", "follow"):
                case.query.pop(other, None)
    if _in_a_row(case) and method != "GET":
        # What is asked for next is to find it done.
        case.query.pop("dry_run", None)
        case.headers.pop("Prefer", None)


def _in_a_row(case: Case) -> bool:
    """Whether it is one of several requests of which one leads to another."""
    return case.meta is not None and case.meta.phase.name.value == "stateful"


def _new_name(case: Case) -> None:
    """An id that another answer had becomes a name that a host or a network can have."""
    for name, given in case.path_parameters.items():
        try:
            uuid.UUID(given)
        except ValueError:
            continue
        case.path_parameters[name] = f"n{given}"


def _small_host(case: Case) -> None:
    body = case.body
    if _in_a_row(case):
        body = {name: value for name, value in body.items() if name not in _INSTALL}
    case.body = {
        **body,
        "memory": min(body["memory"], 16),
        "disks": [min(size, 4) for size in body["disks"][:2]],
        "networks": [NETWORK for _ in body["networks"][:2]],
    }
    if "vcpus" in body:
        case.body["vcpus"] = min(body["vcpus"], 2)
    if "location" in body:
        # There is no installer at a made-up address, and no schema of an IPv6 address.
        case.query["dry_run"] = "true"
        if "[" in body["location"]:
            case.body["location"] = "http://[::1]/"
    if body["networks"]:
        there = f"{case.operation.base_url}/networks/{NETWORK}"
        requests.post(there, json={"bridge": os.environ["BRIDGE"], "vlan": 10}, timeout=300)


def _short_wait(query: dict[str, Any]) -> None:
    if str(query.get("wait")) in map(str, range(1, 61)):
        query["wait"] = 1
    if query.get("follow") in (True, "true"):
        # It takes an Accept: text/plain, and has no end.
        query["follow"] = "false"
