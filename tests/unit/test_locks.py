"""Which operation holds which name."""

import pytest

from agent.errors import Busy
from agent.operations.locks import Claim, Locks

HOST = Claim("host", "a")
NETWORK = Claim("network", "vlan:10")
SHARED = Claim("network", "vlan:10", shared=True)


def refusal(locks: Locks, *claims: Claim) -> Busy | None:
    """How the claims of another operation are refused, None when they are granted."""
    try:
        locks.acquire(claims, "two")
    except Busy as busy:
        return busy
    locks.release("two")
    return None


@pytest.mark.parametrize(
    ("held", "asked", "granted"),
    [
        (HOST, HOST, False),
        (HOST, Claim("host", "b"), True),
        (HOST, Claim("network", "a"), True),
        (NETWORK, NETWORK, False),
        (NETWORK, SHARED, False),
        (SHARED, NETWORK, False),
        (SHARED, SHARED, True),
    ],
)
def test_who_may_hold_a_name_at_once(held: Claim, asked: Claim, granted: bool) -> None:
    locks = Locks()
    locks.acquire([held], "one")
    assert (refusal(locks, asked) is None) == granted
    locks.release("one")
    assert refusal(locks, asked) is None


def test_a_refusal_names_the_operation_that_holds_the_name() -> None:
    locks = Locks()
    locks.acquire([HOST], "one")
    busy = refusal(locks, HOST)
    assert busy is not None
    assert busy.detail == "operation one holds host 'a'; try again when it has ended"
    assert busy.facts() == {"held_by": "one"}


def test_all_claims_are_granted_or_none() -> None:
    locks = Locks()
    locks.acquire([NETWORK], "one")
    assert refusal(locks, HOST, NETWORK) is not None
    assert refusal(locks, HOST) is None


def test_all_claims_of_an_operation_end_at_once() -> None:
    locks = Locks()
    locks.acquire([HOST, SHARED], "one")
    assert refusal(locks, HOST) is not None
    assert refusal(locks, NETWORK) is not None
    locks.release("one")
    assert refusal(locks, HOST, NETWORK) is None


def test_an_operation_that_holds_nothing_may_let_go() -> None:
    locks = Locks()
    locks.acquire([HOST], "one")
    locks.release("two")
    assert refusal(locks, HOST) is not None


def test_shared_claims_end_one_by_one() -> None:
    locks = Locks()
    locks.acquire([SHARED], "one")
    locks.acquire([SHARED], "three")
    locks.release("three")
    assert refusal(locks, NETWORK) is not None
    locks.release("one")
    assert refusal(locks, NETWORK) is None
