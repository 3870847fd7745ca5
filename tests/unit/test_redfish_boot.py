"""What a host boots from next: each request, each plan, and each start and restart with one set."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import FieldError, InvalidRequest, WrongState
from agent.hypervisor.facts import DomainDetails, StartFacts
from agent.plans import power
from agent.plans.boot_override import active, restart, set_override, start
from agent.plans.plan import Install, Plan, Step
from agent.redfish import documents, requests
from agent.redfish.documents import System
from agent.tools.command import Command
from agent.tools.commands.virsh import BOOT_URI, NO_DOMAIN
from agent.tools.parsers.libvirt_xml import BootOverride, Disk, Domain

from .test_power_plans import CONFIG, DESTROY, DOMAIN, START, UUID, facts, network, ovs, virsh

USUAL = ("disk", "network")
HOST = replace(
    DOMAIN,
    boot=USUAL,
    disks=(
        Disk("sda", "disk", "/pool/a.qcow2", None, None, ()),
        Disk("sdb", "cdrom", None, None, None, ()),
        Disk("sdc", "cdrom", "/pool/a.iso", None, None, ()),
    ),
    interfaces=facts("shut off", ("h1-0", "v10")).host.definition.interfaces,
)


def once(target: str, **more: Any) -> Domain:
    """The host with something to boot from once."""
    return replace(HOST, override=BootOverride("Once", target, USUAL), **more)


def continuous(target: str, kind: str, *more: str) -> Domain:
    """The host with something to boot from always, which is the first of its boot order."""
    override = BootOverride("Continuous", target, USUAL)
    return replace(HOST, override=override, boot=(kind, *more))


PXE_ALWAYS = continuous("Pxe", "network", "disk")
# Since it was set, the boot order has been set to what it usually is.
OVER = replace(PXE_ALWAYS, boot=USUAL)


def system(kept: Domain) -> System:
    return System({}, DomainDetails("shut off", False, kept, kept, {}, None))


@pytest.mark.parametrize(
    ("kept", "enabled", "target"),
    [
        (HOST, "Disabled", "None"),
        (once("Pxe"), "Once", "Pxe"),
        (once("Cd"), "Once", "Cd"),
        (PXE_ALWAYS, "Continuous", "Pxe"),
        (OVER, "Disabled", "None"),
        (replace(HOST, override=BootOverride("Once", "Floppy", USUAL)), "Disabled", "None"),
        (replace(HOST, override=BootOverride("", "", ())), "Disabled", "None"),
    ],
)
@pytest.mark.parametrize(("uefi", "mode"), [(False, "Legacy"), (True, "UEFI")])
def test_what_is_shown(kept: Domain, enabled: str, target: str, uefi: bool, mode: str) -> None:
    assert documents.boot(replace(kept, uefi=uefi)) == {
        "BootSourceOverrideEnabled": enabled,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": ["Once", "Continuous", "Disabled"],
        "BootSourceOverrideTarget": target,
        "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Hdd", "Cd"],
        "BootSourceOverrideMode": mode,
        "BootSourceOverrideMode@Redfish.AllowableValues": [mode],
    }


def boot(enabled: str | None = None, target: str | None = None, mode: str | None = None) -> Any:
    given = {"Enabled": enabled, "Target": target, "Mode": mode}
    return {f"BootSourceOverride{name}": value for name, value in given.items() if value}


@pytest.mark.parametrize(
    ("kept", "asked", "means"),
    [
        (HOST, boot("Once", "Pxe"), ("Once", "Pxe")),
        (HOST, boot("Once", "Hdd", "Legacy"), ("Once", "Hdd")),
        (HOST, boot("Continuous", "Cd"), ("Continuous", "Cd")),
        (HOST, boot("Disabled", "Cd"), ("Disabled", "Cd")),
        (HOST, boot("Disabled", "None"), ("Disabled", "None")),
        # One of the two alone: the other stays, and a target alone is for once.
        (HOST, boot(target="Pxe"), ("Once", "Pxe")),
        (HOST, boot(target="None"), ("Disabled", "None")),
        (HOST, boot("Disabled"), ("Disabled", "None")),
        (HOST, boot(mode="Legacy"), ("Disabled", "None")),
        (HOST, boot(), ("Disabled", "None")),
        (once("Pxe"), boot(target="Cd"), ("Once", "Cd")),
        (once("Pxe"), boot("Continuous"), ("Continuous", "Pxe")),
        (once("Pxe"), boot("Disabled"), ("Disabled", "Pxe")),
        (once("Pxe"), boot(target="None"), ("Disabled", "None")),
        (once("Pxe"), boot(mode="Legacy"), ("Once", "Pxe")),
        (PXE_ALWAYS, boot("Once"), ("Once", "Pxe")),
        (PXE_ALWAYS, boot(target="Hdd"), ("Continuous", "Hdd")),
        (PXE_ALWAYS, boot("Once", "Hdd"), ("Once", "Hdd")),
        (PXE_ALWAYS, boot(), ("Continuous", "Pxe")),
        (OVER, boot(target="Pxe"), ("Once", "Pxe")),
    ],
)
def test_what_a_request_means(kept: Domain, asked: Any, means: tuple[str, str]) -> None:
    assert requests.override({"Boot": asked}, system(kept)) == means


IS_UEFI = replace(HOST, uefi=True)
_ENABLED = "'{}' is not one of ['Once', 'Continuous', 'Disabled']"
_NEEDS = "{} needs a target other than None"
_FIELDS = "BootSourceOverrideEnabled, BootSourceOverrideTarget, BootSourceOverrideMode"


@pytest.mark.parametrize(
    ("kept", "asked", "refused"),
    [
        (HOST, boot("Once"), {"Target": _NEEDS.format("Once")}),
        (HOST, boot("Continuous"), {"Target": _NEEDS.format("Continuous")}),
        (HOST, boot("Once", "None"), {"Target": _NEEDS.format("Once")}),
        (PXE_ALWAYS, boot("Continuous", "None"), {"Target": _NEEDS.format("Continuous")}),
        (HOST, boot("once", "Pxe"), {"Enabled": _ENABLED.format("once")}),
        (
            HOST,
            boot("Always", "pxe", "BIOS"),
            {
                "Enabled": _ENABLED.format("Always"),
                "Target": "'pxe' is not one of ['None', 'Pxe', 'Hdd', 'Cd']",
                "Mode": "'BIOS' is not one of ['Legacy', 'UEFI']",
            },
        ),
        (
            HOST,
            {"BootSourceOverrideTarget": None},
            {"Target": "None is not one of ['None', 'Pxe', 'Hdd', 'Cd']"},
        ),
        (
            HOST,
            boot(target="Pxe", mode="UEFI"),
            {"Mode": "the firmware of this system boots in mode Legacy only"},
        ),
        (
            IS_UEFI,
            boot(mode="Legacy"),
            {"Mode": "the firmware of this system boots in mode UEFI only"},
        ),
    ],
)
def test_a_value_that_is_refused(kept: Domain, asked: Any, refused: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests.override({"Boot": asked}, system(kept))
    assert caught.value.errors == tuple(
        FieldError(f"Boot.BootSourceOverride{name}", why) for name, why in refused.items()
    )


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({}, "Boot", "is required"),
        ({"Boot": None}, "Boot", "None is not of type 'object'"),
        ({"Boot": []}, "Boot", "[] is not of type 'object'"),
        ([], "body", "[] is not of type 'object'"),
        (None, "body", "None is not of type 'object'"),
        (
            {"Boot": {"BootOrder": ["a"]}},
            "Boot.BootOrder",
            f"there is no such field; the fields are {_FIELDS}",
        ),
        (
            {"Boot": {}, "AssetTag": "a"},
            "AssetTag",
            "there is no such field; the fields are Boot",
        ),
    ],
)
def test_a_body_that_is_refused(body: Any, field: str, why: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        requests.override(body, system(HOST))
    assert caught.value.errors == (FieldError(field, why),)


def note(enabled: str, target: str) -> Command:
    set_ = f'<override enabled="{enabled}" target="{target}" before="disk network"/>'
    return virsh(
        *("metadata", f"--domain={UUID}", f"--uri={BOOT_URI}", "--key=boot"),
        *(f"--set={set_}", "--config"),
    )


def noted(enabled: str, target: str) -> Step:
    return Step(f"note that it boots from {target}: {enabled}", note(enabled, target))


def order(*kinds: str) -> Step:
    words = ",".join({"disk": "hd"}.get(kind, kind) for kind in kinds)
    return Step(
        f"have domain ns boot from {', '.join(kinds)}",
        Command(
            (
                *("virt-xml", "--connect=qemu:///system", UUID),
                *("--edit", f"--boot={words}", "--define"),
            )
        ),
    )


FORGET = virsh(
    *("metadata", f"--domain={UUID}", f"--uri={BOOT_URI}", "--remove", "--config"),
    tolerates=NO_DOMAIN,
)
FORGOTTEN = Step("forget what it was to boot from", FORGET)


@pytest.mark.parametrize(
    ("kept", "enabled", "target", "steps"),
    [
        (HOST, "Once", "Pxe", [noted("Once", "Pxe")]),
        (HOST, "Continuous", "Pxe", [order("network", "disk"), noted("Continuous", "Pxe")]),
        (HOST, "Continuous", "Hdd", [noted("Continuous", "Hdd")]),
        (HOST, "Continuous", "Cd", [order("cdrom", *USUAL), noted("Continuous", "Cd")]),
        (HOST, "Disabled", "None", []),
        (once("Pxe"), "Once", "Cd", [noted("Once", "Cd")]),
        (once("Pxe"), "Continuous", "Pxe", [order("network", "disk"), noted("Continuous", "Pxe")]),
        (once("Pxe"), "Disabled", "None", [FORGOTTEN]),
        # The usual order comes back as soon as it no longer lasts.
        (PXE_ALWAYS, "Once", "Cd", [order(*USUAL), noted("Once", "Cd")]),
        (PXE_ALWAYS, "Continuous", "Cd", [order("cdrom", *USUAL), noted("Continuous", "Cd")]),
        (PXE_ALWAYS, "Continuous", "Pxe", [noted("Continuous", "Pxe")]),
        (PXE_ALWAYS, "Disabled", "Pxe", [order(*USUAL), FORGOTTEN]),
        # An order that was set in the meantime is the usual one, and stays.
        (OVER, "Disabled", "None", [FORGOTTEN]),
        (OVER, "Once", "Pxe", [noted("Once", "Pxe")]),
    ],
)
def test_a_plan_to_set_one(kept: Domain, enabled: str, target: str, steps: list[Step]) -> None:
    assert set_override(enabled, target, kept, CONFIG) == Plan(
        "set what host ns boots from next", tuple(steps), leave=True
    )


def test_devices_with_an_order_of_their_own() -> None:
    """For once it would go first; for good libvirt would refuse both kinds of order."""
    own = replace(HOST, device_boot=True)
    assert set_override("Disabled", "Pxe", own, CONFIG).steps == ()
    for enabled in ("Once", "Continuous"):
        with pytest.raises(WrongState) as caught:
            set_override(enabled, "Pxe", own, CONFIG)
    assert caught.value.detail == (
        "host 'ns' has a boot order of single devices, which goes first; take it out with:"
        f" virsh edit {UUID}"
    )


@pytest.mark.parametrize("order_since", [("disk",), ("disk", "network"), ("cdrom", "network"), ()])
def test_an_order_that_is_set_natively_ends_one_that_was_to_last(order_since: Any) -> None:
    plan = power.set_boot(order_since or ("disk",), PXE_ALWAYS, CONFIG)
    assert plan.steps == (order(*(order_since or ("disk",))),)
    assert active(replace(PXE_ALWAYS, boot=order_since)) is None


OFF = virsh("domstate", f"--domain={UUID}")
V10 = network("v10", 10)
CHECK = Step(
    "see that each port has its VLANs",
    ovs("wait-until", "Port", "h1-0", "tag=10", "trunks=[]", "vlan_mode=[]"),
)


def fact(
    kept: Domain,
    state: str = "shut off",
    stale: tuple[str, ...] = (),
    *,
    runs: Domain | None = None,
    saved: bool = False,
) -> StartFacts:
    """The facts of a start of the host. runs: the form in which it runs, None for the kept one."""
    host = DomainDetails(state, False, runs or kept, kept, {}, None, saved)
    return StartFacts(host, {V10.name: V10}, stale)


def starts_once(target: str, *words: str, does: str = "start host ns") -> Plan:
    """The start from something once, which is followed like an install."""
    command = Command(
        (
            *("virt-install", "--connect=qemu:///system", f"--reinstall={UUID}"),
            *("--os-variant=detect=on,require=off", "--noautoconsole", "--noreboot", *words),
        )
    )
    return Plan(
        does,
        (
            Step("see that domain ns is off", replace(OFF, expects="shut off")),
            forgets(target),
            Step(f"start domain ns from {target} once", command, (DESTROY,)),
            CHECK,
        ),
        Install("ns", UUID, None, override=True),
    )


def forgets(target: str) -> Step:
    does = "forget what it was to boot from once"
    return Step(does, FORGET, (note("Once", target),))


STARTS = Plan("start host ns", (START, CHECK), leave=True)
LAST_DISK = {"boot": ("network", "disk")}


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (once("Pxe"), ("--pxe",)),
        (once("Cd"), ("--cdrom=/pool/a.iso",)),
        (once("Hdd", boot=("network", "disk")), ("--install=bootdev=hd",)),
    ],
)
def test_a_start_from_something_once(kept: Domain, words: tuple[str, ...]) -> None:
    target = kept.override.target if kept.override else ""
    assert start(fact(kept), CONFIG) == starts_once(target, *words)


def test_the_agents_own_media_go_before_another_disc() -> None:
    media = Disk("sdd", "cdrom", f"/pool/ns.{UUID}.media", None, None, ())
    kept = once("Cd", disks=(*HOST.disks, media), media="http://a/b.iso")
    assert start(fact(kept), CONFIG) == starts_once("Cd", f"--cdrom=/pool/ns.{UUID}.media")


@pytest.mark.parametrize(
    ("target", "has"),
    [
        ("Pxe", {"interfaces": ()}),
        ("Cd", {"disks": HOST.disks[:2]}),
        ("Hdd", {}),
        ("Hdd", {**LAST_DISK, "disks": HOST.disks[1:]}),
    ],
    ids=["no card", "no disc", "first anyway", "no disk"],
)
def test_a_start_without_what_it_should_boot_from(target: str, has: dict[str, Any]) -> None:
    """It boots as usual, and what was set is over."""
    kept = once(target, **has)
    check = (CHECK,) if kept.interfaces else ()
    assert start(fact(kept), CONFIG) == Plan("start host ns", (forgets(target), START, *check))


@pytest.mark.parametrize("kept", [HOST, PXE_ALWAYS, OVER])
def test_a_start_with_nothing_for_once(kept: Domain) -> None:
    assert start(fact(kept), CONFIG) == STARTS


@pytest.mark.parametrize("kept", [HOST, once("Pxe"), PXE_ALWAYS])
def test_a_start_of_one_that_runs(kept: Domain) -> None:
    """What is set stays set for the next start."""
    assert start(fact(kept, "running"), CONFIG) == Plan("start host ns", (), leave=True)


def test_a_start_for_once_removes_stale_ports() -> None:
    stale = fact(once("Pxe"), stale=("h1-0",))
    does = "remove ports that a crash left behind"
    remove = Step(does, ovs("--", "--if-exists", "del-port", "h1-0"))
    usual = starts_once("Pxe", "--pxe")
    assert start(stale, CONFIG).steps == (usual.steps[0], remove, *usual.steps[1:])


STOP = Step("stop domain ns", DESTROY)
RESET = Step("reset domain ns", virsh("reset", f"--domain={UUID}"))


@pytest.mark.parametrize("kept", [HOST, PXE_ALWAYS])
def test_a_restart_is_a_reset(kept: Domain) -> None:
    plan = restart(fact(kept, "running"), CONFIG)
    assert plan == Plan("reset host ns", (RESET,), leave=True)


@pytest.mark.parametrize("begins", [start, restart])
def test_one_that_is_saved_goes_on_where_it_was(begins: Callable[..., Plan]) -> None:
    kept = once("Pxe")
    assert begins(fact(kept, saved=True), CONFIG) == STARTS


def test_a_restart_of_one_that_is_off_is_its_start() -> None:
    assert restart(fact(HOST), CONFIG) == STARTS
    kept = once("Pxe")
    assert restart(fact(kept), CONFIG) == starts_once("Pxe", "--pxe")


@pytest.mark.parametrize("state", ["running", "idle", "paused", "crashed"])
def test_a_restart_with_something_for_once(state: str) -> None:
    kept = once("Pxe")
    steps = (STOP, *starts_once("Pxe", "--pxe").steps)
    assert restart(fact(kept, state, runs=HOST), CONFIG) == Plan(
        "restart host ns", steps, Install("ns", UUID, None, override=True)
    )


def test_a_restart_after_a_boot_for_once() -> None:
    """A reset would boot the same once more."""
    runs = replace(HOST, on_reboot="destroy")
    plan = restart(fact(HOST, "running", runs=runs), CONFIG)
    assert plan == Plan("restart host ns", (STOP, START, CHECK))
