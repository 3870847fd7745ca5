"""Whether an answer is one that the OpenAPI document has."""

import json
import re
from functools import cache
from typing import Any

import falcon.testing
from jsonschema import Draft202012Validator

from agent.config import Config
from agent.http.contract.document import document

DOCUMENT = document(Config())
REST = document(Config(rest_codes=True))
_PATTERNS = {
    path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path).replace(".", r"\.") + "/?")
    for path in DOCUMENT["paths"]
}


def see_that_it_conforms(
    method: str, path: str, answer: falcon.testing.Result, *, rest_codes: bool = False
) -> None:
    """Fail unless the document has the answer: its status, its headers and its body.

    Nothing is said of a path that the document does not have, nor of a method, nor of Redfish's.
    """
    paths = (REST if rest_codes else DOCUMENT)["paths"]
    path = re.sub("^(/|%2F)+", "/", path)
    if path.startswith("/redfish"):
        return
    operations = [
        paths[template] for template, pattern in _PATTERNS.items() if pattern.fullmatch(path)
    ]
    operation = operations[-1].get(method.lower()) if operations else None
    if operation is None:
        # Strangers are not told that there is no such path.
        refused = (400, 401, 403, 404, 405, 421, 503)
        assert answer.status_code in refused or method in ("HEAD", "OPTIONS")
        return
    found = _resolved(operation["responses"][str(answer.status_code)])
    for name, header in found["headers"].items():
        assert name.lower() in answer.headers or not _resolved(header)["required"]
    if not found["content"]:
        assert (answer.content, "content-type" in answer.headers) == (b"", False)
        return
    kind = answer.headers["content-type"].partition(";")[0]
    schema = found["content"][kind]["schema"]
    if kind.endswith("json"):
        value = answer.json
    else:
        value = answer.content.decode("latin-1") if kind == "image/png" else answer.text
    errors = [(list(e.absolute_path), e.message) for e in _validator(schema).iter_errors(value)]
    assert not errors, (method, path, answer.status_code, errors)


def _resolved(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in found:
        return found
    value: Any = DOCUMENT
    for part in found["$ref"].split("/")[1:]:
        value = value[part]
    return dict(value)


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    return _cached(json.dumps(schema))


@cache
def _cached(schema: str) -> Draft202012Validator:
    # The references lead to the components of the document.
    whole = {**json.loads(schema), "components": DOCUMENT["components"]}
    return Draft202012Validator(whole)
