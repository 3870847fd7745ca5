"""The folder of the agent's own files, which one agent has alone."""

import errno
import fcntl
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from agent.config import Config
from agent.errors import ConfigError

_log = logging.getLogger("agent")


@contextmanager
def state_folder(config: Config) -> Iterator[None]:
    """Hold the state folder: what holds a name is in memory, so one agent has it alone.

    Raises ConfigError when it cannot be had.
    """
    folder = Path(config.state_dir)
    with ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = stack.enter_context(_lock_file(folder / "lock"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"state_dir: another agent serves from {folder}") from error
        except OSError as error:
            raise ConfigError(f"state_dir: {error.filename}: {error.strerror}") from error
        yield


def _lock_file(path: Path) -> IO[bytes]:
    """The file to lock; on a disk that cannot be written, where reads go on, one that is there."""
    try:
        return open(path, "ab")
    except OSError as error:
        if error.errno != errno.EROFS or not path.exists():
            raise
        _log.error("%s: %s; no change is made", path, error.strerror)
        return open(path, "rb")
