"""The OpenAPI document, beside what the application does."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from agent.config import Config
from agent.http import problems
from agent.http.contract.document import document
from agent.http.contract.hosts import (
    BOOT_REQUEST,
    MEDIA_REQUEST,
    host_schema,
    install_schema,
)
from agent.http.contract.names import HOST_NAME, NETWORK_NAME
from agent.http.contract.networks import NETWORK
from agent.http.contract.validator import Validator
from agent.plans.power import VERBS

from .contract import DOCUMENT, REST
from .web import Agent

OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
IDS = [operation["operationId"] for _, _, operation in OPERATIONS]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)


def parameters(operation: dict[str, Any], where: str) -> dict[str, Any]:
    """The parameters of an operation in one place: their schemas by name."""
    return {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == where}


@pytest.mark.parametrize("document", [DOCUMENT, REST], ids=["by default", "rest_codes"])
def test_it_is_valid(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def successes(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """The answers of an operation that are no errors: status and content."""
    answers = document["paths"][path][method.lower()]["responses"]
    return {code: found["content"] for code, found in answers.items() if code.startswith("2")}


@each_operation
def test_the_codes_that_later_clients_want(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    """Besides the 200 of a dry run; nothing else of an operation is another."""
    by_default = successes(DOCUMENT, method, path)
    more: dict[str, Any] = {}
    if method == "POST":
        more = {"201": by_default["200"]}
    elif method == "DELETE" or path in {f"/hosts/{{name}}/{verb}" for verb in VERBS}:
        more = {"204": {}}
    assert successes(REST, method, path) == {**by_default, **more}
    of_rest = {**REST["paths"][path][method.lower()]}
    codes = {
        code: found for code, found in of_rest["responses"].items() if code not in ("201", "204")
    }
    assert {**of_rest, "responses": codes} == operation


def test_it_has_every_route_and_no_other(agent: Agent) -> None:
    assert {(method, path) for method, path, _ in OPERATIONS} == agent.routes()


def test_each_operation_has_an_id_of_its_own() -> None:
    assert len(set(IDS)) == len(IDS)
    assert {f"{verb}Host" for verb in VERBS} < set(IDS)


def test_bodies_are_what_requests_are_validated_with() -> None:
    held = DOCUMENT["components"]["schemas"]
    assert held["HostRequest"] is host_schema(Config())
    assert held["NetworkRequest"] is NETWORK
    assert held["BootRequest"] is BOOT_REQUEST
    assert held["MediaRequest"] is MEDIA_REQUEST
    assert held["InstallRequest"] == install_schema(Config())
    config = Config(host_memory=512)
    assert document(config)["components"]["schemas"]["HostRequest"] is host_schema(config)


def test_new_names_are_what_requests_are_validated_with() -> None:
    found = {
        operation["operationId"]: parameters(operation, "path") for _, _, operation in OPERATIONS
    }
    assert found["createHost"]["name"] is HOST_NAME
    assert found["createNetwork"]["network"] is NETWORK_NAME
    assert found["createSnapshot"]["snapshot"] is NETWORK_NAME
    assert found["createHostNetwork"]["network"] is NETWORK_NAME


@each_operation
def test_the_parameters_of_its_path(method: str, path: str, operation: dict[str, Any]) -> None:
    assert list(parameters(operation, "path")) == re.findall(r"\{(\w+)\}", path)


@each_operation
def test_the_parameters_of_its_query(
    agent: Agent, method: str, path: str, operation: dict[str, Any]
) -> None:
    """A resource that takes any refuses others, and says which there are."""
    known = list(parameters(operation, "query"))
    if not known:
        return
    body = json.dumps(_example(operation)) if "requestBody" in operation else ""
    answer = agent(method, re.sub(r"\{\w+\}", "a", path), body=body, query_string="odd=1")
    (error,) = answer.json["errors"]
    said = error["detail"].partition("; the parameters are ")[2]
    assert (answer.status_code, error["field"]) == (400, "odd")
    assert sorted(said.split(", ")) == sorted(known)


@each_operation
def test_its_example_is_valid(method: str, path: str, operation: dict[str, Any]) -> None:
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            assert Validator(parameter["schema"]).is_valid(parameter["example"])
    if "requestBody" in operation:
        name = _body(operation)["schema"]["$ref"].rpartition("/")[2]
        schema = DOCUMENT["components"]["schemas"][name]
        assert Validator(schema).is_valid(_example(operation))


def _body(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["requestBody"]["content"]["application/json"]
    return found


def _example(operation: dict[str, Any]) -> Any:
    return _body(operation)["example"]


def test_every_status_of_an_error_is_in_it() -> None:
    changes = {int(code) for code in OPERATIONS[IDS.index("deleteHost")][2]["responses"]}
    assert set(problems._STATUS.values()) <= changes


@each_operation
def test_its_links_lead_somewhere(method: str, path: str, operation: dict[str, Any]) -> None:
    takes = {each["operationId"]: set(parameters(each, "path")) for _, _, each in OPERATIONS}
    for answer in operation["responses"].values():
        for link in answer.get("links", {}).values():
            assert set(link["parameters"]) == takes[link["operationId"]]


def test_the_document_is_served(agent: Agent) -> None:
    answer = agent("GET", "/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == DOCUMENT
