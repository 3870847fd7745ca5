"""The four changes that a client can ask for: what each reads first, and its whole plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.plans.plan import Plan, Step
from agent.tools.command import Command
from agent.tools.commands.virsh import NO_DOMAIN

from .recorded import URI, Read, virsh
from .test_http_networks import BODY as NETWORK_BODY
from .test_http_networks import NAME as NETWORK
from .test_http_networks import XML, expect_new_network
from .test_http_networks import expect_delete_facts as expect_unused
from .web import (
    EMPTY_LIST,
    LIST,
    LIST_BR,
    MEMORY,
    NET_ACTIVE,
    NET_UUIDS,
    NETWORKS,
    NONE_RUNNING,
    POOL,
    POOL_INFO,
    POOL_XML,
    RUNNING,
    Agent,
    definitions,
    uuid,
)

HOST = "fixture.example.com"
BODY = {"memory": 16, "disks": [1, 1], "networks": ["fixture: żółw", "fixture-untagged"]}


def expect_facts(agent: Agent, listed: Read = EMPTY_LIST) -> None:
    """The reads before a create."""
    some = listed is not EMPTY_LIST
    running = RUNNING if some else NONE_RUNNING
    agent.reads(listed, running, NET_UUIDS, NET_ACTIVE, POOL_INFO, MEMORY)
    agent.reads(*NETWORKS)
    if some:
        agent.reads(*definitions())
    agent.runs(*LIST_BR, stdout="fixbr0\n")


# Derived from the host's name: SHA-256 of "fixture.example.com 0 0" and "fixture.example.com 1 0".
MACS = ("02:25:8f:f4:ca:93", "02:95:07:7f:50:52")
LOG = f"/var/log/libvirt/qemu/{uuid(1)}.console.log"


def volume(index: int) -> str:
    """A volume of the host that is made. The recorded ones have the names of earlier versions."""
    return f"{HOST}.{uuid(1)}.{index}.qcow2"


def vol_create_as(index: int) -> tuple[str, ...]:
    name = f"--name={volume(index)}"
    return ("vol-create-as", "--pool=fixture-pool", name, "--capacity=1GiB", "--format=qcow2")


def vol_delete(name: str) -> tuple[str, ...]:
    return ("vol-delete", "--pool=fixture-pool", f"--vol={name}")


def undefine(number: int) -> tuple[str, ...]:
    return (
        *("undefine", f"--domain={uuid(number)}", "--managed-save", "--nvram"),
        *("--snapshots-metadata", "--checkpoints-metadata"),
    )


def disk(index: int) -> str:
    return (
        f'--disk=vol="fixture-pool/{volume(index)}",bus=scsi,address.type=drive,'
        f"address.controller=0,address.bus=0,address.target={index},address.unit=0"
    )


VIRT_INSTALL = (
    "virt-install",
    "--connect=qemu:///system",
    f"--name={HOST}",
    f"--metadata=uuid={uuid(1)}",
    "--memory=16",
    "--vcpus=1",
    "--machine=q35",
    "--virt-type=qemu",
    "--os-variant=detect=on,require=off",
    "--controller=type=scsi,model=virtio-scsi",
    disk(0),
    disk(1),
    f'--network=network="fixture: żółw",mac={MACS[0]},model=virtio,target.dev=h0000000000-0',
    f'--network=network="fixture-untagged",mac={MACS[1]},model=virtio,target.dev=h0000000000-1',
    "--graphics=vnc,listen=127.0.0.1",
    f'--serial=pty,log.file="{LOG}",log.append=on',
    "--noautoconsole",
    "--import",
    "--boot=hd,network",
)
WAIT = (
    *("ovs-vsctl", "--timeout=10", "wait-until", "Port", "h0000000000-0", "tag=10"),
    *("trunks=[]", "vlan_mode=[]"),
    *("--", "wait-until", "Port", "h0000000000-1", "tag=[]", "trunks=[]", "vlan_mode=[]"),
)


VOLUMES = ("fixture.example.com.0.qcow2", "fixture.example.com.1.qcow2", "overlay.qcow2")


def expect_delete_facts(agent: Agent) -> None:
    agent.reads(LIST)
    agent.reads(LIST, RUNNING)
    agent.reads(*definitions())
    rows = "".join(f" {name}   {POOL}/{name}\n" for name in VOLUMES)
    agent.reads(POOL_XML, Read("vol-list fixture-pool", f" Name   Path\n-----\n{rows}\n"))
    agent.reads(
        *(
            Read(
                f"vol-dumpxml --pool fixture-pool --vol {name}",
                virsh("vol-dumpxml-overlay" if name == "overlay.qcow2" else "vol-dumpxml-base"),
            )
            for name in VOLUMES
        )
    )


@dataclass(frozen=True)
class Case:
    """One change. expect: registers its reads. plan: what comes of them."""

    method: str
    path: str
    body: Any
    expect: Callable[[Agent], None]
    plan: Plan

    def ask(self, agent: Agent, **more: Any) -> Any:
        """Ask for it; answers the response."""
        if self.body is not None:
            more["json"] = self.body
        return agent(self.method, self.path, **more)

    def expect_steps(self, agent: Agent) -> None:
        """Expect the commands of the plan, all of which succeed."""
        for step in self.plan.steps:
            agent.runs(*step.command.argv)


def _virsh(*words: str, stdin: str | None = None, tolerates: tuple[str, ...] = ()) -> Command:
    return Command(("virsh", f"--connect={URI}", *words), stdin, tolerates)


def _delete_volume(name: str) -> Command:
    return _virsh(*vol_delete(name), tolerates=("Storage volume not found",))


def _make_volume(index: int) -> Step:
    return Step(
        f"make disk {volume(index)} of 1 GiB",
        _virsh(*vol_create_as(index)),
        (_delete_volume(volume(index)),),
    )


_STOP = _virsh(*("destroy", f"--domain={uuid(1)}"), tolerates=("domain is not running", *NO_DOMAIN))
_UNDEFINE = _virsh(*undefine(1), tolerates=NO_DOMAIN)
_DEL_PORTS = Command(
    (
        *("ovs-vsctl", "--timeout=10"),
        *("--", "--if-exists", "del-port", "h0000000000-0"),
        *("--", "--if-exists", "del-port", "h0000000000-1"),
    )
)
_DELETE_LOG = Command(
    (
        *("find", "/var/log/libvirt/qemu", "-maxdepth", "1", "-type", "f"),
        *("-name", f"{uuid(1)}.console.log*", "-delete"),
    ),
    tolerates=("No such file or directory",),
)
CREATE_HOST = Case(
    "POST",
    f"/hosts/{HOST}",
    BODY,
    expect_facts,
    Plan(
        f"create host {HOST}",
        (
            _make_volume(0),
            _make_volume(1),
            Step(
                f"define and start domain {HOST}",
                Command(VIRT_INSTALL),
                (_STOP, _UNDEFINE, _DEL_PORTS, _DELETE_LOG),
            ),
            Step("see that each port has its VLANs", Command(WAIT)),
        ),
        once=LOG,
    ),
)
DELETE_HOST = Case(
    "DELETE",
    f"/hosts/{HOST}",
    None,
    expect_delete_facts,
    Plan(
        f"delete host {HOST}",
        (
            Step(
                f"see that domain {HOST} is still the one that is meant",
                _virsh("domstate", f"--domain={uuid(1)}"),
            ),
            Step(f"stop domain {HOST}", _STOP),
            Step(f"delete disk {HOST}.0.qcow2", _delete_volume(f"{HOST}.0.qcow2")),
            Step(f"delete disk {HOST}.1.qcow2", _delete_volume(f"{HOST}.1.qcow2")),
            Step("remove what is left of its ports", _DEL_PORTS),
            Step("delete its console log", _DELETE_LOG),
            Step(f"undefine domain {HOST}", _UNDEFINE),
        ),
    ),
)


def _stop_network(number: int) -> Command:
    gone = ("is not active", "Network not found")
    return _virsh("net-destroy", f"--network={uuid(number)}", tolerates=gone)


def _forget_network(number: int) -> Command:
    return _virsh("net-undefine", f"--network={uuid(number)}", tolerates=("Network not found",))


_START_NETWORK = _virsh(
    *("net-start", f"--network={uuid(11)}"), tolerates=("network is already active",)
)
CREATE_NETWORK = Case(
    "POST",
    f"/networks/{NETWORK}",
    NETWORK_BODY,
    expect_new_network,
    Plan(
        f"create network {NETWORK}",
        (
            Step(
                f"define network {NETWORK}: VLAN 10 on fixbr0",
                _virsh("net-define", "--file=/dev/stdin", stdin=XML),
                (_forget_network(11),),
            ),
            Step("start it", _START_NETWORK, (_stop_network(11),)),
            Step(
                "have it started with the hypervisor",
                _virsh("net-autostart", f"--network={uuid(11)}"),
            ),
        ),
    ),
)
DELETE_NETWORK = Case(
    "DELETE",
    "/networks/fixture-transient",
    None,
    expect_unused,
    Plan(
        "delete network fixture-transient",
        (
            Step("stop network fixture-transient", _stop_network(15)),
            Step("undefine network fixture-transient", _forget_network(15)),
        ),
    ),
)
CASES = {
    "create-host": CREATE_HOST,
    "delete-host": DELETE_HOST,
    "create-network": CREATE_NETWORK,
    "delete-network": DELETE_NETWORK,
}
