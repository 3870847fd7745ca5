"""Takes over the settings that may change while the agent runs, and names those that may not."""

import dataclasses
import logging
import threading
from collections.abc import Callable

from agent.config import Config
from agent.errors import ConfigError
from agent.server import systemd

_log = logging.getLogger("agent")

# Every other setting is taken over by the next start.
LIVE = (
    "journal_days",
    "journal_operations",
    "log_format",
    "log_level",
    "media_seconds",
    "snapshot_seconds",
    "stop_seconds",
    "virsh_seconds",
    "virt_install_seconds",
)


class Reloader:
    """Reads the configuration again.

    config: what is in force. read: reads the new one, or raises ConfigError. apply: takes over
    what is in LIVE.
    """

    def __init__(
        self, config: Config, read: Callable[[], Config], apply: Callable[[Config], None]
    ) -> None:
        self._config = config
        self._read = read
        self._apply = apply
        self._lock = threading.Lock()

    def on_signal(self, number: int, frame: object) -> None:
        """Read it in a thread, as a signal handler has to."""
        threading.Thread(target=self.reload, name="reload", daemon=True).start()

    def reload(self) -> None:
        """Read it now; one that is wrong changes nothing, and the log says what is wrong."""
        with self._lock:
            systemd.reloading()
            try:
                self._take_over(self._read())
            except ConfigError as error:
                _log.error("the settings stay as they were: %s", error.detail)
            finally:
                systemd.ready()

    def _take_over(self, new: Config) -> None:
        before = self._config
        changed = [
            field.name
            for field in dataclasses.fields(Config)
            if getattr(before, field.name) != getattr(new, field.name)
        ]
        now = {name: getattr(new, name) for name in changed if name in LIVE}
        later = [name for name in changed if name not in LIVE]
        self._config = dataclasses.replace(before, **now)
        if now:
            self._apply(self._config)
        told = "; ".join(f"{name} is {value!r}" for name, value in now.items())
        _log.info("the settings were read again: %s", told or "none of those in force changed")
        if later:
            _log.warning("changed, but not before a restart: %s", ", ".join(later))
