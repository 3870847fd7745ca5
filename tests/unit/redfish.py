"""Hosts for Redfish's resources that no command has to be faked for, and its errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import falcon.testing
import pytest

from agent.hypervisor.facts import DomainDetails, DomainRow
from agent.hypervisor.hypervisor import Hypervisor, no_host
from agent.hypervisor.networks import NetworkReads
from agent.tools.parsers.libvirt_xml import Domain, Network

ROOT = "/redfish/v1"


def details(kept: Domain, state: str = "shut off", runs: Domain | None = None) -> DomainDetails:
    """What is read of a host. runs: the form in which it runs, by default the one that is kept."""
    return DomainDetails(state, False, runs or kept, kept, {"sda": 1 << 30}, None)


def there_are(
    monkeypatch: pytest.MonkeyPatch, *hosts: DomainDetails, networks: Sequence[Network] = ()
) -> None:
    """Have these hosts and networks be all that the hypervisor has."""
    by_id = {host.kept.uuid: host for host in hosts}
    ids = {host.kept.name: host.kept.uuid for host in hosts}

    def domain_uuid(_: Hypervisor, name: str) -> str:
        if name not in ids:
            raise no_host(name)
        return ids[name]

    rows = [DomainRow(host.kept.uuid, host.kept.name, host.state) for host in hosts]
    monkeypatch.setattr(Hypervisor, "domain", lambda _, uuid: by_id.get(uuid))
    monkeypatch.setattr(Hypervisor, "domain_uuid", domain_uuid)
    monkeypatch.setattr(Hypervisor, "domains", lambda _: rows)
    by_name = {network.name: network for network in networks}
    monkeypatch.setattr(NetworkReads, "definitions", lambda _: by_name)
    monkeypatch.setattr(NetworkReads, "stale_ports", lambda _: ())


def message(
    status: int,
    id_: str,
    text: str,
    *args: str,
    related: str | None = None,
    oem: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A message of an error. related: the property that it is about."""
    return {
        "@odata.type": "#Message.v1_1_1.Message",
        "MessageId": f"Base.1.4.{id_}",
        "Message": text,
        "MessageArgs": list(args),
        "MessageSeverity": "Critical" if status >= 500 else "Warning",
        **({} if related is None else {"RelatedProperties": [f"#/{related}"]}),
        **({} if oem is None else {"Oem": {"StagingAgent": oem}}),
    }


def see_error(
    answer: falcon.testing.Result, status: int, *messages: dict[str, Any], text: str | None = None
) -> None:
    """Fail unless an answer is this Redfish error and no more. text: by default the message's."""
    headers = answer.headers
    assert (answer.status_code, headers["content-type"], headers["odata-version"]) == (
        status,
        "application/json",
        "4.0",
    )
    assert headers.get("retry-after") == ("5" if status == 503 else None)
    assert answer.json == {
        "error": {
            "code": messages[0]["MessageId"],
            "message": messages[0]["Message"] if text is None else text,
            "@Message.ExtendedInfo": list(messages),
        }
    }
