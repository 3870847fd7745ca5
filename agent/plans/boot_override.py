"""The plans of a BMC: what a host is to boot from next, and starts that heed it. Pure."""

from dataclasses import replace

from agent.config import Config
from agent.hypervisor.facts import StartFacts
from agent.plans import ports, power
from agent.plans.disks import media_drive
from agent.plans.plan import Install, Plan, Step
from agent.tools.commands.virsh import BOOT_URI, Virsh
from agent.tools.commands.virt_install import Installer, reinstall
from agent.tools.parsers.libvirt_xml import BootOverride, Domain

ONCE, CONTINUOUS, DISABLED = ENABLED = ("Once", "Continuous", "Disabled")
# Redfish's targets, and what the boot order of a host has for each.
KINDS = {"Pxe": "network", "Hdd": "disk", "Cd": "cdrom"}


def active(host: Domain) -> BootOverride | None:
    """What a host is to boot from other than usual, None for as usual.

    host: its definition that is kept. One that was to last is over when its boot order has been
    set since.
    """
    override = host.override
    if override is None or override.target not in KINDS:
        return None
    lasts = override.enabled == ONCE or host.boot[:1] == (KINDS[override.target],)
    return override if lasts else None


def set_override(enabled: str, target: str, host: Domain, config: Config) -> Plan:
    """Plan what a host boots from at its next start, at all of them, or again as usual.

    enabled: "Once", "Continuous" or "Disabled"; target: one of KINDS, of no account with the last.
    host: its definition that is kept. Raises WrongState for one whose devices have a boot order of
    their own, which also goes before what it should boot from once.
    """
    name, uuid = host.name, host.uuid
    virsh = Virsh(config.libvirt_uri)
    if enabled != DISABLED:
        power.see_no_device_boot(host)
    now = active(host)
    usual = host.boot if now is None or now.enabled == ONCE else now.before
    boot = usual
    if enabled == CONTINUOUS:
        boot = (KINDS[target], *(kind for kind in usual if kind != KINDS[target]))
    steps = list(power.set_boot(boot, host, config).steps) if boot != host.boot else []
    if enabled != DISABLED:
        noted = virsh.note_boot(uuid, enabled, target, " ".join(usual))
        steps.append(Step(f"note that it boots from {target}: {enabled}", noted))
    elif host.override is not None:
        steps.append(Step("forget what it was to boot from", virsh.forget(uuid, BOOT_URI)))
    return Plan(f"set what host {name} boots from next", tuple(steps), leave=True)


def start(facts: StartFacts, config: Config) -> Plan:
    """Plan the start of a host, from what it is to boot from once where that is set.

    What it booted from once it leaves when its system reboots, and boots as usual from then on.
    Without what it should boot from once (no card, no disk, no disc in a drive) it boots as usual.
    One that is saved does not boot at all, and goes on where it was.
    """
    definition = facts.host.definition
    name, uuid = definition.name, definition.uuid
    override = active(definition)
    plan = power.start(facts, config)
    if override is None or override.enabled != ONCE or not plan.steps or facts.host.saved:
        return plan
    virsh = Virsh(config.libvirt_uri)
    noted = virsh.note_boot(uuid, ONCE, override.target, " ".join(override.before))
    # Before the start: it must not be done a second time when only this has failed.
    forget = Step("forget what it was to boot from once", virsh.forget(uuid, BOOT_URI), (noted,))
    installer = _installer(override.target, definition)
    if installer is None:
        return Plan(plan.does, (forget, *plan.steps))
    boot = Step(
        f"start domain {name} from {override.target} once",
        reinstall(config.libvirt_uri, uuid, installer),
        (virsh.destroy(uuid),),
    )
    steps = (
        Step(f"see that domain {name} is off", virsh.domstate(uuid, expects="shut off")),
        *ports.around_start([forget, boot], definition, facts, config),
    )
    return Plan(plan.does, steps, Install(name, uuid, None, override=True))


def restart(facts: StartFacts, config: Config) -> Plan:
    """Plan to reset a host at once; one that is off is started.

    When it is to boot from something else once, or has booted so, it is stopped and started: a
    reset would boot the same again.
    """
    host, kept = facts.host, facts.host.kept
    if host.state == "shut off":
        return start(facts, config)
    override = active(kept)
    once = override is not None and override.enabled == ONCE
    if not once and not host.definition.installs:
        return power.power("reset", host, config)
    name = kept.name
    stop = Step(f"stop domain {name}", Virsh(config.libvirt_uri).destroy(kept.uuid))
    off = replace(host, state="shut off", definition=kept)
    plan = start(replace(facts, host=off), config)
    return Plan(f"restart host {name}", (stop, *plan.steps), plan.install)


def _installer(target: str, host: Domain) -> Installer | None:
    """What virt-install has to boot once, None where the usual boot is all that there is."""
    if target == "Pxe":
        return Installer() if host.interfaces else None
    if target == "Hdd":
        disks = any(disk.device == "disk" for disk in host.disks)
        return Installer(disk=True) if disks and host.boot[:1] != ("disk",) else None
    discs = [disk for disk in host.disks if disk.device == "cdrom" and disk.path is not None]
    drive = media_drive(host) or next(iter(discs), None)
    return None if drive is None else Installer(cdrom=drive.path)
