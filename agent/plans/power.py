"""The plans that start and stop hosts, and set what they boot from. Pure: facts in, a plan out."""

from collections.abc import Sequence

from agent.config import Config
from agent.errors import WrongState
from agent.hypervisor.facts import PowerFacts
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


def power(verb: str, facts: PowerFacts, config: Config) -> Plan:
    """Plan a verb on a host; a plan without steps when it is in the state asked for.

    Raises WrongState when the verb does not fit the state.
    """
    name = facts.definition.name
    does = f"{verb} host {name}"
    changes, finds = _STATES[verb]
    if facts.state in finds:
        return Plan(does, (), leave=True)
    if facts.state not in changes:
        fits = " or ".join(repr(state) for state in (*changes, *finds))
        raise WrongState(
            f"host {name!r} is in state {facts.state!r}, and {verb} takes one that is {fits}"
        )
    virsh = Virsh(config.libvirt_uri)
    uuid = facts.definition.uuid
    if verb == "start":
        return Plan(does, tuple(_start(facts, virsh, config)), leave=True)
    command = {
        "shutdown": virsh.shutdown,
        "stop": virsh.destroy,
        "reboot": virsh.reboot,
        "reset": virsh.reset,
    }[verb](uuid)
    return Plan(does, (Step(f"{verb} domain {name}", command),), leave=True)


def nmi(facts: PowerFacts, config: Config) -> Plan:
    """Plan to send a host a non-maskable interrupt; raises WrongState for one that does not run."""
    name = facts.definition.name
    if facts.state not in ("running", "idle"):
        raise WrongState(
            f"host {name!r} is in state {facts.state!r}, and an interrupt takes one that runs"
        )
    command = Virsh(config.libvirt_uri).inject_nmi(facts.definition.uuid)
    step = Step(f"send domain {name} a non-maskable interrupt", command)
    return Plan(f"interrupt host {name}", (step,), leave=True)


def would_end_installer(verb: str, facts: PowerFacts) -> WrongState:
    """The error for a verb that would end the installer of a host."""
    return WrongState(
        f"host {facts.definition.name!r} is in state {facts.state!r} and runs its installer,"
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


def _start(facts: PowerFacts, virsh: Virsh, config: Config) -> list[Step]:
    definition = facts.definition
    return [
        *ports.without_stale(definition, facts.stale_ports, config),
        Step(
            f"start domain {definition.name}",
            virsh.start(definition.uuid),
            (virsh.destroy(definition.uuid),),
        ),
        *ports.proof(ports.of_domain(definition, facts.networks), config),
    ]
