"""The agent's settings, read from a TOML file."""

import dataclasses
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

# More of anything, seconds or things, is a slip of the pen.
_MOST = 1_000_000
VIRT_TYPES = ("auto", "kvm", "qemu")
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning")
# libvirtd takes 20 connections that have not shown who they are, and has 20 workers.
MOST_WARM_VIRSH = 16
UNIX = "unix:"
# What fits into a sockaddr_un, its final zero left out.
_MOST_SOCKET_PATH_BYTES = 107
# Settings that may be left empty.
_MAY_BE_EMPTY = ("socket_group", "tokens_file", "trusted_proxy")
# Of which 0 means none, or no limit.
_LIMITS = (
    *("creates_waiting", "host_memory", "host_vcpus", "host_disks", "host_disk_gb"),
    "host_total_gb",
)


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its default; `etc/agent.toml` says what each is for.

    Names that end in `_seconds` are in seconds. Raises ConfigError for a value that
    cannot be.
    """

    listen: str = "127.0.0.1:8420"
    socket_mode: str = "0660"
    socket_group: str = ""
    tokens_file: str = ""
    no_authentication: bool = False
    open_health: bool = False
    server_names: tuple[str, ...] = ()
    trusted_proxy: str = ""
    state_dir: str = "/var/lib/staging-agent"
    threads: int = 64
    connections: int = 1000
    body_bytes: int = 65536
    creates: int = 4
    creates_waiting: int = 16
    stop_seconds: float = 60.0
    journal_days: float = 90.0
    journal_operations: int = 10000
    libvirt_uri: str = "qemu:///system"
    pool: str = "staging"
    pool_path: str = "/var/lib/libvirt/images/staging"
    bridge: str = "br0"
    virt_type: str = "auto"
    machine: str = "q35"
    console_followers: int = 32
    console_dir: str = "/var/log/libvirt/qemu"
    warm_virsh: int = 2
    host_memory: int = 0
    host_vcpus: int = 0
    host_disks: int = 0
    host_disk_gb: int = 0
    host_total_gb: int = 0
    virsh_seconds: float = 60.0
    virt_install_seconds: float = 600.0
    ovs_vsctl_seconds: float = 10.0
    log_format: str = "text"
    log_level: str = "info"

    def __post_init__(self) -> None:
        if self.socket_path() is None:
            self.address()
        for names, holds, wrong in _RULES:
            for name in names:
                value = getattr(self, name)
                if not holds(value) and not (value == "" and name in _MAY_BE_EMPTY):
                    raise ConfigError(f"{name}: {value!r} {wrong}")
        if self.tokens_file and self.no_authentication:
            raise ConfigError("no_authentication: it contradicts tokens_file; set one of them")
        for name in self.server_names:
            # With a port, or as a URL, no Host header could ever match it.
            if not (_is_address(name) or re.fullmatch(r"[A-Za-z0-9._-]+", name)):
                raise ConfigError(f"server_names: {name!r} is neither a host name nor an address")

    def socket_path(self) -> str | None:
        """The path of the unix socket that `listen` names, None for an ADDRESS:PORT."""
        if not self.listen.startswith(UNIX):
            return None
        path = self.listen.removeprefix(UNIX)
        if not Path(path).is_absolute() or path.endswith("/"):
            raise ConfigError(f"listen: {self.listen!r}: {path!r} is not an absolute path")
        if len(os.fsencode(path)) > _MOST_SOCKET_PATH_BYTES:
            raise ConfigError(
                f"listen: {self.listen!r}: the path of a socket has at most"
                f" {_MOST_SOCKET_PATH_BYTES} bytes"
            )
        return path

    def address(self) -> tuple[str, int]:
        """The host and the port of `listen`; port 0 lets the kernel choose one.

        There is none when `listen` names a unix socket.
        """
        host, colon, port = self.listen.rpartition(":")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"listen: {self.listen!r} is not ADDRESS:PORT")
        return host.removeprefix("[").removesuffix("]"), int(port)

    def limits(self) -> dict[str, float]:
        """The seconds that a command of each tool may take, for the runner."""
        return {
            "virsh": self.virsh_seconds,
            "virt-install": self.virt_install_seconds,
            # ovs-vsctl ends itself at its own --timeout; the runner's limit is for when not.
            "ovs-vsctl": self.ovs_vsctl_seconds + 5,
            "": self.virsh_seconds,
        }


def load(path: str | None, overrides: Mapping[str, str | None]) -> Config:
    """Read the settings of a file, None for the defaults, under those of the command line.

    overrides: settings by name; a None leaves the file's.
    Raises ConfigError, with the file and the line, when the file cannot be read, is not TOML, or
    has a setting that the agent does not know or of a wrong type.
    """
    settings, text = _settings(path) if path is not None else ({}, "")
    given = {name: value for name, value in overrides.items() if value is not None}
    settings.update(given)
    fields = {field.name: field for field in dataclasses.fields(Config)}
    try:
        for name, value in settings.items():
            if name not in fields:
                known = ", ".join(sorted(fields))
                raise ConfigError(f"{name}: no such setting; there are {known}")
            settings[name] = _typed(name, value, fields[name].type)
        return Config(**settings)
    except ConfigError as error:
        # The text begins with the setting that is wrong.
        name = error.detail.partition(":")[0]
        if path is None or name in given:
            raise
        line = _line(text, name)
        where = f"{path}: " if line is None else f"{path}, line {line}: "
        raise ConfigError(where + error.detail) from error


def _line(text: str, name: str) -> int | None:
    """The line of a TOML file, from 1, that sets that setting; tomllib does not tell."""
    key = re.escape(name)
    # As `name = ...`, quoted or not, as the table `[name]`, or the first of its dotted names.
    found = re.search(rf"""^[ \t]*\[*[ \t]*["']?{key}["']?[ \t]*[=.\]]""", text, re.MULTILINE)
    return None if found is None else text.count("\n", 0, found.start()) + 1


def _settings(path: str) -> tuple[dict[str, Any], str]:
    """The settings of a file, and its text."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode()
        return tomllib.loads(text), text
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _typed(name: str, value: Any, wanted: Any) -> Any:
    # bool is a subclass of int; an integer will do for a float.
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted == tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise ConfigError(f"{name}: {value!r} is not a list of strings")
    if isinstance(value, bool) != (wanted is bool) or not isinstance(value, wanted):
        raise ConfigError(f"{name}: {value!r} is not {_TYPE_WORDS[wanted]}")
    return value


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_TYPE_WORDS = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}

_TEXTS = [field.name for field in dataclasses.fields(Config) if field.type is str]
_NUMBERS = [field.name for field in dataclasses.fields(Config) if field.type in (int, float)]

# Settings, what has to hold of their values, and what is said of one of which it does not.
_RULES: tuple[tuple[Iterable[str], Callable[[Any], bool], str], ...] = (
    (
        ("state_dir", "pool_path", "console_dir", "tokens_file"),
        os.path.isabs,
        "is not an absolute path",
    ),
    (_TEXTS, lambda value: value != "" and value.isprintable(), "is empty or not printable"),
    (
        ("pool", "pool_path", "console_dir", "machine"),
        # It escapes them twice in the attributes of its XML (seen in 4.1).
        lambda value: not set("&<>\"'") & set(value),
        "has one of & < > \" ', which virt-install garbles",
    ),
    (
        ("socket_mode",),
        lambda value: re.fullmatch(r"0?[0-7]{3}", value) is not None,
        "is not a mode such as '0660'",
    ),
    (
        ("trusted_proxy",),
        lambda value: value == "unix" or _is_address(value),
        "is neither an IP address nor 'unix'",
    ),
    (("virt_type",), VIRT_TYPES.__contains__, f"is none of {', '.join(VIRT_TYPES)}"),
    (("log_format",), LOG_FORMATS.__contains__, f"is none of {', '.join(LOG_FORMATS)}"),
    (("log_level",), LOG_LEVELS.__contains__, f"is none of {', '.join(LOG_LEVELS)}"),
    (
        ("warm_virsh",),
        lambda value: 0 <= value <= MOST_WARM_VIRSH,
        f"is not 0 to {MOST_WARM_VIRSH}",
    ),
    (_LIMITS, lambda value: value >= 0, "is less than 0"),
    (sorted({*_NUMBERS} - {*_LIMITS, "warm_virsh"}), lambda value: value > 0, "is not more than 0"),
    (_NUMBERS, lambda value: value <= _MOST, f"is more than {_MOST}"),
    (
        ("ovs_vsctl_seconds",),
        lambda value: value >= 1,
        "is less than 1, and ovs-vsctl counts whole seconds",
    ),
)
