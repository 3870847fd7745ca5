"""Errors as Redfish has them, in place of problem documents."""

import json
from typing import Any

import falcon

from agent.http.problems import MEDIA_TYPE
from agent.redfish.documents import Json

_BASE = "Base.1.18."
# Messages of DMTF's registry Base, by status: the id, and how many arguments its text has.
_MESSAGES = {
    401: "NoValidSession",
    403: "InsufficientPrivilege",
    404: "ResourceMissingAtURI",
    405: "OperationNotAllowed",
    409: "ResourceInUse",
    412: "PreconditionFailed",
    500: "InternalError",
    503: "ServiceTemporarilyUnavailable",
}


class RedfishErrors:
    """Makes Redfish errors of the problems below /redfish."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        inside = req.path == "/redfish" or req.path.startswith("/redfish/")
        if inside and resp.content_type == MEDIA_TYPE and resp.data is not None:
            problem = json.loads(resp.data)
            resp.content_type = falcon.MEDIA_JSON
            resp.set_header("OData-Version", "4.0")
            resp.data = json.dumps(error(problem, req.path)).encode() + b"\n"


def error(problem: Json, path: str) -> Json:
    """The Redfish error of a problem. path: of the request.

    What else the problem has (the command that failed, the operation) is in it as Oem.
    """
    status = problem["status"]
    fields = problem.get("errors") or [{"field": None, "detail": problem["detail"]}]
    found = [_message(status, each["field"], each["detail"], path) for each in fields]
    told = {name: value for name, value in problem.items() if name not in _OF_PROBLEM}
    return {
        "error": {
            "code": found[0]["MessageId"],
            "message": problem["detail"],
            "@Message.ExtendedInfo": found,
            **({"Oem": {"StagingAgent": told}} if told else {}),
        }
    }


_OF_PROBLEM = ("title", "status", "detail", "errors")


def _message(status: int, field: str | None, detail: str, path: str) -> dict[str, Any]:
    message = {
        "@odata.type": "#Message.v1_1_1.Message",
        "MessageId": _BASE + _MESSAGES.get(status, "GeneralError"),
        "Message": detail,
        "MessageArgs": [],
        "MessageSeverity": "Warning" if status < 500 else "Critical",
        "Resolution": "See the message.",
    }
    if status == 404:
        message["MessageArgs"] = [path]
    elif status == 503:
        message["MessageArgs"] = ["5"]
    elif status == 400 and field is not None:
        message["MessageId"] = _BASE + "PropertyValueError"
        message["MessageArgs"] = [field]
        message["RelatedProperties"] = ["#/" + field.replace(".", "/")]
    return message
