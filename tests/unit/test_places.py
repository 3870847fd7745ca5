"""Places for requests that wait for commands."""

from contextlib import ExitStack

import pytest

from agent.errors import TooMany
from agent.http.places import Places


def test_some_places_are_left_to_reads() -> None:
    places = Places(4)
    with ExitStack() as taken:
        for _ in range(3):
            taken.enter_context(places.one(change=True))
        with pytest.raises(TooMany), places.one(change=True):
            pass
        with places.one():
            with pytest.raises(TooMany), places.one():
                pass
            with pytest.raises(TooMany), places.one(change=True):
                pass
    with places.one(change=True):
        pass


def test_reads_may_have_every_place() -> None:
    places = Places(1)
    with places.one(), pytest.raises(TooMany), places.one(change=True):
        pass
    with places.one(change=True), pytest.raises(TooMany), places.one():
        pass
    with places.one():
        pass


def test_a_place_is_free_after_an_error() -> None:
    places = Places(1)
    with pytest.raises(ValueError, match="odd"), places.one(change=True):
        raise ValueError("odd")
    with places.one(change=True):
        pass
