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
_INSTALL = ("install", "location", "cmdline", "console", "after_install")
# Where nobody listens, so that nothing is fetched.
_NO_IMAGE = "http://127.0.0.1:1/"
# There is no schema of an IPv6 address.
_NO_IPV6 = "http://[::1]/"


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Called with every request before it is sent."""
    path, method = case.operation.path, case.method.upper()
    if isinstance(case.body, dict):
        if path == "/hosts/{name}" and _HOST.is_valid(case.body):
            _small_host(case)
        elif path.endswith("/media") and Validator(hosts.MEDIA_REQUEST).is_valid(case.body):
            case.body = {"image": _NO_IMAGE}
        elif path.endswith("/install") and "[" in str(case.body.get("location")):
            case.body = {**case.body, "location": _NO_IPV6}
        elif path.endswith("/{network}") and Validator(networks.NETWORK).is_valid(case.body):
            _network(case)
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
    if path.endswith(("/install", "/media")) and method == "PUT" and _is_no_dry_run(case):
        # There is nothing at a made-up address, and a network boot takes a whole processor.
        case.query["dry_run"] = "true"


def _is_no_dry_run(case: Case) -> bool:
    return str(case.query.get("dry_run", "false")) in ("False", "false")


def _network(case: Case) -> None:
    """A network on the bridge that there is; the VLAN without a tag is none of those with one."""
    body = {**case.body, "bridge": os.environ["BRIDGE"]}
    if body.get("vlan") in body.get("trunk", ()):
        del body["trunk"]
    if not body.keys() & {"vlan", "trunk"}:
        body["vlan"] = 10
    case.body = body


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
        # No schema says that MACs differ.
        "networks": [
            *map(_on_a_network, body["networks"][:1]),
            *[NETWORK][: len(body["networks"]) - 1],
        ],
    }
    if "vcpus" in body:
        case.body["vcpus"] = min(body["vcpus"], 2)
    if "location" in body:
        # There is no installer at a made-up address.
        case.query["dry_run"] = "true"
        if "[" in body["location"]:
            case.body["location"] = _NO_IPV6
    if body["networks"]:
        there = f"{case.operation.base_url}/networks/{NETWORK}"
        requests.post(there, json={"bridge": os.environ["BRIDGE"], "vlan": 10}, timeout=300)


def _on_a_network(card: Any) -> Any:
    """A card as it was asked for, on the network that there is."""
    return {**card, "network": NETWORK} if isinstance(card, dict) else NETWORK


def _short_wait(query: dict[str, Any]) -> None:
    if str(query.get("wait")) in map(str, range(1, 61)):
        query["wait"] = 1
    if query.get("follow") in (True, "true"):
        # It takes an Accept: text/plain, and has no end.
        query["follow"] = "false"
