"""`python -m agent check`: whether this machine has what the agent needs."""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.access import tokens
from agent.access.control import require_authentication
from agent.cli.terminal import TerminalRunner
from agent.config import Config
from agent.errors import AgentError, ConfigError
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.virtualisation import VirtType

OK, WARNING, FAILED = "ok", "warning", "failed"
_TOOLS = ("virsh", "virt-install", "ovs-vsctl", "ovs-appctl", "qemu-img")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, whether it is "ok", a "warning" or "failed", and more."""

    what: str
    status: str
    detail: str


def run(args: argparse.Namespace, read_config: Callable[[], Config]) -> int:
    """Look at everything and print what was found; returns 1 when something has failed.

    It starts, and ends, one empty trial machine to see whether the hardware can be used.
    Raises ConfigError, which `--json` prints as well: with such settings nothing can be looked at.
    """
    try:
        findings = list(_findings(read_config()))
    except ConfigError as error:
        if args.json:
            _print_json([Finding("configuration", FAILED, error.detail)])
        raise
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
    # Configuration that cannot be read ends the command before it gets here.
    yield Finding("configuration", OK, "every setting can be used")
    yield _ask("who may come in", lambda: _access(config))
    for tool in _TOOLS:
        yield _tool(runner, tool)
    yield _ask(
        "libvirt", lambda: f"{hypervisor.libvirt_version()['version']} at {config.libvirt_uri}"
    )
    yield _ask("pool", lambda: _pool(hypervisor))
    yield _ask("Open vSwitch", lambda: str(hypervisor.openvswitch.version()["version"]))
    yield _bridge(hypervisor, config)
    yield _virtualisation(runner, config)
    yield _stale_ports(hypervisor)
    yield _folder("state folder", config.state_dir, "the agent makes it when it starts")
    yield _folder("console folder", config.console_dir, "libvirt's package makes it")
    root = os.geteuid() == 0
    yield Finding(
        "user",
        OK if root else WARNING,
        "root"
        if root
        else "not root: libvirt and Open vSwitch may refuse what the agent asks of them",
    )


def _tool(runner: TerminalRunner, tool: str) -> Finding:
    if shutil.which(tool) is None:
        return Finding(tool, FAILED, "it is not installed")
    return _ask(tool, lambda: runner.run([tool, "--version"]).stdout.splitlines()[0])


def _ask(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, OK, question())
    except AgentError as error:
        return Finding(what, FAILED, error.detail)
    except IndexError:
        return Finding(what, FAILED, "it does not say its version")


def _access(config: Config) -> str:
    require_authentication(config)
    if config.tokens_file:
        count = len(tokens.read(Path(config.tokens_file)))
        return f"who has a token: there are {count} in {config.tokens_file}"
    if config.socket_path() is not None:
        return f"whoever may open {config.socket_path()}"
    return f"whoever reaches {config.listen}, without authentication"


def _pool(hypervisor: Hypervisor) -> str:
    pool = hypervisor.pool_state()
    return (
        f"{pool['name']}, {pool['available_bytes'] >> 30} of {pool['capacity_bytes'] >> 30} GB free"
    )


def _bridge(hypervisor: Hypervisor, config: Config) -> Finding:
    try:
        bridges = hypervisor.openvswitch.bridges()
    except AgentError as error:
        return Finding("bridge", FAILED, error.detail)
    if config.bridge in bridges:
        return Finding("bridge", OK, config.bridge)
    has = ", ".join(bridges) or "none"
    return Finding("bridge", WARNING, f"there is no {config.bridge}; Open vSwitch has {has}")


def _virtualisation(runner: TerminalRunner, config: Config) -> Finding:
    what = "virtualisation"
    if config.virt_type != "auto":
        return Finding(what, OK, f"{config.virt_type}, by the configuration")
    trial = VirtType(runner, config)
    try:
        found = trial()
    except AgentError as error:
        return Finding(what, FAILED, error.detail)
    if found == "kvm":
        return Finding(what, OK, "hardware: a trial machine ran under KVM")
    return Finding(what, WARNING, f"emulation: {trial.why}")


def _stale_ports(hypervisor: Hypervisor) -> Finding:
    try:
        stale = hypervisor.networks.stale_ports()
    except AgentError as error:
        return Finding("stale ports", FAILED, error.detail)
    if not stale:
        return Finding("stale ports", OK, "none")
    return Finding(
        "stale ports",
        WARNING,
        f"{', '.join(stale)}: no machine that runs has them; remove each with:"
        " ovs-vsctl del-port NAME",
    )


def _folder(what: str, path: str, who: str) -> Finding:
    folder = Path(path)
    if not folder.is_dir():
        return Finding(what, WARNING, f"{path} is not there; {who}")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(what, FAILED, f"{path} cannot be written by this user")
    return Finding(what, OK, path)
