"""Finds by trying whether machines here run on the hardware or are emulated."""

import logging
import threading
import time
from xml.etree import ElementTree

from agent.config import Config
from agent.errors import NameTaken, NoRoom, OutOfReach, command_failure
from agent.tools.command import RunsCommands
from agent.tools.commands.virsh import Virsh

# One name for every trial: libvirt keeps a log of each name that it has run.
_TRIAL = "agent-trial"
_TRIES = 5

_log = logging.getLogger("agent")


class VirtType:
    """Says "kvm" or "qemu" for new hosts: the setting, or for "auto" what a trial found.

    The trial runs an empty machine as virt-install would make it. That `/dev/kvm` is there,
    or that libvirt lists KVM among its capabilities, is not enough: QEMU's user may not be
    allowed to open it, and a nested KVM may refuse what the host's processor model needs.
    """

    def __init__(self, runner: RunsCommands, config: Config) -> None:
        self._runner = runner
        self._config = config
        self._lock = threading.Lock()
        # What the trial ended with, where it found that KVM does not work.
        self.why = ""
        self._found: str | None = None if config.virt_type == "auto" else config.virt_type

    def __call__(self) -> str:
        """The type. The first call may take a second; raises OutOfReach without libvirt."""
        with self._lock:
            if self._found is not None:
                return self._found
            found = self._try()
            # Without room for the trial nothing is known of the hardware: try again next time.
            if found is not None:
                self._found = found
            return found or "qemu"

    def _try(self) -> str | None:
        xml = trial_xml(_TRIAL, self._config.machine)
        command = Virsh(self._config.libvirt_uri).trial(_TRIAL, xml)
        for _ in range(_TRIES):
            result = self._runner.run(command.argv, command.stdin)
            if result.exit_code == 0 and result.stdout.split("\n")[-3:-2] == ["running (booted)"]:
                _log.info("virtualisation: hardware (a trial machine ran under KVM)")
                return "kvm"
            failure = command_failure(command.argv, result.exit_code, result.stderr)
            if isinstance(failure, OutOfReach):
                raise failure
            if not isinstance(failure, NameTaken):
                break
            time.sleep(1)  # another agent tries at this very moment
        self.why = f"KVM does not work here: {failure.detail}"
        _log.info("virtualisation: emulation (%s)", self.why)
        return None if isinstance(failure, NoRoom) else "qemu"


def trial_xml(name: str, machine: str) -> str:
    """A domain of 16 MiB without a disk, with the processor that virt-install gives one on KVM."""
    root = ElementTree.Element("domain", type="kvm")
    ElementTree.SubElement(root, "name").text = name
    ElementTree.SubElement(root, "memory", unit="MiB").text = "16"
    system = ElementTree.SubElement(root, "os")
    ElementTree.SubElement(system, "type", machine=machine).text = "hvm"
    ElementTree.SubElement(root, "cpu", mode="host-passthrough")
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode") + "\n"
