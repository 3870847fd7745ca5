"""Redfish's resources: which document is at which path, and which action is which change."""

from collections.abc import Callable, Sequence
from socket import gethostname
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import falcon

from agent.compute.hosts import Hosts
from agent.config import Config
from agent.errors import WrongState
from agent.http.places import Places
from agent.http.resources.changes import Changes
from agent.http.resources.request import json_body
from agent.http.shared_reads import SharedRead, SharedReads
from agent.hypervisor.facts import DomainDetails
from agent.hypervisor.hypervisor import no_host
from agent.operations.operation import Change
from agent.redfish import documents, requests
from agent.redfish.documents import Json, System
from agent.redfish.errors import RedfishAnswers
from agent.tools.masking import masked

# A document of a system, from the system and what follows in its path.
_Document = Callable[..., Json | None]


class Fixed:
    """A document that is always the same."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return it."""
        _answer(req, resp, self._document)


class Reader:
    """Reads hosts for documents."""

    def __init__(self, hosts: Hosts, places: Places) -> None:
        self._list = SharedRead(hosts.list, places)
        self._systems = SharedReads(lambda id_: System(*hosts.system(id_)), places)

    def ids(self, req: falcon.Request) -> list[str]:
        """The ids of the hosts that a client sees."""
        sees = req.context.rights.sees
        return [row["id"] for row in self._list() if sees(row["name"])]

    def system(self, req: falcon.Request, id_: str) -> System:
        """The host of that id, if the client sees it; raises NotFound."""
        system = self._systems(id_)
        if not req.context.rights.sees(system.shown["name"]):
            raise no_host(id_)
        return system


class Collection:
    """A document of all systems."""

    def __init__(self, reader: Reader, document: Callable[[list[str]], Json]) -> None:
        self._reader = reader
        self._document = document

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Return it."""
        _answer(req, resp, self._document(self._reader.ids(req)))


class OfSystem:
    """A document of one system or of a part of it."""

    def __init__(self, reader: Reader, document: _Document) -> None:
        self._reader = reader
        self._document = document

    def on_get(self, req: falcon.Request, resp: falcon.Response, id_: str, **parts: str) -> None:
        """Return it."""
        document = self._document(self._reader.system(req, id_), **parts)
        if document is None:
            raise falcon.HTTPNotFound
        _answer(req, resp, document)


class TheSystem(OfSystem):
    """/redfish/v1/Systems/{id_}"""

    def __init__(self, reader: Reader, hosts: Hosts, changes: Changes) -> None:
        super().__init__(reader, documents.system)
        self._hosts = hosts
        self._changes = changes

    def on_patch(self, req: falcon.Request, resp: falcon.Response, id_: str) -> None:
        """Set what it boots from next."""
        body = json_body(req)
        host = self._reader.system(req, id_)
        enabled, target = requests.override(body, host)

        def see(shown: Json, details: DomainDetails) -> None:
            _see_etag(req, documents.system(System(shown, details)))

        change = self._hosts.set_override(host.shown["name"], id_, enabled, target, see)
        if self._changes.enact(change, body, req, resp):
            _answer(req, resp, documents.system(self._reader.system(req, id_)))


class Volumes(OfSystem):
    """/redfish/v1/Systems/{id_}/Storage/{number}/Volumes"""

    def on_post(self, req: falcon.Request, resp: falcon.Response, id_: str, number: str) -> None:
        """Refuse to make one: clients of storage want a collection that takes the method."""
        if documents.volumes(self._reader.system(req, id_), number) is None:
            raise falcon.HTTPNotFound
        raise WrongState("every drive of this storage is a volume already; there is none left")


class Action:
    """An action of a system: a change that a body asks for.

    change: makes it, from the host's name and id, and the body.
    """

    def __init__(
        self, reader: Reader, changes: Changes, change: Callable[[str, str, Any], Change]
    ) -> None:
        self._reader = reader
        self._changes = changes
        self._change = change

    def on_post(self, req: falcon.Request, resp: falcon.Response, id_: str) -> None:
        """Do it."""
        # Clients send no body where there is nothing to say.
        body = json_body(req) if req.content_length else {}
        name = self._reader.system(req, id_).shown["name"]
        if self._changes.enact(self._change(name, id_, body), body, req, resp):
            resp.status, resp.media = falcon.HTTP_204, None


def _answer(req: falcon.Request, resp: falcon.Response, document: Json) -> None:
    """Answer a document with its ETag, or 304 to who has it already."""
    if req.context.rights.read_only:
        # Or a password could be guessed by the ETag.
        document = masked(document)
    tag = documents.etag(document)
    resp.etag = tag
    if req.if_none_match and _matches(req.if_none_match, tag):
        resp.status = falcon.HTTP_304
        return
    resp.media = document


def _see_etag(req: falcon.Request, document: Json) -> None:
    """Raise a 412 when a client wants to change something else than what is there now."""
    if req.if_match and not _matches(req.if_match, documents.etag(document)):
        raise falcon.HTTPPreconditionFailed(
            description="the document has changed since its ETag was read; read it again"
        )


def _matches(given: Sequence[object], tag: str) -> bool:
    # A weak one as well: clients send back what a proxy has made of it.
    return any(str(each) in ("*", tag) for each in given)


def add_redfish(
    app: "falcon.App[Any, Any]", hosts: Hosts, changes: Changes, places: Places, config: Config
) -> None:
    """Add Redfish's paths, and its form of errors, to an application."""
    app.add_middleware(RedfishAnswers())
    reader = Reader(hosts, places)
    # The same at every start, and another one for another agent.
    uuid = str(uuid5(NAMESPACE_URL, f"{gethostname()} {config.listen} {config.state_dir}"))
    app.add_route("/redfish", Fixed(documents.versions()))
    app.add_route(documents.ROOT, Fixed(documents.service_root(uuid)))
    app.add_route(documents.SYSTEMS, Collection(reader, documents.systems))
    app.add_route(documents.MANAGERS, Collection(reader, documents.managers))
    one = f"{documents.SYSTEMS}/{{id_}}"
    app.add_route(one, TheSystem(reader, hosts, changes))
    storage = "Storage/{number}"
    for path, document in (
        ("Processors", documents.processors),
        ("Processors/{number}", documents.processor),
        ("EthernetInterfaces", documents.cards),
        ("EthernetInterfaces/{number}", documents.card),
        ("Storage", documents.storages),
        (storage, documents.storage),
        (f"{storage}/Controllers", documents.controllers),
        (f"{storage}/Controllers/{{controller}}", documents.controller),
        (f"{storage}/Drives/{{target}}", documents.drive),
        (f"{storage}/Volumes/{{target}}", documents.volume),
        ("SimpleStorage", documents.simple_storages),
        ("SimpleStorage/{number}", documents.simple_storage),
    ):
        app.add_route(f"{one}/{path}", OfSystem(reader, document))
    app.add_route(f"{one}/{storage}/Volumes", Volumes(reader, documents.volumes))
    manager = f"{documents.MANAGERS}/{{id_}}"
    app.add_route(manager, OfSystem(reader, documents.manager))

    def reset(name: str, id_: str, body: Any) -> Change:
        return hosts.reset(name, id_, requests.reset(body))

    def insert(name: str, id_: str, body: Any) -> Change:
        return hosts.insert_media(name, requests.image(body), id_)

    def eject(name: str, id_: str, body: Any) -> Change:
        requests.nothing(body)
        return hosts.eject_media(name, id_)

    actions = "Actions/ComputerSystem.Reset"
    app.add_route(f"{one}/{actions}", Action(reader, changes, reset))
    for above, of in ((one, lambda host: host.path), (manager, lambda host: host.manager)):
        media = f"{above}/VirtualMedia"
        drive = f"{media}/{documents.DRIVE}"
        app.add_route(media, OfSystem(reader, _at(documents.media_collection, of)))
        app.add_route(drive, OfSystem(reader, lambda host, of=of: documents.media(host, of(host))))
        for name, change in (("InsertMedia", insert), ("EjectMedia", eject)):
            app.add_route(f"{drive}/Actions/VirtualMedia.{name}", Action(reader, changes, change))


def _at(document: Callable[[str], Json], of: Callable[[System], str]) -> _Document:
    return lambda host: document(of(host))
