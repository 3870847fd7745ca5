"""The socket that the agent listens on: an address, or a unix socket with its file."""

import errno
import grp
import os
import shlex
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from agent.config import UNIX, Config
from agent.errors import ConfigError

_BACKLOG = 1024
# How long a server that has a socket may take to let a connection in.
_CONNECT_SECONDS = 1.0


@contextmanager
def listening(config: Config) -> Iterator[socket.socket]:
    """Listen where the settings say; raises ConfigError.

    The file of a unix socket that nobody listens on any more is replaced, and is removed at the
    end of the `with` block.
    """
    path = config.socket_path()
    if path is None:
        with _on_address(config) as listener:
            yield listener
        return
    with _on_path(config, path) as listener:
        ours = os.lstat(path)
        try:
            yield listener
        finally:
            # Not one that somebody else has put there since.
            with suppress(OSError):
                if os.path.samestat(ours, os.lstat(path)):
                    os.unlink(path)


def _on_address(config: Config) -> socket.socket:
    host, port = config.address()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"listen: {config.listen}: {error.strerror}") from error


def _on_path(config: Config, path: str) -> socket.socket:
    group = _group(config.socket_group)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(config, path)
        # The file has the mode of the socket from the first, so that nobody connects before
        # it has its group.
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        os.chown(path, -1, group)
        os.chmod(path, int(config.socket_mode, 8))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"listen: {config.listen}: {error.strerror}") from error
    except BaseException:
        listener.close()
        raise
    return listener


def _group(name: str) -> int:
    """The number of a group, -1 for none."""
    if not name:
        return -1
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigError(f"socket_group: there is no group {name!r}") from error


def _remove_stale(config: Config, path: str) -> None:
    """Remove a socket that a dead server has left; raises ConfigError for anything else."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ConfigError(f"listen: {config.listen}: it is a file, not a socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(_CONNECT_SECONDS)
        refused = trial.connect_ex(path) == errno.ECONNREFUSED
    if not refused:
        raise ConfigError(f"listen: {config.listen}: another server listens there")
    os.unlink(path)


def greeting(listener: socket.socket, config: Config) -> str:
    """What is printed once requests are answered: where, and what can be tried."""
    if listener.family == socket.AF_UNIX:
        path = listener.getsockname()
        where, base = UNIX + path, "http://localhost"
        curl = f"curl -s --unix-socket {shlex.quote(path)}"
    else:
        host, port = listener.getsockname()[:2]
        where = base = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        curl = "curl -s"
    made = ""
    if config.tokens_file:
        curl += ' -H "Authorization: Bearer $TOKEN"'
        made = ", with TOKEN from: python -m agent token add NAME --config FILE"
    host_body = '{"memory": 512, "disks": [8], "networks": ["vlan10"]}'
    return f"""ready: {where}

Try, in another terminal{made}:
  {curl} {base}/health
  {curl} {base}/networks/vlan10 -d '{{"bridge": "{config.bridge}", "vlan": 10}}'
  {curl} {base}/hosts/ns.example.com -d '{host_body}'
  {curl} {base}/hosts/ns.example.com
  {curl} -X DELETE {base}/hosts/ns.example.com
  {curl} -X DELETE {base}/networks/vlan10
"""
