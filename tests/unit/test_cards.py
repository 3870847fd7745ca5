"""The MACs of a host's cards: those that are given, and those that follow from its name."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import AlreadyExists
from agent.plans.cards import Card, derived_macs, macs

NS = "ns.example.com"
# SHA-256 of "ns.example.com 0 0" begins with 74bb5d8c2d, and so on.
FIRST, SECOND, THIRD = "02:74:bb:5d:8c:2d", "02:49:bb:c0:40:5c", "02:03:39:28:14:19"
FIRST_AGAIN, FIRST_AT_LAST = "02:7b:e9:95:26:ff", "02:68:59:62:8a:2a"
OWN = Card("vlan:10")


def given_mac(mac: str) -> Card:
    return Card("vlan:10", mac)


def test_the_rule() -> None:
    """Clients may work it out themselves, so that it must never change."""
    assert list(islice(derived_macs(NS, 0), 3)) == [FIRST, FIRST_AGAIN, FIRST_AT_LAST]
    assert [next(iter(derived_macs(NS, place))) for place in range(3)] == [FIRST, SECOND, THIRD]
    assert next(iter(derived_macs("ns", 0))) == "02:98:60:74:51:8e"


@pytest.mark.parametrize(
    ("cards", "taken", "found"),
    [
        ([], set(), []),
        ([OWN, OWN, OWN], set(), [FIRST, SECOND, THIRD]),
        # The place counts, whatever the cards before it have.
        ([given_mac("52:54:00:00:00:01"), OWN], set(), ["52:54:00:00:00:01", SECOND]),
        ([OWN], {FIRST}, [FIRST_AGAIN]),
        ([OWN], {FIRST, FIRST_AGAIN, SECOND}, [FIRST_AT_LAST]),
        # What another card of the host is given, before it or after it.
        ([OWN, given_mac(FIRST)], set(), [FIRST_AGAIN, FIRST]),
        ([given_mac(SECOND), OWN], set(), [SECOND, "02:f7:17:3b:1a:cb"]),
    ],
)
def test_the_macs_of_a_host(cards: list[Card], taken: set[str], found: list[str]) -> None:
    assert macs(NS, cards, taken) == found


def test_a_given_mac_that_is_taken() -> None:
    with pytest.raises(AlreadyExists) as caught:
        macs(NS, [OWN, given_mac(SECOND), given_mac(THIRD)], {THIRD})
    assert caught.value.detail == f"another host has a card with the MAC {THIRD} already"


CARDS = st.lists(
    st.just(OWN) | st.integers(0, (1 << 40) - 1).map(lambda low: given_mac(mac_of(low))),
    max_size=24,
    unique_by=lambda card: card.mac or object(),
)


def mac_of(low: int) -> str:
    """A MAC of some other kind than the derived ones."""
    return ":".join(f"{byte:02x}" for byte in (0x06, *low.to_bytes(5)))


@given(name=st.text(max_size=20), cards=CARDS, most=st.integers(0, 3))
def test_any_host_has_macs_of_its_own(name: str, cards: list[Card], most: int) -> None:
    """Unicast, locally administered, distinct, none that is taken, and the same each time."""
    taken = {mac for place in range(24) for mac in islice(derived_macs(name, place), most)}
    found = macs(name, cards, taken)
    assert found == macs(name, cards, set(taken))
    assert len(set(found)) == len(cards)
    assert not taken & set(found)
    for card, mac in zip(cards, found, strict=True):
        assert re.fullmatch("02(:[0-9a-f]{2}){5}", mac) if card.mac is None else mac == card.mac
