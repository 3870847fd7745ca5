"""What the unit tests share."""

import os
from collections.abc import Iterator

import pytest
from pytest_subprocess import FakeProcess

from .web import Agent


@pytest.fixture
def fp(fp: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcess]:
    """Fake commands, all of which have to be run; their process ids are nobody's to signal."""

    def no_signal(pid: int, number: int) -> None:
        raise AssertionError(f"signal {number} to the group of the fake process {pid}")

    monkeypatch.setattr(os, "killpg", no_signal)
    yield fp
    assert not fp.definitions


@pytest.fixture
def agent(fp: FakeProcess) -> Agent:
    """The application over fake commands."""
    return Agent(fp)
