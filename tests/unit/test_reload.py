"""Settings that are read again."""

import dataclasses
from typing import Any

import pytest

from agent.config import Config
from agent.errors import ConfigError
from agent.server.reload import LIVE, Reloader


class Scene:
    """A configuration in force, the one in the file, and what was taken over."""

    def __init__(self, **settings: Any) -> None:
        self.file: Config | ConfigError = Config(**settings)
        self.applied: list[Config] = []
        self.reloader = Reloader(self.file, self._read, self.applied.append)

    def _read(self) -> Config:
        if isinstance(self.file, ConfigError):
            raise self.file
        return self.file


@pytest.fixture
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "agent")


pytestmark = pytest.mark.usefixtures("_log")
NOTHING = "the settings were read again: none of those in force changed"


def test_what_may_change_is_taken_over(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(virsh_seconds=5.0)
    scene.file = Config(
        virsh_seconds=7.0, media_seconds=9.0, snapshot_seconds=8.0, log_level="debug"
    )
    scene.reloader.reload()
    assert scene.applied == [scene.file]
    assert caplog.messages == [
        "the settings were read again: virsh_seconds is 7.0; media_seconds is 9.0;"
        " snapshot_seconds is 8.0; log_level is 'debug'"
    ]


def test_what_may_not_change_is_named_until_it_is_as_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.file = Config(
        pool="other", listen="127.0.0.1:1", rest_codes=True, media_gb=1, after_install="off"
    )
    scene.reloader.reload()
    later = "changed, but not before a restart: listen, pool, after_install, rest_codes, media_gb"
    assert (scene.applied, caplog.messages) == ([], [NOTHING, later])
    caplog.clear()
    scene.file = Config(pool="other", listen="127.0.0.1:1", stop_seconds=5.0)
    scene.reloader.reload()
    scene.reloader.reload()
    scene.file = Config(stop_seconds=5.0)
    scene.reloader.reload()
    assert scene.applied == [Config(stop_seconds=5.0)]
    later = "changed, but not before a restart: listen, pool"
    first = "the settings were read again: stop_seconds is 5.0"
    assert caplog.messages == [first, later, NOTHING, later, NOTHING]


def test_a_wrong_file_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.file = ConfigError("/a, line 2: threads: 0 is not more than 0")
    scene.reloader.reload()
    assert scene.applied == []
    assert caplog.messages == [
        "the settings stay as they were: /a, line 2: threads: 0 is not more than 0"
    ]


def test_those_that_may_change_are_settings() -> None:
    assert set(LIVE) < {field.name for field in dataclasses.fields(Config)}
