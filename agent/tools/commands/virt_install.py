"""virt-install: define and start a new domain, or install one again."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.tools.command import Command

# From 4.0 on virt-install refuses an operating system that it cannot detect.
_ANY_SYSTEM = "--os-variant=detect=on,require=off"


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
class Nic:
    """A network card: the libvirt network, the name of its port on the hypervisor, and its MAC.

    A name that begins with "vnet" would be replaced by libvirt with the next free one.
    """

    network: str
    port: str
    mac: str


@dataclass(frozen=True, slots=True)
class Installer:
    """What a domain starts from once, until it reboots.

    location: URL of an installer; cdrom: path of an image, in its first drive for discs; disk: its
    first disk; none of them: its first card. cmdline: kernel parameters of the installer at
    `location`.
    """

    location: str | None = None
    cmdline: str = ""
    cdrom: str | None = None
    disk: bool = False


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
    nics: Sequence[Nic],
    boot: Sequence[str],
    installer: Installer | None,
    start: bool,
    console_log: str,
) -> Command:
    """Define a domain that looks like a physical machine, and start it.

    memory_mib: in MiB. boot: what it boots from, in order, in the words of `boot_order`.
    installer: what it starts from first, None for that, too. start: False leaves one without an
    installer off. console_log: the file that libvirt logs the serial port to.

    It returns once the domain runs: `--noautoconsole` without `--wait`. An install boots a
    form of the domain that ends at the installer's reboot; the form that is kept boots from
    what `boot` says, which without the option would be the network again after a network boot.
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
            _ANY_SYSTEM,
            # Without it bus=scsi would land on an LSI controller.
            "--controller=type=scsi,model=virtio-scsi",
            *([_disk(index, disk) for index, disk in enumerate(disks)] or ["--disk=none"]),
            *([_nic(nic) for nic in nics] or ["--network=none"]),
            "--graphics=vnc,listen=127.0.0.1",
            # Without log.append=on the restart after an install would truncate the log.
            f"--serial=pty,log.file={quoted(console_log)},log.append=on",
            "--noautoconsole",
            *(("--import",) if installer is None else _installer(installer)),
            *(() if start else ("--noreboot",)),
            f"--boot={boot_order(boot)}",
        )
    )


def reinstall(connect: str, domain: str, installer: Installer) -> Command:
    """Start a domain that is off from an installer, until it reboots.

    domain: its UUID. The definition that is kept stays as it is, cards and all: for a `--cdrom`
    virt-install takes the drive that the domain has.
    """
    return Command(
        (
            "virt-install",
            f"--connect={connect}",
            f"--reinstall={domain}",
            _ANY_SYSTEM,
            "--noautoconsole",
            *_installer(installer),
        )
    )


def boot_order(boot: Sequence[str]) -> str:
    """What a domain boots from, "disk", "network" or "cdrom" each, as virt-install's `--boot`."""
    return ",".join({"disk": "hd"}.get(kind, kind) for kind in boot)


def _disk(index: int, disk: Disk) -> str:
    # Each disk is a target of its own on the one controller. Left to itself libvirt puts
    # seven on a controller and makes the next one an lsilogic.
    address = f"address.type=drive,address.controller=0,address.bus=0,address.target={index}"
    return f"--disk=vol={quoted(f'{disk.pool}/{disk.volume}')},bus=scsi,{address},address.unit=0"


def _nic(nic: Nic) -> str:
    own = f"mac={nic.mac},model=virtio,target.dev={nic.port}"
    return f"--network=network={quoted(nic.network)},{own}"


def _installer(installer: Installer) -> tuple[str, ...]:
    # Where the installer has ended before virt-install has, that would start the domain again.
    return ("--noreboot", *_source(installer))


def _source(installer: Installer) -> tuple[str, ...]:
    if installer.location is not None:
        location = f"--location=location={quoted(installer.location)}"
        return (location, f"--extra-args={installer.cmdline}") if installer.cmdline else (location,)
    if installer.cdrom is not None:
        return (f"--cdrom={installer.cdrom}",)
    return ("--install=bootdev=hd",) if installer.disk else ("--pxe",)
