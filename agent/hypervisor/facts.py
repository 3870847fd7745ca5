"""What was read of the hypervisor: values that plans are built from and answers made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agent.tools.parsers import libvirt_xml
from agent.tools.parsers.virsh import Usage


class DomainRow(NamedTuple):
    """A domain as `list` has it."""

    uuid: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """The agent's pool: its folder, and by volume the images that it is laid over."""

    name: str
    path: str
    backing: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DomainDetails:
    """A domain with all that is shown of it.

    definition: the running one where it runs; kept: the one that its next start is from.
    saved: `virsh managedsave` has kept its memory, which its next start goes on with.
    capacities: bytes by target. pool: the agent's, without its volumes, None when there is none.
    """

    state: str
    autostart: bool
    definition: libvirt_xml.Domain
    kept: libvirt_xml.Domain
    capacities: dict[str, int]
    pool: PoolFacts | None
    saved: bool = False


@dataclass(frozen=True, slots=True)
class DomainUsage:
    """What a domain uses, which says nothing of one that is off."""

    state: str
    definition: libvirt_xml.Domain
    usage: Usage


@dataclass(frozen=True, slots=True)
class HostFigures:
    """What is measured of all domains: the state of each, and what those that run use, by name."""

    states: Sequence[str]
    usages: Mapping[str, Usage]


@dataclass(frozen=True, slots=True)
class StartFacts:
    """What the start of a domain has to know.

    networks: all of them, by name. stale_ports: ports on any bridge of domains that run no more.
    """

    host: DomainDetails
    networks: Mapping[str, libvirt_xml.Network]
    stale_ports: Sequence[str]


@dataclass(frozen=True, slots=True)
class InstallLook:
    """How a domain that is being installed is.

    installing: it is defined in the form that ends at the installer's reboot.
    """

    state: str
    reason: str
    installing: bool


class NetworkRow(NamedTuple):
    """A network as `net-list` has it: "active" or not, and "yes" or "no"."""

    name: str
    state: str
    autostart: str
    persistent: str


@dataclass(frozen=True, slots=True)
class NewHostFacts:
    """What a new host's plan has to know.

    domains: the names of all; macs: those of their cards. networks: all of them, by name.
    active_networks: the names of those that run. memory_mib: the hypervisor's own.
    """

    domains: frozenset[str]
    macs: frozenset[str]
    networks: Mapping[str, libvirt_xml.Network]
    active_networks: frozenset[str]
    bridges: frozenset[str]
    memory_mib: int
