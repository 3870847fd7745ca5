"""The plan that installs a host again. Pure: a request and facts in, a plan out."""

import re
from dataclasses import dataclass

from agent.config import Config
from agent.errors import WrongState
from agent.hypervisor.facts import StartFacts
from agent.plans import ports
from agent.plans.disks import media_drive
from agent.plans.plan import Install, Plan, Step
from agent.plans.power import see_no_device_boot
from agent.tools.commands.virsh import Virsh
from agent.tools.commands.virt_install import Installer, reinstall

# The serial port of a PC, which is the one that libvirt logs.
_SERIAL_CONSOLE = "console=ttyS0"


@dataclass(frozen=True, slots=True)
class InstallRequest:
    """An install that a client asks for: from a location, from media, or else from the network.

    console: point the installer at the serial console. after_install: "start" the host or leave it
    "off" when its installer has ended, None for what the settings say.
    """

    location: str | None = None
    cmdline: str = ""
    console: bool = False
    cdrom: bool = False
    after_install: str | None = None


def installer(request: InstallRequest, media: str | None = None) -> Installer:
    """What virt-install has to boot. media: the path of the image in the host's drive."""
    cmdline = request.cmdline
    if request.console and not re.search(r"(^|\s)console=", cmdline):
        cmdline = f"{cmdline} {_SERIAL_CONSOLE}".strip()
    return Installer(request.location, cmdline, media if request.cdrom else None)


def install_again(request: InstallRequest, facts: StartFacts, config: Config) -> Plan:
    """Plan another install of a host that is off; its definition stays as it is.

    Raises WrongState when it is not off, or has not what it should boot from; and for one that is
    saved, since virt-install leaves what is saved (seen in 4.1): the start after the install would
    bring its old memory back over what the installer wrote.
    """
    host, definition = facts.host, facts.host.definition
    name, uuid = definition.name, definition.uuid
    if host.state != "shut off":
        raise WrongState(
            f"host {name!r} is in state {host.state!r}, and an install takes one that is"
            " 'shut off'; stop it first"
        )
    if host.saved:
        raise WrongState(
            f"host {name!r} has a saved state, which its next start goes on with; start it, or"
            f" forget that with: virsh managedsave-remove {uuid}"
        )
    if not request.location:
        # virt-install would let it boot as its devices say.
        see_no_device_boot(definition)
    drive = media_drive(definition)
    if request.cdrom and drive is None:
        raise WrongState(f"host {name!r} has no media to boot from; put some in first")
    if not (request.cdrom or request.location or definition.interfaces):
        raise WrongState(f"host {name!r} has no card to boot from the network with")
    virsh = Virsh(config.libvirt_uri)
    media = None if drive is None else drive.path
    start = Step(
        f"start domain {name} from its installer",
        reinstall(config.libvirt_uri, uuid, installer(request, media)),
        (virsh.destroy(uuid),),
    )
    steps = (
        # Whoever has started it since, by hand or with this plan, must not have it stopped.
        Step(f"see that domain {name} is off", virsh.domstate(uuid, expects="shut off")),
        *ports.around_start([start], definition, facts, config),
    )
    after = request.after_install or config.after_install
    return Plan(f"install host {name}", steps, Install(name, uuid, request.location, after))
