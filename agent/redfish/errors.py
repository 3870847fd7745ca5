"""What every answer below /redfish has, and errors as Redfish has them in place of problems."""

from collections.abc import Collection

import falcon

from agent.access.control import is_redfish
from agent.http.problems import MEDIA_TYPE
from agent.redfish.documents import Json

# Of DMTF's registry Base, in the version that clients of any age know.
_BASE = "Base.1.4."
_GENERAL = "GeneralError"
# Its messages by status. The text is the agent's own, which says more.
_MESSAGES = {
    401: "NoValidSession",
    403: "InsufficientPrivilege",
    404: "ResourceMissingAtURI",
    405: "ActionNotSupported",
    409: "ResourceInUse",
    500: "InternalError",
    503: "ServiceTemporarilyUnavailable",
}
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_OF_PROBLEM = ("title", "status", "detail", "errors")


class RedfishAnswers:
    """Says in each answer below /redfish what may be done there, and makes Redfish's errors."""

    def process_response(
        self, req: falcon.Request, resp: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        """Called by Falcon after the responder, errors included."""
        if not is_redfish(req.path):
            return
        resp.set_header("OData-Version", "4.0")
        allowed = [each for each in _METHODS if hasattr(resource, f"on_{each.lower()}")]
        if allowed and resp.status_code != 405:
            resp.set_header("Allow", ", ".join(allowed))
        if resp.content_type == MEDIA_TYPE:
            retry_after = str(resp.get_header("Retry-After"))
            resp.content_type = falcon.MEDIA_JSON
            resp.media = error(resp.media, req.path, req.method, retry_after, req.params)


def error(
    problem: Json,
    path: str,
    method: str,
    retry_after: str = "",
    parameters: Collection[str] = (),
) -> Json:
    """The Redfish error of a problem document, that answers a request.

    path, method, parameters: of the request. retry_after: seconds, of the answer if it is a 503.
    What else the problem has (the command that failed, the operation) is in its messages as Oem.
    """
    status = problem["status"]
    name = _MESSAGES.get(status, _GENERAL)
    if status == 404 and "operation" in problem:
        # What the change is about is not there. What is at the path is.
        name = _GENERAL
    args = {_MESSAGES[404]: [path], _MESSAGES[405]: [method], _MESSAGES[503]: [retry_after]}
    told = {name: value for name, value in problem.items() if name not in _OF_PROBLEM}
    messages = [
        {
            "@odata.type": "#Message.v1_1_1.Message",
            "MessageId": _BASE + name,
            "Message": each["detail"],
            "MessageArgs": args.get(name, []),
            "MessageSeverity": "Warning" if status < 500 else "Critical",
            **_related(each.get("field"), parameters),
            **({"Oem": {"StagingAgent": told}} if told else {}),
        }
        for each in problem.get("errors") or [problem]
    ]
    return {
        "error": {
            "code": _BASE + name,
            "message": problem["detail"],
            "@Message.ExtendedInfo": messages,
        }
    }


def _related(field: str | None, parameters: Collection[str]) -> Json:
    """The property that a message is about, unless that is the body as a whole or no property."""
    if field is None or field == "body" or field in parameters:
        return {}
    return {"RelatedProperties": ["#/" + field.replace(".", "/")]}
