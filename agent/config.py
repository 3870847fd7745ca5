"""The agent's settings, read from a TOML file."""

import dataclasses
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_origin

from agent.errors import ConfigError

# More of anything, seconds or things, is a mistake.
_MOST = 1_000_000
UNIX = "unix:"
# With a path that fits into a sockaddr_un beside its terminating zero byte.
_MOST_UNIX_BYTES = len(UNIX) + 107

T = TypeVar("T")
# With the memory of a host to write or read.
_OF_SNAPSHOTS = ("virsh snapshot-create-as", "virsh snapshot-revert", "virsh snapshot-delete")
# Whether a value is valid, and what is said of one that is not.
Rule = tuple[Callable[[Any], object], str]


def _setting(default: T, *rules: Rule) -> T:
    """A field with that default, and the rules for any other value; of a tuple, for each item."""
    return dataclasses.field(default=default, metadata={"rules": rules})


def _number(default: T, least: float | None = None, most: float = _MOST) -> T:
    """A number of at least `least`, or above 0 without one, and of at most `most`."""
    above: Rule = (lambda value: value > 0, "is not more than 0")
    if least is not None:
        above = (lambda value: value >= least, f"is less than {least}")
    return _setting(default, above, (lambda value: value <= most, f"is more than {most}"))


def _text(default: str, *rules: Rule) -> str:
    printable: Rule = (lambda text: text and text.isprintable(), "is empty or not printable")
    return _setting(default, printable, *rules)


def _choice(*words: str) -> str:
    """One of some words, of which the first is the default."""
    return _setting(words[0], (lambda word: word in words, f"is not one of {', '.join(words)}"))


def _can_listen(listen: str) -> bool:
    found = re.fullmatch(rf"{UNIX}/.*[^/]|(?!{UNIX}).+:([0-9]{{1,5}})", listen)
    return found is not None and int(found[1] or 0) <= 65535


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


_LISTEN: Rule = (_can_listen, f"is neither ADDRESS:PORT nor {UNIX}/PATH")
_SHORT: Rule = (
    lambda listen: not listen.startswith(UNIX) or len(os.fsencode(listen)) <= _MOST_UNIX_BYTES,
    f"has a path of more than {_MOST_UNIX_BYTES - len(UNIX)} bytes",
)
_MODE: Rule = (re.compile("0?[0-7]{3}").fullmatch, "is not a mode such as '0660'")
_ABSOLUTE: Rule = (lambda path: Path(path).is_absolute(), "is not an absolute path")
_SERVER_NAME: Rule = (
    # With a port, or as a URL, no Host header could ever match it.
    lambda name: _is_address(name) or re.fullmatch(r"[A-Za-z0-9._-]+", name),
    "is neither a host name nor an address",
)
_PROXY: Rule = (
    lambda proxy: proxy == "unix" or _is_address(proxy),
    "is neither an IP address nor 'unix'",
)
_FOR_VIRT_INSTALL: Rule = (
    # It escapes these twice in the attributes of its XML (seen in 4.1).
    lambda text: not set(text) & set("&<>\"'"),
    "has one of & < > \" ', which virt-install garbles",
)


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its default and its bounds; `etc/agent.toml` says what each is for.

    Names that end in `_seconds` are in seconds. Raises ConfigError for a value out of bounds.
    """

    listen: str = _text("127.0.0.1:8420", _LISTEN, _SHORT)
    socket_mode: str = _text("0660", _MODE)
    socket_group: str = _text("")
    tokens_file: str = _text("", _ABSOLUTE)
    no_authentication: bool = False
    open_health: bool = False
    # Redfish bounds what a service may say of it.
    session_seconds: int = _number(1800, least=30, most=86400)
    sessions: int = _number(100)
    server_names: tuple[str, ...] = _setting((), _SERVER_NAME)
    trusted_proxy: str = _text("", _PROXY)
    state_dir: str = _text("/var/lib/staging-agent", _ABSOLUTE)
    threads: int = _number(64)
    connections: int = _number(1000)
    body_bytes: int = _number(65536)
    creates: int = _number(4)
    creates_waiting: int = _number(16, least=0)
    stop_seconds: float = _number(60.0)
    journal_days: float = _number(90.0)
    journal_operations: int = _number(10000)
    libvirt_uri: str = _text("qemu:///system")
    pool: str = _text("staging", _FOR_VIRT_INSTALL)
    pool_path: str = _text("/var/lib/libvirt/images/staging", _ABSOLUTE, _FOR_VIRT_INSTALL)
    bridge: str = _text("br0")
    virt_type: str = _choice("auto", "kvm", "qemu")
    machine: str = _text("q35", _FOR_VIRT_INSTALL)
    console_followers: int = _number(32)
    console_dir: str = _text("/var/log/libvirt/qemu", _ABSOLUTE, _FOR_VIRT_INSTALL)
    after_install: str = _choice("start", "off")
    rest_codes: bool = False
    media_gb: int = _number(16)
    # libvirtd accepts 20 unauthenticated connections at a time, and has 20 workers.
    warm_virsh: int = _number(4, least=0, most=16)
    # Of each of these limits of one new host, 0 means that there is none.
    host_memory: int = _number(0, least=0)
    host_vcpus: int = _number(0, least=0)
    host_disks: int = _number(0, least=0)
    host_disk_gb: int = _number(0, least=0)
    host_total_gb: int = _number(0, least=0)
    virsh_seconds: float = _number(60.0)
    virt_install_seconds: float = _number(600.0)
    media_seconds: float = _number(3600.0)
    snapshot_seconds: float = _number(600.0)
    # ovs-vsctl counts whole seconds.
    ovs_vsctl_seconds: float = _number(10.0, least=1)
    log_format: str = _choice("text", "json")
    log_level: str = _choice("info", "debug", "warning")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            given = getattr(self, field.name)
            if given == field.default:
                continue
            for value in given if isinstance(given, tuple) else (given,):
                for is_valid, wrong in field.metadata.get("rules", ()):
                    if not is_valid(value):
                        raise ConfigError(f"{field.name}: {value!r} {wrong}")
        if self.tokens_file and self.no_authentication:
            raise ConfigError("no_authentication: it contradicts tokens_file; set one of them")

    def socket_path(self) -> str | None:
        """Return the path of the unix socket that `listen` names, None for an ADDRESS:PORT."""
        return self.listen.removeprefix(UNIX) if self.listen.startswith(UNIX) else None

    def address(self) -> tuple[str, int]:
        """Return the host and the port of a `listen` that names no unix socket.

        Port 0 lets the kernel choose one.
        """
        host, _, port = self.listen.rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)

    def limits(self) -> dict[str, float]:
        """Return how many seconds commands may take, for the runner."""
        return {
            "virsh": self.virsh_seconds,
            "virt-install": self.virt_install_seconds,
            "prlimit curl": self.media_seconds,
            "virsh vol-upload": self.media_seconds,
            **dict.fromkeys(_OF_SNAPSHOTS, self.snapshot_seconds),
            # ovs-vsctl ends itself at its own --timeout; this is for when it does not.
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
    """A value of TOML as that of a field of type `wanted`; raises ConfigError for another type."""
    if wanted is float and type(value) is int:
        value = float(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = tuple(value)
    # Not isinstance: a bool is an int.
    if type(value) is not (get_origin(wanted) or wanted):
        raise ConfigError(f"{name}: {value!r} is not {_TYPE_WORDS[wanted]}")
    return value


_TYPE_WORDS = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    tuple[str, ...]: "a list of strings",
}
