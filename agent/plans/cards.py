"""The cards of a new host, and the MACs that they have by themselves. Pure."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from agent.errors import AlreadyExists


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a client asks for: its network, and its MAC or None for the host's own."""

    network: str
    mac: str | None = None


def derived_macs(host: str, place: int) -> Iterator[str]:
    """The MACs of a host's card, best first; the same for that name on every hypervisor.

    place: of the card among the host's, from 0.
    They begin with 02: locally administered, unicast, and nothing that libvirt keeps for itself,
    as it does fe.
    """
    derivation = 0
    while True:
        digest = hashlib.sha256(f"{host} {place} {derivation}".encode()).digest()
        yield ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
        derivation += 1


def macs(host: str, cards: Sequence[Card], taken: Collection[str]) -> list[str]:
    """The MAC of each card of a new host.

    taken: the MACs of other domains. Raises AlreadyExists for a given one that is taken.
    """
    given = {card.mac for card in cards}
    for card in cards:
        if card.mac in taken:
            raise AlreadyExists(f"another host has a card with the MAC {card.mac} already")
    found: list[str] = []
    for place, card in enumerate(cards):
        found.append(
            card.mac
            or next(
                mac
                for mac in derived_macs(host, place)
                if mac not in taken and mac not in given and mac not in found
            )
        )
    return found
