"""Access control: the tokens of clients, and requests that web pages of other sites make."""

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import falcon

from agent.access.rights import EVERYTHING, NOTHING, Rights
from agent.access.sessions import Sessions
from agent.access.tokens import Token, Tokens, read
from agent.config import Config
from agent.errors import ConfigError, TokensUnusable
from agent.hypervisor.hypervisor import no_host

SESSIONS = "/redfish/v1/SessionService/Sessions"
SESSION_HEADER = "X-Auth-Token"
# A client of Redfish finds there how to authenticate.
_OPEN_TO_READ = ("/redfish", "/redfish/v1")
_BEARER = 'Bearer realm="staging-agent"'
_BASIC = 'Basic realm="staging-agent", charset="UTF-8"'
_READS = ("GET", "HEAD", "OPTIONS")
_JSON_OR_HTML = (falcon.MEDIA_JSON, falcon.MEDIA_HTML)


class AccessControl:
    """Lets a request in or refuses it, before anything else is done with it.

    Every request gets, as `req.context.rights`, what its client may do, and as
    `req.context.token` the token that it authenticated with, None where nobody needs one.

    The Host and Origin headers are looked at with tokens and without: a page on another site, in
    the browser of somebody who reaches the agent, must not be able to use it.
    """

    def __init__(self, config: Config) -> None:
        self.tokens = Tokens(Path(config.tokens_file)) if config.tokens_file else None
        self.sessions = Sessions(self.tokens, config.session_seconds, config.sessions)
        self._open_health = config.open_health
        self._unix = config.socket_path() is not None
        host = "localhost" if self._unix else config.address()[0]
        self._names = {_canonical(name) for name in (*config.server_names, "localhost", host)}
        address = _address(host)
        self._any_address = address is not None and address.is_unspecified

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing, so that strangers do not learn which paths there are.

        Raises an HTTPError: 421, 403, 401, or 503 while the tokens cannot be read.
        """
        req.context.token, req.context.rights = None, NOTHING
        if self._unix and req.env.get("REMOTE_ADDR") == "localhost":
            # Waitress's word for who comes by a unix socket, and no address of anybody.
            req.env["REMOTE_ADDR"] = "unix"
        self._check_host(req)
        if req.method not in _READS:
            _check_origin(req)
        if self.tokens is None:
            req.context.rights = EVERYTHING
        elif not self._is_open(req):
            token = _token(req, self.tokens, self.sessions)
            req.env["REMOTE_USER"] = token.name
            req.context.token, req.context.rights = token, token.allows()
            _check_rights(req)

    def process_resource(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        resource: object,
        params: Mapping[str, str],
    ) -> None:
        """Called by Falcon with the route that was found, before its responder.

        For a token that is for some hosts only no other exists, on any path below a host's name.
        Raises NotFound or HTTPForbidden. What a responder tells of several hosts, it selects by
        itself.
        """
        rights: Rights = req.context.rights
        if not rights.limited:
            return
        route = req.uri_template or ""
        why = None
        if route.startswith("/hosts/{name}") and not rights.sees(params["name"]):
            if req.method != "POST":
                raise no_host(params["name"])
            why = f"{params['name']!r} is not one of them"
        elif "{network}" in route and req.method not in _READS:
            why = "networks are shared: it cannot change them"
        elif route == "/metrics":
            why = "the metrics cover all hosts"
        if why is not None:
            raise falcon.HTTPForbidden(
                description=f"the token {req.context.token.name} is for some hosts only, and {why}"
            )

    def _is_open(self, req: falcon.Request) -> bool:
        if req.method == "POST":
            return req.path == SESSIONS
        if req.method not in ("GET", "HEAD"):
            return False
        if req.path == "/":
            # A browser cannot send a token before the page has asked for it.
            return not req.auth and req.client_prefers(_JSON_OR_HTML) == falcon.MEDIA_HTML
        opened = self._open_health and req.path == "/health"
        return opened or req.path in _OPEN_TO_READ or req.path.startswith("/page/")

    def _check_host(self, req: falcon.Request) -> None:
        given = req.env.get("HTTP_HOST")
        # Every browser sends one; some health checkers do not.
        if given is None:
            return
        name = _canonical(_without_port(given))
        if name in self._names:
            return
        address = _address(name)
        if address is not None and (address.is_loopback or self._any_address):
            return
        raise falcon.HTTPError(
            421,
            description=f"the Host {given!a} is not a name of this agent; add it to the setting"
            " server_names",
        )


def _check_origin(req: falcon.Request) -> None:
    """Refuse a change that a web page of another site asks for; programs send none of these."""
    if (req.get_header("Sec-Fetch-Site") or "").lower() in ("cross-site", "same-site"):
        raise falcon.HTTPForbidden(description="a web page of another site sent this change")
    origin = req.get_header("Origin")
    if origin is None:
        return
    try:
        host = urlsplit(origin.lower()).netloc
    except ValueError:
        host = ""
    if not host or host != (req.env.get("HTTP_HOST") or "").lower():
        raise falcon.HTTPForbidden(
            description=f"a web page of another site sent this change: Origin {origin!a}"
        )


def unauthorized(req: falcon.Request, why: str, *, given: bool) -> falcon.HTTPUnauthorized:
    """The error for a client that is not known. given: whether it gave a token, or a session's."""
    challenges = [_BEARER + (', error="invalid_token"' if given else "")]
    if is_redfish(req.path):
        challenges.append(_BASIC)
    return falcon.HTTPUnauthorized(description=why, challenges=challenges)


@contextmanager
def tokens_readable() -> Iterator[None]:
    """Turn tokens that cannot be read into a 503, whose reason is in the log alone."""
    try:
        yield
    except TokensUnusable as error:
        raise falcon.HTTPServiceUnavailable(
            description="the agent cannot read its tokens and refuses all requests; see its log",
            retry_after=5,
        ) from error


def _token(req: falcon.Request, tokens: Tokens, sessions: Sessions) -> Token:
    """The token that a request is authenticated with, by itself or by a session."""
    session = req.get_header(SESSION_HEADER) if is_redfish(req.path) else None
    secret = _secret(req)
    token = None
    with tokens_readable():
        if session is not None:
            token = sessions.find(session)
        elif secret is not None:
            token = tokens.find(secret)
    if token is not None:
        return token
    if session is not None:
        raise unauthorized(req, "the session is unknown, or has ended", given=True)
    if secret is not None:
        raise unauthorized(req, "the token is unknown, or was revoked", given=True)
    why = "this needs a token, in a header: Authorization: Bearer TOKEN"
    if is_redfish(req.path):
        why += "; or as the password of HTTP Basic, or of a session"
    raise unauthorized(req, why, given=False)


def _secret(req: falcon.Request) -> str | None:
    """What a request gives as a token; None when it gives none."""
    scheme, _, given = (req.auth or "").strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return given.strip()
        case "basic" if is_redfish(req.path):
            try:
                decoded = base64.b64decode(given.strip(), validate=True).decode("utf-8", "replace")
            except ValueError:
                return ""
            return decoded.partition(":")[2]
    return None


def _check_rights(req: falcon.Request) -> None:
    """Refuse a change by a token that is read-only; it may end a session all the same."""
    ends = req.method == "DELETE" and req.path.startswith(f"{SESSIONS}/")
    if req.context.rights.read_only and req.method not in _READS and not ends:
        name = req.context.token.name
        raise falcon.HTTPForbidden(
            description=f"the token {name} is read-only; it permits only GET, HEAD and OPTIONS"
        )


def is_redfish(path: str) -> bool:
    """Whether a path is one of Redfish's."""
    return path == "/redfish" or path.startswith("/redfish/")


def require_authentication(config: Config) -> None:
    """Raise ConfigError when the agent would let everybody in and nobody has said so.

    Also for tokens that cannot be read, and for a proxy that could not be the one that is meant:
    not a matter of each setting, since `listen` may be of the command line.
    """
    if config.tokens_file:
        read(Path(config.tokens_file))
    if config.trusted_proxy and (config.trusted_proxy == "unix") != bool(config.socket_path()):
        raise ConfigError(
            f"trusted_proxy: nothing from {config.trusted_proxy!r} can reach {config.listen}"
        )
    if config.tokens_file or config.no_authentication or config.socket_path() is not None:
        return
    host = config.address()[0]
    address = _address(host)
    # Names are not looked up: what they lead to may change.
    if host.lower() == "localhost" or (address is not None and address.is_loopback):
        return
    raise ConfigError(
        f"listen: {config.listen} is not loopback, and anyone who can reach the agent controls the"
        " hypervisor; set tokens_file (or no_authentication = true)"
    )


def _without_port(host: str) -> str:
    """A Host header without its port; an IPv6 address in it without its brackets."""
    found = re.fullmatch(r"(?:\[([^]]*)\]|([^:]*))(?::[0-9]*)?", host)
    return (found[1] or found[2] or "") if found else ""


def _canonical(name: str) -> str:
    """A name or an address in the one way of writing it that is compared."""
    address = _address(name)
    return name.lower().removesuffix(".") if address is None else str(address)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
