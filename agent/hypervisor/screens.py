"""Pictures of hosts' screens."""

import os

from agent.config import Config
from agent.errors import InvalidOutput, WrongState, command_failure
from agent.hypervisor.hypervisor import Hypervisor, no_host
from agent.tools.commands.virsh import DOMAIN_OFF, NO_DOMAIN, NO_SCREEN, QEMU_GONE, Virsh
from agent.tools.run import Runner

_PNG = b"\x89PNG\r\n\x1a\n"


class Screens:
    """The screens of one hypervisor's hosts."""

    def __init__(self, hypervisor: Hypervisor, runner: Runner, config: Config) -> None:
        self._hypervisor = hypervisor
        self._runner = runner
        self._virsh = Virsh(config.libvirt_uri)

    def png(self, name: str) -> bytes:
        """A picture of a host's screen, a PNG.

        Raises NotFound, and WrongState for a host that is off or has no screen. QEMU before 7.1
        makes none but PPMs: then it raises InvalidOutput.
        """
        command = self._virsh.screenshot(self._hypervisor.domain_uuid(name))
        # In memory, so that nothing is left of it whenever the agent is killed.
        with open(os.memfd_create("screenshot"), "w+b") as output:
            result = self._runner.run(command.argv, output=output)
            output.seek(0)
            picture = output.read()
        if result.exit_code != 0:
            if any(text in result.stderr for text in NO_DOMAIN):
                raise no_host(name)
            if any(text in result.stderr for text in (DOMAIN_OFF, *QEMU_GONE)):
                raise WrongState(
                    f"host {name!r} is shut off, and has a screen only while it is running"
                )
            if NO_SCREEN in result.stderr:
                raise WrongState(f"host {name!r} has no screen")
            raise command_failure(command.argv, result.exit_code, result.stderr)
        if not picture.startswith(_PNG):
            raise InvalidOutput("virsh screenshot", picture[:16].decode("latin-1"), "not a PNG")
        return picture
