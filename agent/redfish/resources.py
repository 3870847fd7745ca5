"""Redfish's resources: which document is at which path, and which action is which change."""

from collections.abc import Callable
from socket import gethostname
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import falcon

from agent.access.control import SESSIONS, AccessControl
from agent.compute.hosts import Hosts
from agent.config import Config
from agent.errors import WrongState
from agent.http.answers import etag, is_known, json_line, matches
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
from agent.redfish.sessions import Session, SessionCollection
from agent.tools.masking import masked

# A document of a system or of its manager, or of a part of it, from the system and the path.
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
        path = str(req.uri_template).format(id_=id_, **parts)
        document = self._document(self._reader.system(req, id_), path, **parts)
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
            system = System(shown, details)
            _see_etag(req, documents.system(system, system.path))

        change = self._hosts.set_override(host.shown["name"], id_, enabled, target, see)
        if self._changes.enact(change, body, req, resp):
            self.on_get(req, resp, id_)


class Volumes(OfSystem):
    """/redfish/v1/Systems/{id_}/Storage/1/Volumes"""

    def on_post(self, req: falcon.Request, resp: falcon.Response, id_: str) -> None:
        """Refuse to make one: clients of storage want a collection that takes the method."""
        if not self._reader.system(req, id_).targets:
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
    data = json_line(document)
    if not is_known(req, resp, etag(data)):
        resp.data = data


def _see_etag(req: falcon.Request, document: Json) -> None:
    """Raise a 412 when a client wants to change something else than what is there now."""
    if req.if_match and not matches(req.if_match, etag(json_line(document))):
        raise falcon.HTTPPreconditionFailed(
            description="the document has changed since its ETag was read; read it again"
        )


def add_redfish(
    app: "falcon.App[Any, Any]",
    hosts: Hosts,
    changes: Changes,
    places: Places,
    config: Config,
    access: AccessControl,
) -> None:
    """Add Redfish's paths, and its form of errors, to an application."""
    app.add_middleware(RedfishAnswers())
    reader = Reader(hosts, places)
    # The same at every start, and another one for another agent.
    uuid = str(uuid5(NAMESPACE_URL, f"{gethostname()} {config.listen} {config.state_dir}"))
    app.add_route("/redfish", Fixed(documents.versions()))
    app.add_route(documents.ROOT, Fixed(documents.service_root(uuid)))
    app.add_route(
        documents.SESSION_SERVICE, Fixed(documents.session_service(config.session_seconds))
    )
    app.add_route(SESSIONS, SessionCollection(access.sessions))
    app.add_route(f"{SESSIONS}/{{session}}", Session(access.sessions))
    app.add_route(documents.SYSTEMS, Collection(reader, documents.systems))
    app.add_route(documents.MANAGERS, Collection(reader, documents.managers))
    system, manager = f"{documents.SYSTEMS}/{{id_}}", f"{documents.MANAGERS}/{{id_}}"
    app.add_route(system, TheSystem(reader, hosts, changes))
    app.add_route(manager, OfSystem(reader, documents.manager))
    for part, document in (
        ("Processors", documents.processors),
        ("Processors/{number}", documents.processor),
        ("EthernetInterfaces", documents.cards),
        ("EthernetInterfaces/{number}", documents.card),
        ("Storage", documents.storages),
        (documents.STORAGE, documents.storage),
        (f"{documents.STORAGE}/Controllers", documents.controllers),
        (f"{documents.STORAGE}/Controllers/0", documents.controller),
        (f"{documents.STORAGE}/Drives/{{target}}", documents.drive),
        (f"{documents.STORAGE}/Volumes/{{target}}", documents.volume),
        ("SimpleStorage", documents.simple_storages),
        ("SimpleStorage/1", documents.simple_storage),
    ):
        app.add_route(f"{system}/{part}", OfSystem(reader, document))
    app.add_route(f"{system}/{documents.STORAGE}/Volumes", Volumes(reader, documents.volumes))

    def reset(name: str, id_: str, body: Any) -> Change:
        return hosts.reset(name, id_, requests.reset(body))

    def insert(name: str, id_: str, body: Any) -> Change:
        return hosts.insert_media(name, requests.image(body), id_)

    def eject(name: str, id_: str, body: Any) -> Change:
        requests.nothing(body)
        return hosts.eject_media(name, id_)

    app.add_route(f"{system}/Actions/ComputerSystem.Reset", Action(reader, changes, reset))
    for above in (system, manager):
        media = f"{above}/VirtualMedia"
        drive = f"{media}/{documents.DRIVE}"
        app.add_route(media, OfSystem(reader, documents.media_collection))
        app.add_route(drive, OfSystem(reader, documents.media))
        for name, change in (("InsertMedia", insert), ("EjectMedia", eject)):
            app.add_route(f"{drive}/Actions/VirtualMedia.{name}", Action(reader, changes, change))
