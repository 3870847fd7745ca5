"""virt-install, whole, and how it reads the sub-options that it is given."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.commands.virt_install import Boot, Card, Disk, quoted, virt_install

UUID = "6f1c1c3e-0000-4000-8000-000000000001"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


def argv(**changes: Any) -> tuple[str, ...]:
    """The arguments for a host with one disk and one card, but for what is changed."""
    values: dict[str, Any] = {
        "connect": "qemu:///system",
        "name": "ns.example.com",
        "uuid": UUID,
        "memory_mib": 512,
        "vcpus": 1,
        "autostart": False,
        "machine": "q35",
        "virt_type": "kvm",
        "disks": [Disk("staging", "ns.example.com.0.qcow2")],
        "cards": [Card("vlan:10", "h6f1c1c3e00-0")],
        "boot": Boot(),
        "console_log": f"/var/log/libvirt/qemu/{UUID}.console.log",
        **changes,
    }
    command = virt_install(**values)
    assert (command.stdin, command.tolerates) == (None, ())
    return command.argv


def disk(index: int, volume: str) -> str:
    return (
        f'--disk=vol="staging/{volume}",bus=scsi,address.type=drive,address.controller=0,'
        f"address.bus=0,address.target={index},address.unit=0"
    )


FIRST = (
    "virt-install",
    "--connect=qemu:///system",
    "--name=ns.example.com",
    f"--metadata=uuid={UUID}",
    "--memory=512",
    "--vcpus=1",
)
SYSTEM = (
    "--machine=q35",
    "--virt-type=kvm",
    "--os-variant=detect=on,require=off",
    "--controller=type=scsi,model=virtio-scsi",
)
DISK = (disk(0, "ns.example.com.0.qcow2"),)
CARD = ('--network=network="vlan:10",model=virtio,target.dev=h6f1c1c3e00-0',)
LAST = (
    "--graphics=vnc,listen=127.0.0.1",
    f'--serial=pty,log.file="/var/log/libvirt/qemu/{UUID}.console.log",log.append=on',
    "--noautoconsole",
)
BLANK = ("--import", "--boot=hd,network")


def test_a_host_on_a_blank_disk() -> None:
    assert argv() == (*FIRST, *SYSTEM, *DISK, *CARD, *LAST, *BLANK)


def test_a_host_that_starts_with_the_hypervisor() -> None:
    first = (*FIRST[:-1], "--vcpus=4", "--autostart")
    assert argv(vcpus=4, autostart=True) == (*first, *SYSTEM, *DISK, *CARD, *LAST, *BLANK)


def test_neither_disk_nor_card() -> None:
    none = ("--disk=none", "--network=none")
    assert argv(disks=[], cards=[]) == (*FIRST, *SYSTEM, *none, *LAST, *BLANK)


def test_nine_disks_are_targets_of_one_controller() -> None:
    names = [f"ns.example.com.{index}.qcow2" for index in range(9)]
    disks = [disk(index, name) for index, name in enumerate(names)]
    assert argv(disks=[Disk("staging", name) for name in names]) == (
        *(*FIRST, *SYSTEM, *disks),
        *(*CARD, *LAST, *BLANK),
    )


def test_two_cards() -> None:
    cards = [Card("vlan:10", "h6f1c1c3e00-0"), Card('a "b", c', "h6f1c1c3e00-1")]
    second = r'--network=network="a \"b\", c",model=virtio,target.dev=h6f1c1c3e00-1'
    assert argv(cards=cards) == (*FIRST, *SYSTEM, *DISK, *CARD, second, *LAST, *BLANK)


@pytest.mark.parametrize(
    ("boot", "words"),
    [
        (Boot(), BLANK),
        (Boot(network_boot=True), ("--pxe",)),
        (
            Boot(location="http://mirror/debian"),
            ('--location=location="http://mirror/debian"',),
        ),
        (
            Boot(location="http://mirror/a,b", cmdline='console=ttyS0 foo="a, b"'),
            (
                '--location=location="http://mirror/a,b"',
                '--extra-args=console=ttyS0 foo="a, b"',
            ),
        ),
    ],
)
def test_what_it_boots_from(boot: Boot, words: tuple[str, ...]) -> None:
    assert argv(boot=boot) == (*FIRST, *SYSTEM, *DISK, *CARD, *LAST, *words)


def sub_options(argument: str) -> list[tuple[str, str | None]]:
    """Split an argument's value as virt-install does in `parse_optstr_tuples`."""
    lexer = shlex.shlex(argument.partition("=")[2], posix=True)
    lexer.commenters = ""
    lexer.whitespace = ","
    lexer.whitespace_split = True
    pairs = (word.partition("=") for word in lexer)
    return [(name, value if equals else None) for name, equals, value in pairs]


@given(TEXT)
def test_a_quoted_value_is_read_back(value: str) -> None:
    assert sub_options(f"--any=a={quoted(value)},b=1") == [("a", value), ("b", "1")]


@given(TEXT, TEXT, TEXT, TEXT, TEXT)
def test_every_value_is_read_back(
    pool: str, volume: str, network: str, location: str, log: str
) -> None:
    words = argv(
        disks=[Disk(pool, volume)],
        cards=[Card(network, "h6f1c1c3e00-0")],
        boot=Boot(location=location),
        console_log=log,
    )
    read = {word.partition("=")[0]: sub_options(word) for word in words if "=" in word}
    assert read["--disk"] == [
        ("vol", f"{pool}/{volume}"),
        ("bus", "scsi"),
        ("address.type", "drive"),
        ("address.controller", "0"),
        ("address.bus", "0"),
        ("address.target", "0"),
        ("address.unit", "0"),
    ]
    assert read["--network"] == [
        ("network", network),
        ("model", "virtio"),
        ("target.dev", "h6f1c1c3e00-0"),
    ]
    assert read["--location"] == [("location", location)]
    assert read["--serial"] == [("pty", None), ("log.file", log), ("log.append", "on")]
