"""`python -m agent check`: whether this machine has what the agent needs."""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from agent.access import tokens
from agent.access.control import require_authentication
from agent.cli.command import Commands, add_command, settings
from agent.cli.terminal import TerminalRunner
from agent.config import Config
from agent.errors import AgentError, ConfigError
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.virtualisation import VirtType

OK, WARNING, FAILED = "ok", "warning", "failed"
_TOOLS = (
    *("virsh", "virt-install", "virt-xml", "ovs-vsctl", "ovs-appctl", "qemu-img"),
    *("curl", "prlimit"),
)
# A status, and what there is to say.
_Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, whether it is "ok", a "warning" or "failed", and more."""

    what: str
    status: str
    detail: str


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does = "check that this machine has what the agent needs"
    more = "Exits with 1 if a check failed. Starts one empty trial machine, and removes it."
    check = add_command(commands, "check", does, more, "check --json", _check)
    check.add_argument("--json", action="store_true", help="print JSON")


def _check(args: argparse.Namespace) -> int:
    try:
        config = settings(args)
    except ConfigError as error:
        if args.json:
            # Without settings nothing else can be looked at; a person reads the error.
            _print_json([Finding("configuration", FAILED, error.detail)])
        raise
    findings = list(_findings(config))
    if args.json:
        _print_json(findings)
    else:
        width = max(len(finding.what) for finding in findings)
        for finding in findings:
            print(f"{finding.what:<{width}}  {finding.status:<7}  {finding.detail}")
    return 1 if any(finding.status == FAILED for finding in findings) else 0


def _print_json(findings: Sequence[Finding]) -> None:
    print(json.dumps([asdict(finding) for finding in findings], indent=2))


def _findings(config: Config) -> Iterator[Finding]:
    runner = TerminalRunner(config.virsh_seconds)
    hypervisor = Hypervisor(runner, config)
    yield Finding("configuration", OK, "all settings are valid")
    looks: list[tuple[str, Callable[[], _Found]]] = [
        ("access", lambda: _access(config)),
        *((tool, partial(_tool, runner, tool)) for tool in _TOOLS),
        ("libvirt", lambda: _libvirt(hypervisor, config)),
        ("pool", lambda: _pool(hypervisor)),
        ("Open vSwitch", lambda: (OK, str(hypervisor.openvswitch.version()["version"]))),
        ("bridge", lambda: _bridge(hypervisor, config)),
        ("virtualisation", lambda: _virtualisation(runner, config)),
        ("stale ports", lambda: _stale_ports(hypervisor)),
        ("state folder", lambda: _folder(config.state_dir, "the agent creates it at its start")),
        ("console folder", lambda: _folder(config.console_dir, "libvirt's package creates it")),
        ("user", _user),
    ]
    for what, look in looks:
        try:
            yield Finding(what, *look())
        except AgentError as error:
            yield Finding(what, FAILED, error.detail)


def _access(config: Config) -> _Found:
    require_authentication(config)
    if config.tokens_file:
        count = len(tokens.read(Path(config.tokens_file)))
        return OK, f"clients with a token; {config.tokens_file} has {count}"
    if config.socket_path() is not None:
        return OK, f"anyone who can open {config.socket_path()}"
    return OK, f"anyone who can reach {config.listen}, without authentication"


def _tool(runner: TerminalRunner, tool: str) -> _Found:
    if shutil.which(tool) is None:
        return FAILED, "it is not installed"
    lines = runner.run([tool, "--version"]).stdout.splitlines()
    return (OK, lines[0]) if lines else (FAILED, "it did not print its version")


def _libvirt(hypervisor: Hypervisor, config: Config) -> _Found:
    return OK, f"{hypervisor.libvirt_version()['version']} at {config.libvirt_uri}"


def _pool(hypervisor: Hypervisor) -> _Found:
    pool = hypervisor.pool_state()
    free, size = pool["available_bytes"] >> 30, pool["capacity_bytes"] >> 30
    return OK, f"{pool['name']}, {free} of {size} GB free"


def _bridge(hypervisor: Hypervisor, config: Config) -> _Found:
    bridges = hypervisor.openvswitch.bridges()
    if config.bridge in bridges:
        return OK, config.bridge
    has = ", ".join(bridges) or "none"
    return WARNING, f"there is no {config.bridge}; Open vSwitch has {has}"


def _virtualisation(runner: TerminalRunner, config: Config) -> _Found:
    if config.virt_type != "auto":
        return OK, f"{config.virt_type}, set in the configuration"
    trial = VirtType(runner, config)
    if trial() == "kvm":
        return OK, "hardware: a trial machine ran under KVM"
    return WARNING, f"emulation: {trial.why}"


def _stale_ports(hypervisor: Hypervisor) -> _Found:
    stale = hypervisor.networks.stale_ports()
    if not stale:
        return OK, "none"
    return (
        WARNING,
        f"{', '.join(stale)}: no running machine uses them; remove each with:"
        " ovs-vsctl del-port NAME",
    )


def _folder(path: str, who: str) -> _Found:
    folder = Path(path)
    if not folder.is_dir():
        return WARNING, f"{path} does not exist; {who}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return FAILED, f"{path} cannot be written by this user"
    return OK, path


def _user() -> _Found:
    if os.geteuid() == 0:
        return OK, "root"
    return WARNING, "not root: libvirt and Open vSwitch may refuse the agent's commands"
