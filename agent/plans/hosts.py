"""The plans that make and remove hosts. Pure: a request and facts in, a plan out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.config import Config
from agent.errors import AlreadyExists, FieldError, InvalidRequest
from agent.hypervisor.facts import NewHostFacts
from agent.plans import ports
from agent.plans.cards import Card, macs
from agent.plans.disks import DeletedDisk, volume_name
from agent.plans.installs import InstallRequest, installer
from agent.plans.plan import Install, Plan, Step
from agent.plans.ports import port_name
from agent.tools.commands.files import delete_console_log
from agent.tools.commands.ovs_vsctl import OvsVsctl
from agent.tools.commands.virsh import Virsh
from agent.tools.commands.virt_install import Disk, Nic, virt_install
from agent.tools.parsers import libvirt_xml

# Where libvirt keeps the definitions of domains, each as NAME.xml.
_DEFINITIONS = "/etc/libvirt/qemu"


@dataclass(frozen=True, slots=True)
class HostRequest:
    """A host that a client asks for.

    memory: in MiB. disks: sizes in GiB, sda first. networks: its cards. install: None for none.
    boot: what it boots from, "disk", "network" or "cdrom" each, in order. start: whether it is
    started, if it is not installed.
    """

    name: str
    memory: int
    disks: tuple[int, ...]
    networks: tuple[Card, ...]
    install: InstallRequest | None = None
    vcpus: int = 1
    autostart: bool = False
    boot: tuple[str, ...] = ("disk", "network")
    start: bool = True


def console_log(config: Config, uuid: str) -> str:
    """The file that a host's serial port is logged to."""
    return f"{config.console_dir}/{uuid}.console.log"


def create(
    request: HostRequest, facts: NewHostFacts, config: Config, uuid: str, virt_type: str
) -> Plan:
    """Plan a new host.

    uuid: of the domain that will be. virt_type: "kvm" or "qemu".
    Raises AlreadyExists when its name or a MAC is taken, InvalidRequest when the hypervisor has
    not what it asks for.
    """
    if request.name in facts.domains:
        raise AlreadyExists(f"there is a host {request.name!r} already")
    networks = _networks(request, facts)
    virsh = Virsh(config.libvirt_uri)
    ovs = OvsVsctl(int(config.ovs_vsctl_seconds))
    volumes = [volume_name(request.name, uuid, index) for index in range(len(request.disks))]
    nics = [
        Nic(network.name, port_name(uuid, index), mac)
        for index, (network, mac) in enumerate(
            zip(networks, macs(request.name, request.networks, facts.macs), strict=True)
        )
    ]
    tagged = [
        ports.port(nic.port, network)
        for nic, network in zip(nics, networks, strict=True)
        if network.openvswitch
    ]
    log = console_log(config, uuid)
    install = request.install
    does = "define and start" if request.start else "define"
    steps = [
        Step(
            does=f"make disk {volume} of {size} GiB",
            command=virsh.vol_create_as(config.pool, volume, size),
            undo=(virsh.vol_delete(config.pool, volume),),
        )
        for volume, size in zip(volumes, request.disks, strict=True)
    ]
    steps.append(
        Step(
            does=f"{does} domain {request.name}",
            command=virt_install(
                connect=config.libvirt_uri,
                name=request.name,
                uuid=uuid,
                memory_mib=request.memory,
                vcpus=request.vcpus,
                autostart=request.autostart,
                machine=config.machine,
                virt_type=virt_type,
                disks=[Disk(config.pool, volume) for volume in volumes],
                nics=nics,
                boot=request.boot,
                installer=None if install is None else installer(install),
                start=request.start,
                console_log=log,
            ),
            undo=(
                virsh.destroy(uuid),
                virsh.undefine(uuid),
                *((ovs.del_ports([port.name for port in tagged]),) if tagged else ()),
                delete_console_log(log),
            ),
        )
    )
    if request.start:
        steps += ports.proof(tagged, config)
    follow = None
    if install is not None:
        after = install.after_install or config.after_install
        follow = Install(request.name, uuid, install.location, after)
    # One that was never started has no console log yet.
    once = log if request.start else f"{_DEFINITIONS}/{request.name}.xml"
    return Plan(f"create host {request.name}", tuple(steps), follow, once=once)


def delete(
    definitions: Sequence[libvirt_xml.Domain],
    disks: Sequence[DeletedDisk],
    config: Config,
) -> Plan:
    """Plan the end of a host. It can be run again from any point: the domain goes last.

    definitions: the domain's own, the one that runs and the one that is kept.
    disks: what becomes of its disks, from `disks.disks_to_delete`.
    """
    host = definitions[0]
    name, uuid = host.name, host.uuid
    virsh = Virsh(config.libvirt_uri)
    log = console_log(config, uuid)
    own_ports = sorted(
        {
            interface.port
            for definition in definitions
            for index, interface in enumerate(definition.interfaces)
            if interface.port == port_name(uuid, index)
        }
    )
    volumes = [disk.volume for disk in disks if disk.kept is None]
    steps = []
    if not all(uuid in volume for volume in volumes):
        # Of a host that was made before volumes had UUIDs in their names: run again when this
        # domain is gone, the plan would delete another's.
        steps.append(
            Step(f"see that domain {name} is still the one that is meant", virsh.domstate(uuid))
        )
    steps.append(Step(f"stop domain {name}", virsh.destroy(uuid)))
    steps += [
        Step(f"delete disk {volume}", virsh.vol_delete(config.pool, volume)) for volume in volumes
    ]
    if own_ports:
        ovs = OvsVsctl(int(config.ovs_vsctl_seconds))
        steps.append(Step("remove what is left of its ports", ovs.del_ports(own_ports)))
    if any(definition.console_log == log for definition in definitions):
        steps.append(Step("delete its console log", delete_console_log(log)))
    steps.append(Step(f"undefine domain {name}", virsh.undefine(uuid)))
    return Plan(f"delete host {name}", tuple(steps))


def _networks(request: HostRequest, facts: NewHostFacts) -> list[libvirt_xml.Network]:
    """The networks asked for, in order.

    Raises InvalidRequest, which names all that the hypervisor has not: them, or the memory.
    """
    errors = []
    if request.memory > facts.memory_mib:
        errors.append(FieldError("memory", f"the hypervisor has {facts.memory_mib} MB"))
    found = []
    for index, card in enumerate(request.networks):
        network = facts.networks.get(card.network)
        why = _why_unusable(card.network, network, facts)
        if why is not None:
            errors.append(FieldError(f"networks[{index}]", why))
        elif network is not None:
            found.append(network)
    if errors:
        raise InvalidRequest(errors)
    return found


def _why_unusable(
    name: str, network: libvirt_xml.Network | None, facts: NewHostFacts
) -> str | None:
    if network is None:
        return f"there is no network {name!r}"
    if name not in facts.active_networks:
        return f"network {name!r} is inactive; start it with: virsh net-start {network.uuid}"
    if network.openvswitch and network.bridge not in facts.bridges:
        return f"network {name!r} is on bridge {network.bridge!r}, which Open vSwitch has not"
    if re.search("[&<>\"']", name):
        # It escapes them twice in attributes of its XML (seen in 4.1).
        return f"network {name!r} has one of & < > \" ' in its name, which virt-install garbles"
    return None
