"""Places for requests that wait for commands."""

import pytest

from agent.errors import TooMany
from agent.http.places import Places


def test_some_places_are_left_to_others() -> None:
    """Each of the places within is one of all."""
    every = Places(3)
    some = Places(2, within=every)
    some.take()
    some.take()
    with pytest.raises(TooMany):
        some.take()
    every.take()
    with pytest.raises(TooMany):
        every.take()
    some.give_back()
    some.take()


def test_a_place_that_is_not_to_be_had_takes_none() -> None:
    every = Places(1)
    some = Places(1, within=every)
    with every.one(), pytest.raises(TooMany):
        some.take()
    with some.one(), pytest.raises(TooMany):
        every.take()
    every.take()
