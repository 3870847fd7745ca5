"""How a responder has a change carried out."""

import uuid

import falcon

from agent.errors import FieldError, InvalidRequest
from agent.executor import Change, Executor


def enact(executor: Executor, change: Change, req: falcon.Request, resp: falcon.Response) -> None:
    """Carry a change out and answer what came of it, with the operation's id in a header.

    A query parameter that the agent does not know is refused: whoever asks for something
    special of a change must not get the plain change instead.
    """
    unknown = sorted(req.params)
    if unknown:
        raise InvalidRequest(
            [FieldError(name, "there is no such query parameter") for name in unknown]
        )
    operation = str(uuid.uuid4())
    resp.set_header("X-Operation-ID", operation)
    resp.media = executor.perform(change, operation)
