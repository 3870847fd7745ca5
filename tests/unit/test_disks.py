"""The volumes of a host: their names, and the images outside the pool that they may be under."""

import doctest
from pathlib import Path

import pytest
from pytest_subprocess import FakeProcess

from agent.config import Config
from agent.errors import InvalidOutput
from agent.hypervisor.facts import PoolFacts
from agent.hypervisor.hypervisor import Hypervisor
from agent.plans.disks import (
    DeletedDisk,
    disks_to_delete,
    images_of_unknown_backing,
    is_named_for,
    volume_name,
)
from agent.tools.commands.qemu_img import backing_chain
from agent.tools.parsers import qemu_img as read
from agent.tools.parsers.libvirt_xml import Disk, Domain
from agent.tools.run import Runner

POOL = PoolFacts("staging", "/pool", {"ns.0.qcow2": (), "other.0.qcow2": ()})


def domain(name: str, *disks: Disk) -> Domain:
    return Domain(name, f"uuid of {name}", 64, 1, False, "restart", disks, (), None)


def disk(path: str, *backing: str) -> Disk:
    return Disk("sda", "disk", path, None, None, backing)


OWN = [domain("ns", disk("/pool/ns.0.qcow2"))]


UUID = "6f1c1c3e-0000-4000-8000-000000000001"


def test_the_name_of_a_volume() -> None:
    assert volume_name("ns.example.com", UUID, 0) == f"ns.example.com.{UUID}.0.qcow2"
    assert volume_name("a" * 247, UUID, 10) == f"{'a' * 209}.{UUID}.10.qcow2"
    assert len(volume_name("a" * 247, UUID, 10)) == 255


@pytest.mark.parametrize(
    ("volume", "named"),
    [
        (f"ns.{UUID}.0.qcow2", True),
        (f"renamed-since.{UUID}.12.qcow2", True),
        ("ns.0.qcow2", True),
        ("ns.01.qcow2", False),
        ("ns.0.qcow2.bak", False),
        ("nsx0.qcow2", False),
        ("other.0.qcow2", False),
        (f"ns.{UUID[:-1]}2.0.qcow2", False),
        (f"{UUID}.0.qcow2", False),
        (f"ns.{UUID}.x.qcow2", False),
    ],
)
def test_which_names_are_of_a_host(volume: str, named: bool) -> None:
    host = Domain("ns", UUID, 64, 1, False, "restart", (), (), None)
    assert is_named_for(host, volume) is named


def test_the_command() -> None:
    assert backing_chain("/a b.qcow2").argv == (
        *("qemu-img", "info", "--force-share", "--backing-chain", "--output=json", "--"),
        "/a b.qcow2",
    )


def test_the_output() -> None:
    assert doctest.testmod(read) == (0, 1)
    with pytest.raises(InvalidOutput) as caught:
        read.backing_chain("{}")
    assert caught.value.detail == (
        "qemu-img printed what the agent cannot read (no images in JSON): '{}'"
    )


def test_which_images_have_to_be_asked() -> None:
    """Not those of the pool, nor those of a domain that runs and says it itself."""
    others = [
        domain("a", disk("/pool/other.0.qcow2"), disk("/x/a.qcow2"), disk("/x/a.qcow2")),
        domain("b", disk("/x/b.qcow2", "/pool/ns.0.qcow2"), disk("/pool/not-refreshed.qcow2")),
    ]
    assert images_of_unknown_backing(others, POOL) == ["/pool/not-refreshed.qcow2", "/x/a.qcow2"]


def test_what_is_there_is_asked(fp: FakeProcess, tmp_path: Path) -> None:
    """What cannot be read is of no use to any machine, and bars no other's end."""
    for name in ("overlay", "broken"):
        (tmp_path / name).touch()
    paths = [str(tmp_path / name) for name in ("overlay", "broken", "gone")]
    chain = f'[{{"filename": "{paths[0]}"}}, {{"filename": "/pool/ns.0.qcow2"}}]'
    fp.register(list(backing_chain(paths[0]).argv), stdout=chain)
    fp.register(list(backing_chain(paths[1]).argv), returncode=1, stderr="qemu-img: no")
    hypervisor = Hypervisor(Runner(Config().limits()), Config())
    assert hypervisor.image_backing(paths) == {paths[0]: ("/pool/ns.0.qcow2",)}


def test_a_volume_under_such_an_image_is_kept() -> None:
    others = [domain("clone", disk("/x/clone.qcow2"))]
    under = {"/x/clone.qcow2": ("/pool/ns.0.qcow2",)}
    (kept,) = disks_to_delete(OWN, others, POOL, under)
    assert kept == DeletedDisk("sda", "ns.0.qcow2", "host clone uses it")
    (goes,) = disks_to_delete(OWN, others, POOL, {})
    assert goes == DeletedDisk("sda", "ns.0.qcow2", None)


def test_a_volume_under_a_snapshot_is_told() -> None:
    """The host's disk is the snapshot; what it is over would otherwise be left without a word."""
    own = [domain("ns", disk("/pool/ns.snap", "/pool/ns.0.qcow2"))]
    pool = PoolFacts("staging", "/pool", {"ns.0.qcow2": (), "ns.snap": ("/pool/ns.0.qcow2",)})
    assert disks_to_delete(own, [], pool) == [
        DeletedDisk("sda", "ns.snap", "it was not made for this host"),
        DeletedDisk("", "ns.0.qcow2", "no disk of the host is directly on it"),
    ]
