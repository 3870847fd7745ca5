"""Reads the facts about Open vSwitch."""

from typing import Any

from agent.config import Config
from agent.errors import command_failure
from agent.tools.command import Command, RunsCommands
from agent.tools.commands import ovs_appctl
from agent.tools.commands.ovs_vsctl import OvsVsctl
from agent.tools.parsers import ovs_vsctl as read


class OpenVswitch:
    """Reads Open vSwitch. Every method asks anew.

    Raises OutOfReach when a daemon does not answer, CommandTimeout past a limit,
    InvalidOutput for what it cannot read.
    """

    def __init__(self, runner: RunsCommands, config: Config) -> None:
        self._runner = runner
        self._config = config
        self._commands = OvsVsctl(int(config.ovs_vsctl_seconds))

    def bridges(self) -> tuple[str, ...]:
        """The bridges of Open vSwitch."""
        return tuple(read.bridges(self._run(self._commands.list_br())))

    def interfaces(self) -> list[read.Interface]:
        """Every interface, with its external ids."""
        return read.interfaces(self._run(self._commands.interfaces()))

    def version(self) -> dict[str, Any]:
        """Open vSwitch's version; asks both its database and the switch itself."""
        self.bridges()
        told = self._run(ovs_appctl.version(int(self._config.ovs_vsctl_seconds)))
        return {"version": told.strip()}

    def _run(self, command: Command) -> str:
        result = self._runner.run(command.argv, command.stdin)
        if result.exit_code != 0:
            raise command_failure(command.argv, result.exit_code, result.stderr)
        return result.stdout
