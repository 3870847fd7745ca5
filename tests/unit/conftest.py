"""What the unit tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pytest_subprocess import FakeProcess

from agent.config import Config
from agent.operations import leftovers

from .fake_runner import World
from .web import Agent

# A busy machine is no failure.
hypothesis.settings.register_profile("unit", deadline=None)
hypothesis.settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_fetched_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a real virt-install fetched on this machine is none of these tests' business."""
    monkeypatch.setattr(leftovers, "_FETCHED", tmp_path / "fetched")


@pytest.fixture
def fp(fp: FakeProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProcess]:
    """Fake commands, all of which have to be run; their process ids are nobody's to signal."""

    def no_signal(pid: int, number: int) -> None:
        raise AssertionError(f"signal {number} to the fake process {pid}")

    monkeypatch.setattr(os, "kill", no_signal)
    monkeypatch.setattr(os, "killpg", no_signal)
    yield fp
    assert not fp.definitions


@pytest.fixture
def agent(fp: FakeProcess) -> Agent:
    """The application over fake commands."""
    return Agent(fp)


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    """The file of the tokens that `closed` accepts."""
    return tmp_path / "tokens"


@pytest.fixture
def closed(fp: FakeProcess, tokens_file: Path) -> Agent:
    """An application that wants tokens."""
    return Agent(fp, config=Config(tokens_file=str(tokens_file)))


@pytest.fixture
def world() -> World:
    """An executor and a recovery over fake commands."""
    return World()
