"""Power: each verb on real machines in each state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from . import boot, libvirtd, stack
from .daemon import Agent, serving
from .faults import Faults
from .libvirtd import Libvirt
from .stack import BRIDGE, V10, own, virsh

NAME = own("ns")
BARE = {"memory": 64, "disks": [], "networks": []}
VERBS = ("start", "shutdown", "stop", "reboot", "reset")
ASYNC = {"Prefer": "respond-async"}
# What `virsh` is replaced by, to have a port's tag changed right after a start.
WRONG_TAG = f"""#!/bin/sh
PATH=${{PATH#*:}}
virsh "$@" || exit
case " $* " in
*" start "*)
    for port in $(ovs-vsctl --timeout=10 list-ports {BRIDGE}); do
        ovs-vsctl --timeout=10 set Port "$port" tag=99
    done
    ;;
esac
"""


def _put(agent: Agent, verb: str, name: str = NAME, **more: Any) -> Any:
    return agent.request("PUT", f"/hosts/{name}/{verb}", **more)


def _does_not_fit(verb: str, state: str, fits: str) -> str:
    return f"host {NAME!r} is in state {state!r}, and {verb} takes one that is {fits}"


FITS = {
    "start": "'shut off' or 'running' or 'idle'",
    "shutdown": "'running' or 'idle' or 'in shutdown'",
    "reboot": "'running' or 'idle'",
    "reset": "'running' or 'idle' or 'paused' or 'in shutdown'",
}


# Switches itself off once its power button is pressed.
HEEDS_BUTTON = boot.says(
    "booted",
    # poll: mov dx, 0x600; in ax, dx; test ah, 1; jz poll
    *(0xBA, 0x00, 0x06, 0xED, 0xF6, 0xC4, 0x01, 0x74, 0xF7),
    # mov dx, 0x604; mov ax, 0x2000; out dx, ax     off
    *(0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF),
    *boot.HALT,
    # mov dx, 0x602; mov ax, 0x100; out dx, ax      have the button noticed
    before=(0xBA, 0x02, 0x06, 0xB8, 0x00, 0x01, 0xEF),
)
# Tells its panic device that it has crashed: mov dx, 0x505; mov al, 1; out dx, al
PANICS = boot.says("booted", 0xBA, 0x05, 0x05, 0xB0, 0x01, 0xEE, *boot.HALT)


def test_a_host_that_is_off(agent: Agent) -> None:
    """It can be started, and stopped in vain; nothing else fits."""
    made = agent.post("hosts", NAME, body=BARE).body
    off = {**made, "state": "shut off"}
    assert _put(agent, "stop").body == off
    for verb in ("shutdown", "reboot", "reset"):
        answer = _put(agent, verb)
        detail = _does_not_fit(verb, "shut off", FITS[verb])
        assert (answer.status, answer.body["detail"]) == (409, detail)
    assert stack.state(NAME) == "shut off"
    again = _put(agent, "stop")
    assert (again.status, again.body) == (200, off)
    done = agent.get("operations", again.headers["x-operation-id"]).body
    assert (done["status"], done["host"], done["steps"], done["commands"]) == ("done", NAME, 0, [])
    started = _put(agent, "start")
    assert (started.status, started.body) == (200, made)
    assert stack.state(NAME) == "running"


def test_a_host_that_runs(agent: Agent) -> None:
    """To start it changes nothing; a guest without ACPI goes on at shutdown and reboot."""
    made = agent.post("hosts", NAME, body=BARE).body
    number = virsh("domid", NAME)
    for verb, steps in (("start", 0), ("shutdown", 1), ("reboot", 1), ("reset", 1)):
        answer = _put(agent, verb)
        assert (answer.status, answer.body) == (200, made)
        done = agent.get("operations", answer.headers["x-operation-id"]).body
        assert (done["status"], done["does"]) == ("done", f"{verb} host {NAME}")
        assert (done["steps"], done["steps_done"]) == (steps, steps)
        assert done["request"]["method"] == "PUT"
    assert virsh("domid", NAME) == number
    stopped = _put(agent, "stop")
    assert (stopped.status, stopped.body) == (200, {**made, "state": "shut off"})
    assert stack.state(NAME) == "shut off"


def test_a_host_that_is_paused(agent: Agent) -> None:
    """It can be reset and stopped; to start it would not resume it."""
    made = agent.post("hosts", NAME, body=BARE).body
    virsh("suspend", NAME)
    paused = {**made, "state": "paused"}
    for verb in ("start", "shutdown", "reboot"):
        answer = _put(agent, verb)
        detail = _does_not_fit(verb, "paused", FITS[verb])
        assert (answer.status, answer.body["detail"]) == (409, detail)
        assert stack.state(NAME) == "paused"
    answer = _put(agent, "reset")
    assert (answer.status, answer.body) == (200, paused)
    answer = _put(agent, "stop")
    assert (answer.status, answer.body) == (200, {**made, "state": "shut off"})


def test_a_host_that_has_crashed(agent: Agent) -> None:
    """libvirt keeps it as it is until it is stopped; to start it again takes both."""
    image = stack.POOL_PATH / f"{NAME}.raw"
    image.write_bytes(boot.disk(PANICS))
    devices = (
        "<panic model='isa'/>"
        f"<disk type='file'><driver name='qemu' type='raw'/><source file={quoteattr(str(image))}/>"
        "<target dev='sda' bus='sata'/></disk>"
    )
    xml = (
        f"<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>64</memory>"
        "<os><type machine='q35'>hvm</type></os><on_crash>preserve</on_crash>"
        f"<devices>{devices}</devices></domain>"
    )
    virsh("define", "/dev/stdin", stdin=xml)
    assert _put(agent, "start").status == 200
    stack.wait_for(lambda: stack.state(NAME) == "crashed", "a crash")
    for verb in ("start", "shutdown", "reboot", "reset"):
        answer = _put(agent, verb)
        detail = _does_not_fit(verb, "crashed", FITS[verb])
        assert (answer.status, answer.body["detail"]) == (409, detail)
    stopped = _put(agent, "stop")
    assert (stopped.status, stopped.body["state"]) == (200, "shut off")


def test_what_the_guest_sees_of_it(agent: Agent, tmp_path: Path) -> None:
    """It boots at start and reset, and switches itself off at shutdown and for a reboot."""
    assert agent.post("hosts", NAME, body={**BARE, "disks": [1]}).status == 200
    assert _put(agent, "stop").status == 200
    boot.put_on_disk(NAME, boot.disk(HEEDS_BUTTON), tmp_path)

    def boots(count: int) -> None:
        said = stack.wait_for(
            lambda: (said := stack.console(NAME)).count("booted") >= count and said, "a boot"
        )
        assert said.count("booted") == count

    assert _put(agent, "start").status == 200
    boots(1)
    assert _put(agent, "reset").status == 200
    boots(2)
    assert _put(agent, "reboot").status == 200
    boots(3)
    assert _put(agent, "shutdown").status == 200
    stack.wait_for(lambda: stack.state(NAME) == "shut off", "an end by its power button")
    assert virsh("domstate", "--reason", NAME).strip() == "shut off (shutdown)"


def test_a_start_on_the_wrong_vlan_is_taken_back(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """The host is off again, and its answer says what was wrong."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    made = agent.post("hosts", NAME, body={**BARE, "networks": [V10]}).body
    (card,) = made["interfaces"]
    assert _put(agent, "stop").status == 200
    with stack.unchanged():
        faults.replace("virsh", WRONG_TAG)
        answer = _put(agent, "start")
        assert answer.status == 503
        command = f"ovs-vsctl --timeout=5 wait-until Port {card['port']} tag=10"
        command += " 'trunks=[]' 'vlan_mode=[]'"
        assert answer.body["command"] == command
        assert "on its bridge with its VLANs" in answer.body["detail"]
        assert stack.state(NAME) == "shut off"
        found = agent.get("operations", answer.body["operation"]).body
        assert (found["status"], found["undo_commands"]) == ("undone", 1)


def test_stale_ports_do_not_capture_a_host(libvirt: Libvirt, tmp_path: Path) -> None:
    """One that was made by hand gets the next vnetN; a stale port of that name goes first."""
    other = own("other")
    switch = libvirt.switch
    card = f"<interface type='network'><source network={quoteattr(V10)}/></interface>"
    for name in (NAME, other):
        libvirt.virsh("define", "/dev/stdin", stdin=stack.domain_xml(name, card))
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as agent:
        assert agent.post("networks", V10, body={"bridge": BRIDGE, "vlan": 10}).status == 200
        libvirt.virsh("start", other)
        first = int(libvirt.port(other).removeprefix("vnet"))
        uuid = libvirt.virsh("domuuid", NAME).strip()
        for number in range(first + 1, first + 20):
            switch.add_internal_port(f"vnet{number}", f"external-ids:vm-id={uuid}")
        switch.add_internal_port("kept")
        answer = _put(agent, "start")
        assert (answer.status, answer.body["state"]) == (200, "running")
        assert switch.tag(libvirt.port(NAME)) == "10"
        assert switch.ports() == {"kept", libvirt.port(NAME), libvirt.port(other)}


def test_a_host_at_work_is_busy(start_agent: Callable[..., Agent], faults: Faults) -> None:
    """A second change of its power is refused, and told which operation holds it."""
    # That of a command that does not hang, too, on a busy machine.
    agent = start_agent(path=faults.path, virsh_seconds=15)
    assert agent.post("hosts", NAME, body=BARE).status == 200
    faults.at_operation(1, "hang")
    operation = _put(agent, "stop", headers=ASYNC).body["id"]
    stack.wait_for(faults.hangs, "a command that hangs")
    for verb in VERBS:
        answer = _put(agent, verb)
        assert (answer.status, answer.body["held_by"]) == (409, operation)

    found = agent.ended(operation)
    assert (found["status"], found["error"]["exit_code"]) == ("failed", None)
    assert stack.state(NAME) == "running"
