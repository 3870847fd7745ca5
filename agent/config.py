"""The agent's settings, read from a TOML file."""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

# More of anything, seconds or things, is a slip of the pen.
_MOST = 1_000_000
VIRT_TYPES = ("auto", "kvm", "qemu")
# libvirtd takes 20 connections that have not shown who they are, and has 20 workers.
MOST_WARM_VIRSH = 16


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its default; `etc/agent.toml` says what each is for.

    Names that end in `_seconds` are in seconds. Raises ConfigError for a value that
    cannot be.
    """

    listen: str = "127.0.0.1:8420"
    state_dir: str = "/var/lib/staging-agent"
    threads: int = 64
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
    virsh_seconds: float = 60.0
    virt_install_seconds: float = 600.0
    ovs_vsctl_seconds: float = 10.0

    def __post_init__(self) -> None:
        self.address()
        for name in ("state_dir", "pool_path", "console_dir"):
            if not Path(getattr(self, name)).is_absolute():
                raise ConfigError(f"{name}: {getattr(self, name)!r} is not an absolute path")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and (not value or not value.isprintable()):
                raise ConfigError(f"{field.name}: {value!r} is empty or not printable")
            if field.name == "warm_virsh":
                if not 0 <= value <= MOST_WARM_VIRSH:
                    raise ConfigError(f"warm_virsh: {value!r} is not 0 to {MOST_WARM_VIRSH}")
            elif isinstance(value, int | float) and not value > 0:
                raise ConfigError(f"{field.name}: {value!r} is not more than 0")
            if isinstance(value, int | float) and not value <= _MOST:
                raise ConfigError(f"{field.name}: {value!r} is more than {_MOST}")
        if self.ovs_vsctl_seconds < 1:
            raise ConfigError("ovs_vsctl_seconds: ovs-vsctl counts whole seconds, from 1")
        for name in ("pool", "pool_path", "console_dir", "machine"):
            if set("&<>\"'") & set(getattr(self, name)):
                # It escapes them twice in the attributes of its XML (seen in 4.1).
                raise ConfigError(
                    f"{name}: {getattr(self, name)!r} has one of & < > \" ', which virt-install"
                    " garbles"
                )
        if self.virt_type not in VIRT_TYPES:
            raise ConfigError(f"virt_type: {self.virt_type!r} is none of {', '.join(VIRT_TYPES)}")

    def address(self) -> tuple[str, int]:
        """The host and the port of `listen`; port 0 lets the kernel choose one."""
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
    Raises ConfigError when the file cannot be read, is not TOML, or has a setting that the
    agent does not know or of a wrong type.
    """
    settings = _settings(path) if path is not None else {}
    settings.update({name: value for name, value in overrides.items() if value is not None})
    where = f"{path}: " if path is not None else ""
    fields = {field.name: field for field in dataclasses.fields(Config)}
    unknown = sorted(set(settings) - set(fields))
    if unknown:
        raise ConfigError(
            f"{where}{unknown[0]}: no such setting; there are {', '.join(sorted(fields))}"
        )
    for name, value in settings.items():
        settings[name] = _typed(where + name, value, fields[name].type)
    try:
        return Config(**settings)
    except ConfigError as error:
        raise ConfigError(where + error.detail) from error


def _settings(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error


def _typed(name: str, value: Any, wanted: Any) -> Any:
    # bool is a subclass of int; an integer will do for a float.
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, wanted):
        raise ConfigError(f"{name}: {value!r} is not {_TYPE_WORDS[wanted]}")
    return value


_TYPE_WORDS = {str: "a string", int: "an integer", float: "a number"}
