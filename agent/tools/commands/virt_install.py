"""virt-install: define and start a new domain."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.tools.command import Command


def quoted(value: str) -> str:
    """Quote a value for a sub-option of virt-install.

    virt-install splits sub-options (`--disk`, `--network`, `--location`...) as POSIX shlex
    does, on commas; inside double quotes only the backslash and the quote are special.
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume that becomes a disk of the domain: its pool and its name."""

    pool: str
    volume: str


@dataclass(frozen=True, slots=True)
class Card:
    """A network card: the libvirt network and the name of its port on the hypervisor.

    A name that begins with "vnet" would be replaced by libvirt with the next free one.
    """

    network: str
    port: str


@dataclass(frozen=True, slots=True)
class Boot:
    """What the domain starts from first.

    location: URL of an installer; network_boot: from its first card, as an install does;
    neither: from its disk, and from the network while that is blank.
    cmdline: kernel parameters of the installer at `location`.
    """

    location: str | None = None
    cmdline: str = ""
    network_boot: bool = False


def virt_install(
    *,
    connect: str,
    name: str,
    uuid: str,
    memory_mib: int,
    vcpus: int,
    autostart: bool,
    machine: str,
    virt_type: str,
    disks: Sequence[Disk],
    cards: Sequence[Card],
    boot: Boot,
    console_log: str,
) -> Command:
    """Define a domain that looks like a physical machine, and start it.

    memory_mib: in MiB. console_log: the file that libvirt logs the serial port to.

    It returns once the domain runs: `--noautoconsole` without `--wait`. An install boots a
    form of the domain that ends at the installer's reboot; the form that is kept boots from
    disk.
    """
    return Command(
        (
            "virt-install",
            f"--connect={connect}",
            f"--name={name}",
            f"--metadata=uuid={uuid}",
            f"--memory={memory_mib}",
            f"--vcpus={vcpus}",
            *(("--autostart",) if autostart else ()),
            f"--machine={machine}",
            f"--virt-type={virt_type}",
            # From 4.0 on virt-install refuses an operating system that it cannot detect.
            "--os-variant=detect=on,require=off",
            # Without it bus=scsi would land on an LSI controller.
            "--controller=type=scsi,model=virtio-scsi",
            *([_disk(index, disk) for index, disk in enumerate(disks)] or ["--disk=none"]),
            *([_card(card) for card in cards] or ["--network=none"]),
            "--graphics=vnc,listen=127.0.0.1",
            # Without log.append=on the restart after an install would truncate the log.
            f"--serial=pty,log.file={quoted(console_log)},log.append=on",
            "--noautoconsole",
            *_boot(boot),
        )
    )


def _disk(index: int, disk: Disk) -> str:
    # Each disk is a target of its own on the one controller. Left to itself libvirt puts
    # seven on a controller and makes the next one an lsilogic.
    address = f"address.type=drive,address.controller=0,address.bus=0,address.target={index}"
    return f"--disk=vol={quoted(f'{disk.pool}/{disk.volume}')},bus=scsi,{address},address.unit=0"


def _card(card: Card) -> str:
    return f"--network=network={quoted(card.network)},model=virtio,target.dev={card.port}"


def _boot(boot: Boot) -> tuple[str, ...]:
    if boot.location is not None:
        location = f"--location=location={quoted(boot.location)}"
        return (location, f"--extra-args={boot.cmdline}") if boot.cmdline else (location,)
    if boot.network_boot:
        return ("--pxe",)
    # --boot alone is refused for want of an install method.
    return ("--import", "--boot=hd,network")
