"""The plans that start and stop hosts, and set what they boot from. Pure: facts in, a plan out."""

from collections.abc import Sequence

from agent.config import Config
from agent.errors import WrongState
from agent.hypervisor.facts import DomainDetails, StartFacts
from agent.plans import ports
from agent.plans.plan import Plan, Step
from agent.tools.commands import virt_xml
from agent.tools.commands.virsh import Virsh
from agent.tools.parsers import libvirt_xml

# By verb: the states that it changes, and those that it finds as it should leave them.
_STATES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "start": (("shut off",), ("running", "idle")),
    "shutdown": (("running", "idle", "in shutdown"), ()),
    "stop": (
        ("running", "idle", "paused", "in shutdown", "crashed", "pmsuspended", "no state"),
        ("shut off",),
    ),
    "reboot": (("running", "idle"), ()),
    "reset": (("running", "idle", "paused", "in shutdown"), ()),
}
VERBS = tuple(_STATES)
# An installer that one of these ends looks like one that has done its work.
ENDS_INSTALLER = ("shutdown", "reboot", "reset")


def power(verb: str, host: DomainDetails, config: Config) -> Plan:
    """Plan a verb other than start; a plan without steps when the host is as it should be left.

    Raises WrongState when the verb does not fit the state.
    """
    virsh = Virsh(config.libvirt_uri)
    command = {
        "shutdown": virsh.shutdown,
        "stop": virsh.destroy,
        "reboot": virsh.reboot,
        "reset": virsh.reset,
    }[verb]
    name = host.definition.name
    step = Step(f"{verb} domain {name}", command(host.definition.uuid))
    return Plan(f"{verb} host {name}", (step,) if _has_to(verb, host) else (), leave=True)


def start(facts: StartFacts, config: Config) -> Plan:
    """Plan the start of a host, as `power` does a verb."""
    virsh, definition = Virsh(config.libvirt_uri), facts.host.definition
    name, uuid = definition.name, definition.uuid
    step = Step(f"start domain {name}", virsh.start(uuid), (virsh.destroy(uuid),))
    steps = ports.around_start([step], definition, facts, config)
    return Plan(f"start host {name}", steps if _has_to("start", facts.host) else (), leave=True)


def _has_to(verb: str, host: DomainDetails) -> bool:
    """Whether a verb has to change a host; raises WrongState when it does not fit its state."""
    changes, finds = _STATES[verb]
    if host.state in (*changes, *finds):
        return host.state in changes
    fits = " or ".join(repr(state) for state in (*changes, *finds))
    raise WrongState(
        f"host {host.definition.name!r} is in state {host.state!r}, and {verb} takes one that is"
        f" {fits}"
    )


def nmi(host: DomainDetails, config: Config) -> Plan:
    """Plan to send a host a non-maskable interrupt; raises WrongState for one that does not run."""
    name = host.definition.name
    if host.state not in ("running", "idle"):
        raise WrongState(
            f"host {name!r} is in state {host.state!r}, and an interrupt takes one that runs"
        )
    command = Virsh(config.libvirt_uri).inject_nmi(host.definition.uuid)
    step = Step(f"send domain {name} a non-maskable interrupt", command)
    return Plan(f"interrupt host {name}", (step,), leave=True)


def would_end_installer(verb: str, host: DomainDetails) -> WrongState:
    """The error for a verb that would end the installer of a host."""
    return WrongState(
        f"host {host.definition.name!r} is in state {host.state!r} and runs its installer,"
        f" which {verb} would interrupt; stop ends the install"
    )


def set_boot(boot: Sequence[str], host: libvirt_xml.Domain, config: Config) -> Plan:
    """Plan what a host boots from, from its next start on.

    host: its definition that is kept. Raises WrongState for one whose devices have an order of
    their own, which libvirt does not let be mixed.
    """
    see_no_device_boot(host)
    command = virt_xml.set_boot(config.libvirt_uri, host.uuid, boot)
    step = Step(f"have domain {host.name} boot from {', '.join(boot)}", command)
    return Plan(f"set what host {host.name} boots from", (step,), leave=True)


def see_no_device_boot(host: libvirt_xml.Domain) -> None:
    """Raise WrongState for a host whose devices have a boot order of their own: it goes first."""
    if host.device_boot:
        raise WrongState(
            f"host {host.name!r} has a boot order of single devices, which goes first; take it out"
            f" with: virsh edit {host.uuid}"
        )
