"""The kinds of change that a client can ask for: what each reads first, and its whole plan.

Power is not among them: see `test_power_plans`.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.plans.plan import Install, Plan, Step
from agent.tools.command import Command
from agent.tools.commands.virsh import NO_DOMAIN

from .recorded import URI, Read, recorded, virsh
from .test_http_networks import BODY as NETWORK_BODY
from .test_http_networks import NAME as NETWORK
from .test_http_networks import XML, expect_new_network
from .test_http_networks import expect_delete_facts as expect_unused
from .web import (
    CONFIG,
    EMPTY_LIST,
    INTERFACES,
    LIST,
    LIST_BR,
    MEMORY,
    NET_ACTIVE,
    NET_UUIDS,
    NETWORKS,
    NONE_RUNNING,
    ODD,
    POOL,
    POOL_INFO,
    POOL_XML,
    RUNNING,
    Agent,
    definitions,
    details,
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
        agent.joined_reads(*definitions())
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
    """One change. expect: registers its reads. plan: what comes of them.

    The host or the network that it is about is the second part of its path.
    """

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
            agent.runs(*step.command.argv, stdout=step.command.expects or "")


def _virsh(
    *words: str,
    stdin: str | None = None,
    tolerates: tuple[str, ...] = (),
    expects: str | None = None,
) -> Command:
    return Command(("virsh", f"--connect={URI}", *words), stdin, tolerates, expects)


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
SET_BOOT = Case(
    "PUT",
    f"/hosts/{HOST}/boot",
    {"boot": ["network", "disk"]},
    lambda agent: expect_host(agent, details(1, "running")),
    Plan(
        f"set what host {HOST} boots from",
        (
            Step(
                f"have domain {HOST} boot from network, disk",
                Command(
                    (
                        *("virt-xml", f"--connect={URI}", uuid(1)),
                        *("--edit", "--boot=network,hd", "--define"),
                    )
                ),
            ),
        ),
        leave=True,
    ),
)


def expect_host(agent: Agent, shown: tuple[Read, ...]) -> None:
    """The reads of which host is meant, and of all that is shown of it."""
    agent.reads(LIST)
    agent.reads(*shown)


def expect_ports(agent: Agent) -> None:
    """The reads of networks, and of ports that a crash left behind."""
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)
    agent.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    agent.reads(RUNNING)


def off() -> tuple[Read, ...]:
    """The reads of all that is shown of the recorded host when it is off."""
    dominfo, _, kept, block, pool = details(1, "running")
    dominfo = Read(" ".join(dominfo.words), dominfo.stdout.replace("running", "shut off"))
    return (dominfo, Read(f"dumpxml {uuid(1)}", kept.stdout), kept, block, pool)


def with_media() -> tuple[Read, ...]:
    """The reads of all that is shown of the recorded host with media in its drive."""
    dominfo, *_, pool = details(1, "running")
    return (
        dominfo,
        Read(f"dumpxml {uuid(1)}", virsh("dumpxml-media")),
        Read(f"dumpxml --inactive {uuid(1)}", virsh("dumpxml-inactive-media")),
        Read(f"domstats --block {uuid(1)}", virsh("domstats-block-media")),
        pool,
    )


def expect_install(agent: Agent, shown: tuple[Read, ...]) -> None:
    """The reads before an install of a host that is there."""
    expect_host(agent, shown)
    expect_ports(agent)


_PROOF = Step("see that each port has its VLANs", Command(WAIT))
TREE = "http://deb.example.com/debian"
INSTALL_HOST = Case(
    "PUT",
    f"/hosts/{HOST}/install",
    {"location": TREE, "console": True, "after_install": "off"},
    lambda agent: expect_install(agent, off()),
    Plan(
        f"install host {HOST}",
        (
            Step(
                f"see that domain {HOST} is off",
                _virsh("domstate", f"--domain={uuid(1)}", expects="shut off"),
            ),
            Step(
                f"start domain {HOST} from its installer",
                Command(
                    (
                        *("virt-install", f"--connect={URI}", f"--reinstall={uuid(1)}"),
                        *("--os-variant=detect=on,require=off", "--noautoconsole", "--noreboot"),
                        f'--location=location="{TREE}"',
                        "--extra-args=console=ttyS0",
                    )
                ),
                (_STOP,),
            ),
            _PROOF,
        ),
        Install(HOST, uuid(1), TREE, "off"),
    ),
)

IMAGE = "http://deb.example.com/a.iso?b=1&c=<2>"
MEDIA = f"{HOST}.{uuid(1)}.media"
FETCHED = f"{CONFIG.state_dir}/{uuid(1)}.media"
FETCH = Command(
    (
        *("prlimit", "--fsize=17179869184", "curl", "-q", "--globoff", "--fail", "--location"),
        *("--max-redirs", "10", "--proto", "=http,https", "--no-progress-meter"),
        *("--write-out", "%{http_code}", "--connect-timeout", "30"),
        *("--speed-limit", "1", "--speed-time", "60", "--max-filesize", "17179869184"),
        *("--output", FETCHED, "--url", IMAGE),
    ),
    expects="200",
)
_DELETE_FETCHED = Command(("rm", "-f", "--", FETCHED))
_METADATA = ("metadata", f"--domain={uuid(1)}", "--uri=urn:staging-agent:media")
_FORGET_MEDIA = _virsh(*_METADATA, "--remove", "--config", tolerates=NO_DOMAIN)
_DETACH = _virsh(
    *("detach-disk", f"--domain={uuid(1)}", f"--target={POOL}/{MEDIA}", "--persistent"),
    tolerates=(
        "No disk found whose source path or target is",
        "Failed to get disk information",
        *NO_DOMAIN,
    ),
)
DRIVE = f"""<disk type="file" device="cdrom">
  <driver name="qemu" type="raw" />
  <source file="{POOL}/{MEDIA}" />
  <target dev="sdc" bus="scsi" />
  <readonly />
  <address type="drive" controller="0" bus="0" target="2" unit="0" />
</disk>
"""


def expect_insert(agent: Agent, shown: tuple[Read, ...]) -> None:
    """The reads before media is put into a host."""
    agent.reads(LIST)
    agent.reads(POOL_INFO, POOL_XML)
    agent.reads(*shown)


INSERT_MEDIA = Case(
    "PUT",
    f"/hosts/{HOST}/media",
    {"image": IMAGE},
    lambda agent: expect_insert(agent, details(1, "running")),
    Plan(
        f"put media into host {HOST}",
        (
            Step(
                f"make volume {MEDIA}",
                _virsh(
                    *("vol-create-as", "--pool=fixture-pool", f"--name={MEDIA}"),
                    *("--capacity=0", "--format=raw"),
                ),
                (_delete_volume(MEDIA),),
            ),
            Step(f"fetch {IMAGE}", FETCH, (_DELETE_FETCHED,)),
            Step(
                "copy it into the volume",
                _virsh(
                    *("vol-upload", "--pool=fixture-pool", f"--vol={MEDIA}", f"--file={FETCHED}")
                ),
            ),
            Step("delete what was fetched", _DELETE_FETCHED),
            Step(
                "note where it is from",
                _virsh(
                    *(*_METADATA, "--key=media"),
                    "--set=<image>http://deb.example.com/a.iso?b=1&amp;c=&lt;2&gt;</image>",
                    "--config",
                ),
                (_FORGET_MEDIA,),
            ),
            Step(
                f"put the volume into a drive of domain {HOST}",
                _virsh(
                    *("attach-device", f"--domain={uuid(1)}", "--file=/dev/stdin"),
                    "--persistent",
                    stdin=DRIVE,
                ),
                (_DETACH,),
            ),
        ),
        once=f"{POOL}/{MEDIA}",
    ),
)
EJECT_MEDIA = Case(
    "DELETE",
    f"/hosts/{HOST}/media",
    None,
    lambda agent: expect_host(agent, with_media()),
    Plan(
        f"take media out of host {HOST}",
        (
            Step(f"take the drive out of domain {HOST}", _DETACH),
            Step(f"delete volume {MEDIA}", _delete_volume(MEDIA)),
            Step("forget where it is from", _FORGET_MEDIA),
        ),
    ),
)

SNAPSHOT_NAMES = Read(f"snapshot-list {uuid(1)} --name", virsh("snapshot-list"))
NO_SNAPSHOTS = Read(f"snapshot-list {uuid(1)} --name", virsh("empty-snapshot-list"))


def snapshot(case: str, name: str) -> Read:
    """The read of a snapshot of the recorded host."""
    words = shlex.join(("snapshot-dumpxml", uuid(1), "--snapshotname", name))
    return Read(words, virsh(f"snapshot-dumpxml-{case}"))


SNAPSHOTS = (snapshot("running", "clean"), snapshot("off", ODD))


def expect_snapshots(agent: Agent) -> None:
    """The reads of the snapshots of the recorded host."""
    agent.reads(LIST)
    agent.reads(SNAPSHOT_NAMES)
    agent.reads(*SNAPSHOTS)


def expect_snapshot_facts(
    agent: Agent, shown: tuple[Read, ...], names: Read = SNAPSHOT_NAMES
) -> None:
    """The reads of what a change of snapshots has to know besides."""
    agent.reads(*shown)
    expect_ports(agent)
    agent.reads(names)
    agent.reads(POOL_INFO, POOL_XML)


def expect_new_snapshot(agent: Agent, shown: tuple[Read, ...], names: Read = NO_SNAPSHOTS) -> None:
    """The reads before a snapshot is made."""
    agent.reads(LIST)
    expect_snapshot_facts(agent, shown, names)


def expect_snapshot_change(agent: Agent, shown: tuple[Read, ...] | None = None) -> None:
    """The reads before a snapshot is reverted to or deleted."""
    expect_snapshots(agent)
    expect_snapshot_facts(agent, shown or details(1, "running"))


_DELETE_SNAPSHOT = _virsh(
    *("snapshot-delete", f"--domain={uuid(1)}", "--snapshotname=clean"),
    tolerates=("Domain snapshot not found", *NO_DOMAIN),
)
CREATE_SNAPSHOT = Case(
    "POST",
    f"/hosts/{HOST}/snapshots/clean",
    None,
    lambda agent: expect_new_snapshot(agent, details(1, "running")),
    Plan(
        f"make snapshot clean of host {HOST}",
        (
            Step(
                "see which snapshots there are",
                _virsh("snapshot-list", f"--domain={uuid(1)}", "--name", expects=""),
            ),
            Step(
                f"make snapshot clean of domain {HOST}",
                _virsh("snapshot-create-as", f"--domain={uuid(1)}", "--name=clean"),
                (_DELETE_SNAPSHOT,),
            ),
        ),
    ),
)
REVERT_SNAPSHOT = Case(
    "PUT",
    f"/hosts/{HOST}/snapshots/clean/revert",
    None,
    expect_snapshot_change,
    Plan(
        f"revert host {HOST} to snapshot clean",
        (
            Step(f"stop domain {HOST}", _STOP),
            Step(
                f"put domain {HOST} back to snapshot clean",
                _virsh("snapshot-revert", f"--domain={uuid(1)}", "--snapshotname=clean"),
                (_STOP,),
            ),
            _PROOF,
        ),
    ),
)
DELETE_SNAPSHOT = Case(
    "DELETE",
    f"/hosts/{HOST}/snapshots/clean",
    None,
    expect_snapshot_change,
    Plan(
        f"delete snapshot clean of host {HOST}",
        (Step(f"delete snapshot clean of domain {HOST}", _DELETE_SNAPSHOT),),
    ),
)
CASES = {
    "create-host": CREATE_HOST,
    "delete-host": DELETE_HOST,
    "create-network": CREATE_NETWORK,
    "delete-network": DELETE_NETWORK,
    "set-boot": SET_BOOT,
    "install-host": INSTALL_HOST,
    "insert-media": INSERT_MEDIA,
    "eject-media": EJECT_MEDIA,
    "create-snapshot": CREATE_SNAPSHOT,
    "revert-snapshot": REVERT_SNAPSHOT,
    "delete-snapshot": DELETE_SNAPSHOT,
}
