"""Access control: the tokens of clients, and requests that web pages of other sites make."""

import ipaddress
import re
from pathlib import Path
from urllib.parse import urlsplit

import falcon

from agent.access.tokens import READ_ONLY, Tokens, read
from agent.config import Config
from agent.errors import ConfigError, TokensUnusable

_REALM = 'Bearer realm="staging-agent"'
_READS = ("GET", "HEAD", "OPTIONS")
_JSON_OR_HTML = (falcon.MEDIA_JSON, falcon.MEDIA_HTML)


class AccessControl:
    """Lets a request in or refuses it, before anything else is done with it.

    The Host and Origin headers are looked at with tokens and without: a page on another site, in
    the browser of somebody who reaches the agent, must not be able to use it.
    """

    def __init__(self, config: Config) -> None:
        self.tokens = Tokens(Path(config.tokens_file)) if config.tokens_file else None
        self._open_health = config.open_health
        self._unix = config.socket_path() is not None
        names = {*config.server_names, "localhost"}
        if not self._unix:
            names.add(config.address()[0])
        self._any_address = not self._unix and _is_unspecified(config.address()[0])
        self._names = {_canonical(name) for name in names}

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Called by Falcon before routing, so that strangers do not learn which paths there are.

        Raises an HTTPError: 421, 403, 401, or 503 while the tokens cannot be read.
        """
        if self._unix and req.env.get("REMOTE_ADDR") == "localhost":
            # Waitress's word for who comes by a unix socket, and no address of anybody.
            req.env["REMOTE_ADDR"] = "unix"
        self._check_host(req)
        if req.method not in _READS:
            _check_origin(req)
        if self.tokens is not None and not self._is_open(req):
            _check_token(req, self.tokens)

    def _is_open(self, req: falcon.Request) -> bool:
        if req.method not in ("GET", "HEAD"):
            return False
        if req.path == "/":
            # A browser cannot send a token before the page has asked for it.
            return not req.auth and req.client_prefers(_JSON_OR_HTML) == falcon.MEDIA_HTML
        opened = self._open_health and req.path == "/health"
        return opened or req.path.startswith("/page/")

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
            description=f"the Host {given!a} is none of this agent's; its setting server_names"
            " is for the names that it is reached by",
        )


def _check_origin(req: falcon.Request) -> None:
    """Refuse a change that a web page of another site asks for; programs send none of these."""
    if (req.get_header("Sec-Fetch-Site") or "").lower() in ("cross-site", "same-site"):
        raise falcon.HTTPForbidden(description="a web page of another site asks for this change")
    origin = req.get_header("Origin")
    if origin is None:
        return
    try:
        host = urlsplit(origin.lower()).netloc
    except ValueError:
        host = ""
    if not host or host != (req.env.get("HTTP_HOST") or "").lower():
        raise falcon.HTTPForbidden(
            description=f"a web page of another site asks for this change: Origin {origin!a}"
        )


def _check_token(req: falcon.Request, tokens: Tokens) -> None:
    scheme, _, secret = (req.auth or "").strip().partition(" ")
    given = scheme.lower() == "bearer"
    try:
        token = tokens.find(secret.strip()) if given else None
    except TokensUnusable as error:
        # The reason is in the log; it is not for strangers.
        raise falcon.HTTPServiceUnavailable(
            description="the agent cannot read its tokens and refuses all requests; see its log",
            retry_after=5,
        ) from error
    if token is None:
        why = (
            "the token is unknown, or was revoked"
            if given
            else "this needs a token, in a header: Authorization: Bearer TOKEN"
        )
        challenge = _REALM + (', error="invalid_token"' if given else "")
        raise falcon.HTTPUnauthorized(description=why, challenges=[challenge])
    req.env["REMOTE_USER"] = token.name
    req.context.read_only = token.rights == READ_ONLY
    if token.rights == READ_ONLY and req.method not in _READS:
        raise falcon.HTTPForbidden(
            description=f"the token {token.name} is read-only; it may GET and change nothing"
        )


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
        f"listen: {config.listen} is not loopback, and whoever reaches the agent owns the"
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


def _is_unspecified(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified
