"""/redfish/v1/SessionService/Sessions: a client gives its token once, and gets a session for it."""

import falcon

from agent.access import sessions as access
from agent.access.control import SESSION_HEADER, SESSIONS, tokens_readable, unauthorized
from agent.errors import NotFound
from agent.http.contract import values as v
from agent.http.contract.validator import check
from agent.http.resources.request import json_body
from agent.redfish import documents

# Clients may say more, such as the kind of session that they want.
_CREDENTIALS = {
    **v.record({"UserName": v.text(), "Password": v.text()}),
    "additionalProperties": True,
}


class SessionCollection:
    """/redfish/v1/SessionService/Sessions"""

    def __init__(self, sessions: access.Sessions) -> None:
        self._sessions = sessions

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the sessions of the client's own token."""
        own = self._sessions.of(req.context.token)
        resp.media = documents.sessions(each.id for each in own)

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Begin a session for a token, which is the password, whatever the user's name is."""
        body = json_body(req)
        check(_CREDENTIALS, body)
        with tokens_readable():
            begun = self._sessions.open(body["UserName"], body["Password"])
        if begun is None:
            raise unauthorized(req, "the password is not a valid token", given=True)
        session, secret = begun
        if session.token is not None:
            req.env["REMOTE_USER"] = session.token.name
        resp.media = documents.session(session.id, session.user_name)
        resp.status = falcon.HTTP_201
        resp.location = f"{SESSIONS}/{session.id}"
        resp.set_header(SESSION_HEADER, secret)


class Session:
    """/redfish/v1/SessionService/Sessions/{session}"""

    def __init__(self, sessions: access.Sessions) -> None:
        self._sessions = sessions

    def on_get(self, req: falcon.Request, resp: falcon.Response, session: str) -> None:
        """Show a session of the client's own token."""
        found = self._own(req, session)
        resp.media = documents.session(found.id, found.user_name)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, session: str) -> None:
        """End a session of the client's own token."""
        self._sessions.end(self._own(req, session))
        resp.status = falcon.HTTP_204

    def _own(self, req: falcon.Request, id_: str) -> access.Session:
        for session in self._sessions.of(req.context.token):
            if session.id == id_:
                return session
        raise NotFound(f"there is no session {id_!r}")
