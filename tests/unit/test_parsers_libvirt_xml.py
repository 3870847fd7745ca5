"""The XML of domains, networks, pools and volumes, from what libvirt printed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.errors import InvalidOutput
from agent.tools.parsers import libvirt_xml
from agent.tools.parsers.libvirt_xml import (
    BootOverride,
    Disk,
    Domain,
    Interface,
    Network,
    Snapshot,
    Vlan,
)

from .recorded import virsh
from .web import ODD, POOL, uuid


def file_disk(target: str, file: str, device: str = "disk") -> Disk:
    image = "qcow2" if device == "disk" else "raw"
    return Disk(target, device, f"{POOL}/{file}", None, None, (), image)


RUNNING = Domain(
    name="fixture.example.com",
    uuid=uuid(1),
    memory_mib=16,
    vcpus=1,
    kernel=False,
    on_reboot="restart",
    disks=(
        file_disk("sda", "fixture.example.com.0.qcow2"),
        file_disk("sdb", "fixture.example.com.1.qcow2"),
    ),
    interfaces=(
        Interface("52:54:00:00:01:00", "fixture: żółw", "fixbr0", Vlan((10,)), "h0000000000-0"),
        Interface("52:54:00:00:01:01", "fixture-untagged", "fixbr0", None, "h0000000000-1"),
    ),
    console_log=f"/var/log/libvirt/qemu/{uuid(1)}.console.log",
    boot=("disk", "network"),
    arch="x86_64",
    scsi="virtio-scsi",
)
RUNNING_KEPT = replace(
    RUNNING,
    interfaces=tuple(replace(card, bridge=None, vlan=None) for card in RUNNING.interfaces),
)
NETBOOT = Domain(
    name="fixture-netboot",
    uuid=uuid(2),
    memory_mib=16,
    vcpus=1,
    kernel=False,
    on_reboot="destroy",
    disks=(),
    interfaces=(
        Interface("52:54:00:00:02:00", "fixture: żółw", "fixbr0", Vlan((10,)), "h0000000002-0"),
    ),
    console_log=f"/var/log/libvirt/qemu/{uuid(2)}.console.log",
    boot=("network",),
    arch="x86_64",
    scsi="virtio-scsi",
)
NETBOOT_KEPT = replace(
    NETBOOT,
    on_reboot="restart",
    interfaces=tuple(replace(card, bridge=None, vlan=None) for card in NETBOOT.interfaces),
    boot=("disk", "network"),
)
IMAGE = f"fixture.example.com.{uuid(1)}.media"
# libvirt has what the agent notes in the definition that is kept alone.
MEDIA = replace(RUNNING, disks=(*RUNNING.disks, file_disk("sdc", IMAGE, "cdrom")))
MEDIA_KEPT = replace(
    MEDIA, interfaces=RUNNING_KEPT.interfaces, media="http://deb.example.com/a.iso?b=1&c=<2>"
)
CARDS = Domain(
    name="fixture-cards",
    uuid=uuid(5),
    memory_mib=16,
    vcpus=1,
    kernel=False,
    on_reboot="restart",
    disks=(),
    interfaces=(
        Interface(
            "52:54:00:00:05:00",
            "fixture-native",
            "fixbr0",
            Vlan((10, 20, 30), True, 10, "untagged"),
            "h0000000005-0",
        ),
        Interface(
            "52:54:00:00:05:01",
            "fixture-two-tags",
            "fixbr0",
            Vlan((30, 20), True),
            "h0000000005-1",
        ),
    ),
    console_log=f"/var/log/libvirt/qemu/{uuid(5)}.console.log",
    boot=("disk", "network"),
    arch="x86_64",
    scsi="virtio-scsi",
)
OFF = Domain(
    name=ODD,
    uuid=uuid(3),
    memory_mib=16,
    vcpus=2,
    kernel=True,
    on_reboot="restart",
    disks=(
        file_disk("sda", "overlay.qcow2"),
        Disk("sdb", "disk", None, "fixture-pool", "gone.qcow2", (), "qcow2"),
        Disk("sde", "disk", "/dev/fixture", None, None, (), "raw"),
        file_disk("sdc", "a.iso", "cdrom"),
        Disk("sdd", "cdrom", None, None, None, (), "raw"),
    ),
    interfaces=(
        Interface("52:54:00:00:03:00", ODD, None, None, None),
        Interface("52:54:00:00:03:01", None, "fixbr0", Vlan((20,)), None),
    ),
    console_log=None,
    boot=("disk",),
    arch="x86_64",
    scsi="lsilogic",
)
SPACES = Domain(
    *("  fixture  spaces ", uuid(4), 16, 1, False, "restart", (), (), None, ("disk",)),
    arch="x86_64",
)


@pytest.mark.parametrize(
    ("case", "domain"),
    [
        ("dumpxml-running", RUNNING),
        ("dumpxml-inactive-running", RUNNING_KEPT),
        ("dumpxml-netboot", NETBOOT),
        ("dumpxml-inactive-netboot", NETBOOT_KEPT),
        ("dumpxml-media", MEDIA),
        ("dumpxml-inactive-media", MEDIA_KEPT),
        ("dumpxml-cards", CARDS),
        ("dumpxml-off", OFF),
        ("dumpxml-inactive-off", OFF),
        ("dumpxml-spaces", SPACES),
    ],
)
def test_a_domain(case: str, domain: Domain) -> None:
    assert libvirt_xml.domain(virsh(case)) == domain


def with_inside(text: str, *inside: str) -> Domain:
    """The domain of a recorded definition with more elements in it, made by hand."""
    return libvirt_xml.domain(text.replace("<vcpu ", "".join((*inside, "<vcpu ")), 1))


@pytest.mark.parametrize(
    ("noted", "override"),
    [
        (
            "enabled='Once' target='Pxe' before='disk network'",
            BootOverride("Once", "Pxe", ("disk", "network")),
        ),
        ("enabled='Continuous' target='Cd' before=''", BootOverride("Continuous", "Cd")),
        # A person has been at it.
        ("", BootOverride("", "")),
    ],
)
def test_what_a_domain_is_to_boot_from(noted: str, override: BootOverride) -> None:
    """As libvirt prints what the agent notes; somebody else's notes are none of its own."""
    space = "xmlns:boot='urn:staging-agent:boot'"
    other = "<other:override xmlns:other='urn:other' enabled='Once' target='Hdd'/>"
    metadata = f"<metadata>{other}<boot:override {space} {noted}/></metadata>"
    found = with_inside(virsh("dumpxml-inactive-running"), metadata)
    assert found == replace(RUNNING_KEPT, override=override)


@pytest.mark.parametrize(
    ("given", "topology"),
    [
        ("<topology sockets='2' dies='1' cores='4' threads='2'/>", (2, 4, 2)),
        ("<topology sockets='1' dies='2' cores='3' threads='1'/>", (1, 6, 1)),
        ("<topology sockets='3' cores='1' threads='1'/>", (3, 1, 1)),
        ("<model>host</model>", None),
    ],
)
def test_the_processors_of_a_domain(given: str, topology: tuple[int, int, int] | None) -> None:
    text = virsh("dumpxml-inactive-running").replace("<cpu mode=", "<cpu-was mode=")
    text = text.replace("</cpu>", "</cpu-was>")
    found = with_inside(text, f"<cpu>{given}</cpu>")
    assert found == replace(RUNNING_KEPT, topology=topology)


@pytest.mark.parametrize(
    ("was", "is_", "uefi"),
    [
        ("<os>", "<os firmware='efi'>", True),
        ("<os>", "<os firmware='bios'>", False),
        ("<os>", "<os><loader readonly='yes' type='pflash'>/usr/share/OVMF.fd</loader>", True),
        ("<os>", "<os><loader type='rom'>/usr/share/seabios/bios.bin</loader>", False),
    ],
)
def test_the_firmware_of_a_domain(was: str, is_: str, uefi: bool) -> None:
    text = virsh("dumpxml-inactive-running").replace(was, is_)
    assert libvirt_xml.domain(text) == replace(RUNNING_KEPT, uefi=uefi)


@pytest.mark.parametrize(
    ("was", "is_", "scsi"),
    [
        ("model='virtio-scsi'", "", "scsi"),
        ("model='virtio-scsi'", "model='lsilogic'", "lsilogic"),
        ("type='scsi' index='0'", "type='sata' index='9'", None),
    ],
)
def test_the_controller_of_a_domain(was: str, is_: str, scsi: str | None) -> None:
    text = virsh("dumpxml-inactive-running")
    assert was in text
    assert libvirt_xml.domain(text.replace(was, is_)) == replace(RUNNING_KEPT, scsi=scsi)


def test_the_images_under_a_running_overlay() -> None:
    """Made by hand: libvirt names them only while a domain runs on the overlay."""
    text = """<domain><name>a</name><uuid>b</uuid><memory>1024</memory><vcpu>1</vcpu><devices>
      <disk type='file' device='disk'><source file='/p/top'/>
        <backingStore type='file'><source file='/p/middle'/>
          <backingStore type='file'><source file='/p/base'/><backingStore/></backingStore>
        </backingStore><target dev='sda' bus='scsi'/></disk></devices></domain>"""
    assert libvirt_xml.domain(text).disks == (
        Disk("sda", "disk", "/p/top", None, None, ("/p/middle", "/p/base")),
    )


@pytest.mark.parametrize(
    ("case", "network"),
    [
        ("tagged", Network("fixture: żółw", uuid(11), "fixbr0", True, Vlan((10,)))),
        ("untagged", Network("fixture-untagged", uuid(12), "fixbr0", True, Vlan())),
        ("trunk", Network(ODD, uuid(13), "fixbr0", True, Vlan((10, 11), trunk=True))),
        (
            "native",
            Network(
                *("fixture-native", uuid(16), "fixbr0", True),
                Vlan((10, 20, 30), True, 10, "untagged"),
            ),
        ),
        (
            "two-tags",
            Network("fixture-two-tags", uuid(17), "fixbr0", True, Vlan((30, 20), trunk=True)),
        ),
        ("nat", Network("fixture-nat", uuid(14), "fixbr9", False, Vlan())),
        ("transient", Network("fixture-transient", uuid(15), "fixbr0", True, Vlan((12,)))),
    ],
)
def test_a_network(case: str, network: Network) -> None:
    assert libvirt_xml.network(virsh(f"net-dumpxml-{case}")) == network


@pytest.mark.parametrize(
    ("inside", "vlan", "untagged", "tagged"),
    [
        ("<vlan><tag id='10'/></vlan>", Vlan((10,)), 10, None),
        # Made by hand.
        ("<vlan trunk='yes'><tag id='10'/></vlan>", Vlan((10,), True), None, (10,)),
        ("<vlan><tag id='9'/><tag id='8'/></vlan>", Vlan((9, 8), True), None, (9, 8)),
        (
            "<vlan trunk='yes'><tag id='10' nativeMode='untagged'/><tag id='20'/></vlan>",
            Vlan((10, 20), True, 10, "untagged"),
            10,
            (20,),
        ),
        (
            "<vlan trunk='yes'><tag id='20'/><tag id='10' nativeMode='tagged'/></vlan>",
            Vlan((20, 10), True, 10, "tagged"),
            10,
            (20, 10),
        ),
        ("", Vlan(), None, None),
    ],
)
def test_the_vlans_of_a_network(
    inside: str, vlan: Vlan, untagged: int | None, tagged: tuple[int, ...] | None
) -> None:
    found = libvirt_xml.network(f"<network><name>a</name><uuid>b</uuid>{inside}</network>")
    assert (found, found.vlan.untagged, found.vlan.tagged) == (
        Network("a", "b", None, False, vlan),
        untagged,
        tagged,
    )


def of_kinds(*kinds: str) -> str:
    return "".join(f"<boot dev='{kind}'/>" for kind in kinds)


@pytest.mark.parametrize(
    ("kinds", "devices", "boot", "of_devices"),
    [
        ("", "", (), False),
        (of_kinds("hd"), "", ("disk",), False),
        (of_kinds("network", "cdrom", "hd"), "", ("network", "cdrom", "disk"), False),
        # Nobody's request has it, and it is of no kind that an answer has.
        (of_kinds("fd", "hd", "hd"), "", ("disk",), False),
        (
            "",
            "<disk device='disk'><boot order='10'/></disk><interface><boot order='2'/></interface>"
            "<disk device='cdrom'><boot order='1'/></disk><disk device='floppy'><boot order='3'/>"
            "</disk><disk><boot order='4'/></disk><disk device='lun'/><hostdev><boot order='5'/>"
            "</hostdev>",
            ("cdrom", "network", "disk"),
            True,
        ),
        ("", "<disk device='lun'><boot order='1'/></disk>", ("disk",), True),
        ("", "<hostdev><boot order='1'/></hostdev>", (), True),
    ],
)
def test_what_a_domain_boots_from(
    kinds: str, devices: str, boot: tuple[str, ...], of_devices: bool
) -> None:
    """Made by hand."""
    found = libvirt_xml.domain(
        f"<domain><name>a</name><uuid>b</uuid><memory>1024</memory><vcpu>1</vcpu>"
        f"<os><type>hvm</type>{kinds}</os><devices>{devices}</devices></domain>"
    )
    assert (found.boot, found.device_boot) == (boot, of_devices)


@pytest.mark.parametrize(
    ("case", "macs"),
    [
        ("running", {"52:54:00:00:01:00", "52:54:00:00:01:01"}),
        ("inactive-running", {"52:54:00:00:01:00", "52:54:00:00:01:01"}),
        ("off", {"52:54:00:00:03:00", "52:54:00:00:03:01"}),
        ("spaces", set()),
    ],
)
def test_the_macs_of_a_domain(case: str, macs: set[str]) -> None:
    assert libvirt_xml.macs(virsh(f"dumpxml-{case}")) == macs


def test_a_mac_in_upper_case() -> None:
    """libvirt keeps it as it was given."""
    text = "<interface><mac address='52:54:00:AB:CD:EF' type='static'/></interface>"
    assert libvirt_xml.macs(text) == {"52:54:00:ab:cd:ef"}


# It began when it was recorded.
CREATED = 1_700_000_000


@pytest.mark.parametrize(
    ("case", "snapshot"),
    [
        (
            "running",
            Snapshot(
                *("clean", "running", CREATED, False),
                replace(RUNNING, interfaces=RUNNING_KEPT.interfaces),
            ),
        ),
        ("off", Snapshot(ODD, "shut off", CREATED, False, RUNNING_KEPT)),
    ],
)
def test_a_snapshot(case: str, snapshot: Snapshot) -> None:
    found = libvirt_xml.snapshot(virsh(f"snapshot-dumpxml-{case}"))
    assert found.created > CREATED
    assert replace(found, created=CREATED) == snapshot


@pytest.mark.parametrize(
    ("inside", "state", "external"),
    [
        ("<state>shutoff</state><memory snapshot='no'/>", "shut off", False),
        ("<state>paused</state><memory snapshot='internal'/>", "paused", False),
        ("<state>blocked</state>", "idle", False),
        ("<state>shutdown</state>", "in shutdown", False),
        ("<state>nostate</state>", "no state", False),
        ("<state>pmsuspended</state>", "pmsuspended", False),
        (
            "<state>disk-snapshot</state><disks><disk name='sda' snapshot='no'/>"
            "<disk name='sdb' snapshot='external'/></disks>",
            "disk-snapshot",
            True,
        ),
        (
            "<state>running</state><memory snapshot='external' file='/a'/>"
            "<disks><disk name='sda' snapshot='internal'/></disks>",
            "running",
            True,
        ),
    ],
)
def test_a_snapshot_of_each_kind(inside: str, state: str, external: bool) -> None:
    """Made by hand; the domain's own name, disks and state are none of the snapshot's."""
    text = (
        f"<domainsnapshot><name>it's</name>{inside}<creationTime>1</creationTime><domain>"
        "<name>a</name><uuid>b</uuid><memory>1024</memory><vcpu>1</vcpu></domain></domainsnapshot>"
    )
    domain = Domain("a", "b", 1, 1, False, "", (), (), None)
    assert libvirt_xml.snapshot(text) == Snapshot("it's", state, 1, external, domain)


def test_a_port_of_a_network() -> None:
    found = libvirt_xml.network_port(virsh("net-port-dumpxml"))
    assert found == ("fixture.example.com", "52:54:00:00:01:01")


def test_the_folder_of_a_pool() -> None:
    assert libvirt_xml.pool_path(virsh("pool-dumpxml")) == POOL


@pytest.mark.parametrize(("case", "backing"), [("base", ()), ("overlay", (f"{POOL}/{ODD}.qcow2",))])
def test_what_a_volume_is_laid_over(case: str, backing: tuple[str, ...]) -> None:
    assert libvirt_xml.volume_backing(virsh(f"vol-dumpxml-{case}")) == backing


HEAD = "<domain><name>a</name><uuid>b</uuid>"
WHOLE = f"{HEAD}<memory>1</memory><vcpu>1</vcpu></domain>"


@pytest.mark.parametrize(
    ("parse", "text", "reason", "quoted"),
    [
        (libvirt_xml.domain, "", "no XML: no element found: line 1, column 0", ""),
        (
            libvirt_xml.domain,
            "<domain>",
            "no XML: no element found: line 1, column 8",
            "<domain>",
        ),
        (libvirt_xml.domain, "<network/>", "no <domain>", "<network/>"),
        (libvirt_xml.network, "<domain/>", "no <network>", "<domain/>"),
        (libvirt_xml.network_port, "<network/>", "no <networkport>", "<network/>"),
        (libvirt_xml.pool_path, "<volume/>", "no <pool>", "<volume/>"),
        (libvirt_xml.pool_path, "<pool/>", "no <target/path>", "<pool />"),
        (libvirt_xml.volume_backing, "<pool/>", "no <volume>", "<pool/>"),
        (libvirt_xml.network_port, "<networkport/>", "no <owner/name>", "<networkport />"),
        (libvirt_xml.snapshot, "<domain/>", "no <domainsnapshot>", "<domain/>"),
        (libvirt_xml.snapshot, "<domainsnapshot/>", "no <domain>", "<domainsnapshot/>"),
        (
            libvirt_xml.snapshot,
            f"<domainsnapshot>{WHOLE}</domainsnapshot>",
            "no <state>",
            f"<domainsnapshot>{WHOLE}</domainsnapshot>",
        ),
        (
            libvirt_xml.domain,
            "<domain><name/></domain>",
            "no <name>",
            "<domain><name /></domain>",
        ),
        (
            libvirt_xml.domain,
            f"{HEAD}<memory unit='GiB'>1</memory></domain>",
            "not in KiB",
            '<memory unit="GiB">1</memory>',
        ),
        (
            libvirt_xml.domain,
            f"{HEAD}<memory>much</memory></domain>",
            "<memory> is no number",
            "much",
        ),
        (
            libvirt_xml.domain,
            f"{HEAD}<memory>1</memory></domain>",
            "no <vcpu>",
            f"{HEAD}<memory>1</memory></domain>",
        ),
    ],
)
def test_xml_that_cannot_be_read(
    parse: Callable[[str], Any], text: str, reason: str, quoted: str
) -> None:
    with pytest.raises(InvalidOutput) as caught:
        parse(text)
    assert caught.value.detail == (
        f"virsh printed what the agent cannot read ({reason}): {quoted!r}"
    )
