"""Hosts, from POST to DELETE, as virsh, ovs-vsctl and qemu-img see them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import pytest

from . import libvirtd, stack
from .daemon import Agent, serving
from .libvirtd import Libvirt
from .stack import BRIDGE, GIB, POOL, POOL_PATH, V10, V20, own, virsh

NAME = own("ns")
EMPTY = {"memory": 64, "disks": [], "networks": []}


def _volumes(name: str, count: int) -> list[str]:
    return [stack.volume(name, index) for index in range(count)]


def _assert_removed(agent: Agent, name: str, disks: int) -> None:
    """Remove a host, and see that its disks went with it."""
    volumes = _volumes(name, disks)
    assert agent.delete("hosts", name).body["deleted"] == volumes


def _expected(name: str, sizes: list[int], cards: list[tuple[str, int]], **more: Any) -> Any:
    """The whole object of a running host, with what libvirt chose read from libvirt."""
    interfaces = stack.definition(name).findall("devices/interface")
    letters = "abcdefghi"
    return {
        "id": stack.uuid(name),
        "name": name,
        "state": "running",
        "memory": 64,
        "vcpus": 1,
        "autostart": False,
        "disks": [
            {"target": f"sd{letter}", "size": size, "pool": POOL, "volume": volume}
            for letter, size, volume in zip(
                letters, sizes, _volumes(name, len(sizes)), strict=False
            )
        ],
        "interfaces": [
            {
                "mac": card.find("mac").attrib["address"],
                "network": network,
                "bridge": BRIDGE,
                "vlan": vlan,
                "trunk": None,
                "port": card.find("target").attrib["dev"],
            }
            for card, (network, vlan) in zip(interfaces, cards, strict=True)
        ],
        "boot": ["disk", "network"],
        "media": None,
        "install": None,
        **more,
    }


def _assert_disks_look_physical(xml: ElementTree.Element, count: int) -> None:
    """All disks are on one virtio-scsi controller, each a target of its own, in order."""
    scsi = [c.attrib for c in xml.findall("devices/controller") if c.get("type") == "scsi"]
    assert scsi == [{"type": "scsi", "index": "0", "model": "virtio-scsi"}]
    disks = xml.findall("devices/disk")
    assert [disk.find("target").attrib for disk in disks] == [
        {"dev": f"sd{'abcdefghi'[index]}", "bus": "scsi"} for index in range(count)
    ]
    assert [disk.find("address").attrib for disk in disks] == [
        {"type": "drive", "controller": "0", "bus": "0", "target": str(index), "unit": "0"}
        for index in range(count)
    ]


def test_a_host_is_made_shown_and_removed(either_agent: Agent) -> None:
    """Three disks, two networks: what was asked for is what libvirt, QEMU and OVS have."""
    sizes, cards = [2, 1, 3], [(V10, 10), (V20, 20)]
    with stack.unchanged():
        made = either_agent.post(
            "hosts", NAME, body={"memory": 64, "disks": sizes, "networks": [V10, V20]}
        )
        assert (made.status, made.body) == (200, _expected(NAME, sizes, cards))
        assert stack.state(NAME) == "running"
        assert virsh("dominfo", NAME).count("Persistent:     yes") == 1

        for options in ((), ("--inactive",)):
            xml = stack.definition(NAME, *options)
            _assert_disks_look_physical(xml, 3)
            assert "q35" in xml.find("os/type").attrib["machine"]
            assert [boot.attrib["dev"] for boot in xml.findall("os/boot")] == ["hd", "network"]
            models = [
                card.find("model").attrib["type"] for card in xml.findall("devices/interface")
            ]
            assert models == ["virtio", "virtio"]
        for volume, size in zip(_volumes(NAME, 3), sizes, strict=True):
            told = stack.image(POOL_PATH / volume)
            assert (told["format"], told["virtual-size"]) == ("qcow2", size * GIB)
            assert f"Capacity:       {size * GIB} bytes" in virsh(
                "vol-info", "--bytes", "--pool", POOL, "--vol", volume
            )
        assert [
            (vlan, stack.vsctl("port-to-br", card["port"]))
            for card, vlan in ((card, stack.tag(card["port"])) for card in made.body["interfaces"])
        ] == [("10", BRIDGE), ("20", BRIDGE)]
        assert stack.ports() == {card["port"] for card in made.body["interfaces"]}

        assert either_agent.get("hosts", NAME).body == made.body
        row = {key: made.body[key] for key in ("id", "name", "state")}
        assert row in either_agent.get("hosts").body

        volumes = _volumes(NAME, 3)
        removed = either_agent.delete("hosts", NAME)
        assert removed.status == 200
        assert removed.body == {
            "id": made.body["id"],
            "name": NAME,
            "deleted": volumes,
            "kept": [],
        }
    assert either_agent.get("hosts", NAME).status == 404
    assert either_agent.delete("hosts", NAME).status == 404
    assert NAME not in [host["name"] for host in either_agent.get("hosts").body]


def test_nine_disks_share_one_controller(agent: Agent) -> None:
    """libvirt left to itself would put the eighth on an lsilogic."""
    sizes = [1] * 9
    with stack.unchanged():
        made = agent.post("hosts", NAME, body={**EMPTY, "disks": sizes})
        assert (made.status, made.body) == (200, _expected(NAME, sizes, []))
        _assert_disks_look_physical(stack.definition(NAME), 9)
        _assert_removed(agent, NAME, 9)


def test_a_host_may_have_no_disk_and_no_card(agent: Agent) -> None:
    """Either list may be empty; virt-install adds nothing of its own."""
    with stack.unchanged():
        made = agent.post("hosts", NAME, body=EMPTY)
        assert (made.status, made.body) == (200, _expected(NAME, [], []))
        xml = stack.definition(NAME)
        assert (xml.findall("devices/disk"), xml.findall("devices/interface")) == ([], [])
        assert agent.delete("hosts", NAME).status == 200


def test_processors_and_autostart_are_set(agent: Agent) -> None:
    """And shown, also of a host that is off."""
    with stack.unchanged():
        made = agent.post("hosts", NAME, body={**EMPTY, "vcpus": 3, "autostart": True})
        more = {"vcpus": 3, "autostart": True}
        assert (made.status, made.body) == (200, _expected(NAME, [], [], **more))
        assert stack.definition(NAME).findtext("vcpu") == "3"
        info = virsh("dominfo", NAME)
        assert "Autostart:      enable" in info
        virsh("destroy", NAME)
        assert agent.get("hosts", NAME).body == {**made.body, "state": "shut off"}
        assert agent.delete("hosts", NAME).status == 200


def test_the_longest_name(agent: Agent) -> None:
    """libvirt's own files set the limit, and with many disks the volumes' do."""
    label = "a" * 63
    longest = f"{own(label)[:63]}.{label}.{label}."
    longest += "b" * (247 - len(longest))
    with stack.unchanged():
        made = agent.post("hosts", longest, body={**EMPTY, "disks": [1]})
        assert (made.status, made.body) == (200, _expected(longest, [1], []))
        assert agent.get("hosts", longest).body == made.body
        _assert_removed(agent, longest, 1)
        answer = agent.post("hosts", longest + "b", body=EMPTY)
        assert (answer.status, answer.fields) == (400, {"name"})


def test_the_most_cards(agent: Agent) -> None:
    """24 is what a q35 machine has room for."""
    with stack.unchanged():
        made = agent.post("hosts", NAME, body={**EMPTY, "networks": [V10, V20] * 12})
        assert (made.status, made.body) == (200, _expected(NAME, [], [(V10, 10), (V20, 20)] * 12))
        tags = [stack.tag(card["port"]) for card in made.body["interfaces"]]
        assert tags == ["10", "20"] * 12
        assert agent.delete("hosts", NAME).status == 200


def test_the_most_disks(agent: Agent) -> None:
    """All of them on the one controller."""
    with stack.unchanged():
        made = agent.post("hosts", NAME, body={**EMPTY, "disks": [1] * 64})
        assert (made.status, len(made.body["disks"])) == (200, 64)
        assert made.body["disks"][63]["target"] == "sdbl"
        scsi = stack.definition(NAME).findall("devices/controller[@type='scsi']")
        assert stack.values(scsi, "model") == ["virtio-scsi"]
        _assert_removed(agent, NAME, 64)


def test_a_host_that_is_off_shows_where_its_cards_lead(agent: Agent) -> None:
    """Its definition names the networks only; bridge and VLAN are those of the networks."""
    made = agent.post("hosts", NAME, body={"memory": 64, "disks": [1], "networks": [V20]}).body
    virsh("destroy", NAME)
    shown = agent.get("hosts", NAME).body
    assert shown == {**made, "state": "shut off"}
    assert stack.ports() == set()


def test_of_twenty_at_once_one_is_made(agent: Agent) -> None:
    """The others are refused, and the one host is whole."""
    body = {"memory": 64, "disks": [1], "networks": [V10]}
    with stack.unchanged():
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: agent.post("hosts", NAME, body=body), range(20)))
        assert sorted(answer.status for answer in answers) == [200] + [409] * 19
        assert agent.get("hosts", NAME).body == _expected(NAME, [1], [(V10, 10)])
        _assert_removed(agent, NAME, 1)


def test_hosts_are_made_and_removed_side_by_side(agent: Agent) -> None:
    """Different names do not get into each other's way."""
    names = [own(f"n{number}") for number in range(6)]
    body = {"memory": 64, "disks": [1], "networks": [V10, V20]}
    with stack.unchanged(), ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda name: agent.post("hosts", name, body=body), names))
        assert [answer.status for answer in made] == [200] * 6
        for name, answer in zip(names, made, strict=True):
            assert answer.body == _expected(name, [1], [(V10, 10), (V20, 20)])
        removed = pool.map(lambda name: agent.delete("hosts", name), names)
        assert [answer.status for answer in removed] == [200] * 6


# What must not be touched.


def test_a_neighbour_with_a_longer_name_is_left_alone(agent: Agent) -> None:
    """Removing `ns` touches neither `ns.example.com` nor `ns.0`, nor their disks."""
    neighbours = [f"{NAME}.example.com", f"{NAME}.0"]
    body = {"memory": 64, "disks": [1, 1], "networks": [V10]}
    for name in neighbours:
        assert agent.post("hosts", name, body=body).status == 200
    before = [agent.get("hosts", name).body for name in neighbours]
    with stack.unchanged():
        assert agent.post("hosts", NAME, body=body).status == 200
        _assert_removed(agent, NAME, 2)
    assert [agent.get("hosts", name).body for name in neighbours] == before
    assert {stack.state(name) for name in neighbours} == {"running"}


def test_volumes_of_confusing_names_are_left_alone(agent: Agent) -> None:
    """The names of earlier versions, of other hosts, and files that libvirt does not know."""
    other = "6f1c1c3e-0000-4000-8000-000000000001"
    for name in (f"{NAME}.0.qcow2", f"{NAME}.{other}.0.qcow2", f"{NAME}.{other}.1.qcow2"):
        virsh("vol-create-as", POOL, name, "1M", "--format", "raw")
    (POOL_PATH / f"{NAME}.1.qcow2").write_bytes(b"precious")
    with stack.unchanged():
        assert agent.post("hosts", NAME, body={**EMPTY, "disks": [1, 1]}).status == 200
        uuid, volumes = stack.uuid(NAME), _volumes(NAME, 2)
        removed = agent.delete("hosts", NAME).body
        assert (removed["id"], removed["deleted"]) == (uuid, volumes)
        assert [kept["disk"] for kept in removed["kept"]] == [f"{NAME}.0.qcow2"]
    assert (POOL_PATH / f"{NAME}.1.qcow2").read_bytes() == b"precious"


def test_a_host_of_an_earlier_version(agent: Agent) -> None:
    """Its volumes have no UUID in their names; it is shown, started and removed whole."""
    volume = f"{NAME}.0.qcow2"
    with stack.unchanged():
        virsh("vol-create-as", POOL, volume, "1G", "--format", "qcow2")
        stack.define_domain(NAME, _disk(POOL_PATH / volume))
        shown = agent.get("hosts", NAME).body
        assert [disk["volume"] for disk in shown["disks"]] == [volume]
        started = agent.request("PUT", f"/hosts/{NAME}/start")
        assert (started.status, started.body["state"]) == (200, "running")
        assert agent.delete("hosts", NAME).body["deleted"] == [volume]


def test_a_number_or_a_uuid_is_not_a_name(agent: Agent) -> None:
    """virsh would take either for a domain; here they name none."""
    assert agent.post("hosts", NAME, body=EMPTY).status == 200
    number, uuid = virsh("domid", NAME).strip(), stack.uuid(NAME)
    for name in (number, uuid, uuid.upper(), uuid.replace("-", "")):
        for answer in (agent.delete("hosts", name), agent.get("hosts", name)):
            assert (answer.status, answer.body["detail"]) == (404, f"there is no host {name!r}")
    assert (stack.state(NAME), virsh("domid", NAME).strip()) == ("running", number)


def test_a_name_that_is_another_hosts_number(agent: Agent) -> None:
    """A domain may have been called so by hand; it is that one which is shown and removed."""
    assert agent.post("hosts", NAME, body=EMPTY).status == 200
    number = virsh("domid", NAME).strip()
    other = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    try:
        stack.define_domain(number, uuid=other)
        assert agent.get("hosts", number).body["id"] == other
        removed = agent.delete("hosts", number)
        assert (removed.status, removed.body["id"]) == (200, other)
        assert other not in virsh("list", "--all", "--uuid")
    finally:
        stack.remove_domain(other)
    assert (stack.state(NAME), virsh("domid", NAME).strip()) == ("running", number)


def test_a_stale_port_does_not_capture_a_host(libvirt: Libvirt, tmp_path: Path) -> None:
    """A port that a crash left behind keeps its tag, and libvirt before 10.3 takes it as it is.

    The agent's ports have names of their own, so those that libvirt would choose do not
    matter. A stale port of the very name cannot be made here: it comes from a random UUID.
    """
    switch = libvirt.switch
    stale = {f"vnet{number}" for number in range(21)}
    for port in stale:
        switch.add_internal_port(port)
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as agent:
        for name, vlan in ((V10, 10), (V20, 20)):
            assert agent.post("networks", name, body={"bridge": BRIDGE, "vlan": vlan}).status == 200
        made = agent.post("hosts", NAME, body={**EMPTY, "networks": [V10, V20]})
        assert made.status == 200
        cards = made.body["interfaces"]
        assert [(card["network"], card["vlan"]) for card in cards] == [(V10, 10), (V20, 20)]
        ports = [card["port"] for card in cards]
        assert [switch.tag(port) for port in ports] == ["10", "20"]
        assert stale.isdisjoint(ports)
        assert switch.ports() == {*stale, *ports}
        assert agent.delete("hosts", NAME).status == 200
        assert switch.ports() == stale


def test_a_cdrom_survives_its_host(agent: Agent) -> None:
    """An ISO that was put in by hand is not the host's own, in the pool or out of it."""
    inside, outside = POOL_PATH / f"{NAME}.9.qcow2", stack.CONSOLE_DIR / "debian.iso"
    made = agent.post("hosts", NAME, body={**EMPTY, "disks": [1]}).body
    for iso, target in ((inside, "sdx"), (outside, "sdy")):
        iso.write_bytes(bytes(4096))
        options = ("--type", "cdrom", "--mode", "readonly", "--targetbus", "sata", "--config")
        virsh("attach-disk", NAME, str(iso), target, *options)
    virsh("pool-refresh", POOL)
    volumes = _volumes(NAME, 1)
    removed = agent.delete("hosts", NAME)
    assert removed.status == 200
    assert removed.body == {
        "id": made["id"],
        "name": NAME,
        "deleted": volumes,
        "kept": [
            {"target": "sdx", "disk": inside.name, "reason": "it is in a cdrom drive"},
            {"target": "sdy", "disk": str(outside), "reason": "it is in a cdrom drive"},
        ],
    }
    assert stack.domains() == set()
    assert stack.volumes() == {inside.name}
    assert inside.read_bytes() == outside.read_bytes() == bytes(4096)


def test_a_disk_of_another_name_survives_its_host(agent: Agent) -> None:
    """A volume that was attached by hand and has the name of one made for `ns.example.com`."""
    other = f"{NAME}.example.com.0.qcow2"
    virsh("vol-create-as", POOL, other, "1G", "--format", "qcow2")
    assert agent.post("hosts", NAME, body={**EMPTY, "disks": [1]}).status == 200
    virsh("attach-disk", NAME, str(POOL_PATH / other), "sdb", "--subdriver", "qcow2", "--config")
    volumes = _volumes(NAME, 1)
    removed = agent.delete("hosts", NAME).body
    assert (removed["deleted"], removed["kept"]) == (
        volumes,
        [{"target": "sdb", "disk": other, "reason": "it was not made for this host"}],
    )
    assert (stack.domains(), stack.volumes()) == (set(), {other})


def _disk(path: Path, backing: str = "") -> str:
    return (
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file={quoteattr(str(path))}/>"
        f"<target dev='vda' bus='virtio'/>{backing}</disk>"
    )


def test_a_volume_that_another_host_uses_survives(either_agent: Agent) -> None:
    """The one that it has as a disk, and the one that its own disk is laid over."""
    user, clone = own("user"), own("clone")
    made = either_agent.post("hosts", NAME, body={**EMPTY, "disks": [1, 1, 1]}).body
    volumes = _volumes(NAME, 3)
    overlay = POOL_PATH / f"{clone}.qcow2"
    backing = ("--backing-vol", volumes[2], "--backing-vol-format", "qcow2")
    virsh("vol-create-as", POOL, overlay.name, "1G", "--format", "qcow2", *backing)
    stack.define_domain(user, _disk(POOL_PATH / volumes[1]))
    stack.define_domain(clone, _disk(overlay))
    removed = either_agent.delete("hosts", NAME)
    assert removed.status == 200
    reasons = {kept["disk"]: (kept["target"], kept["reason"]) for kept in removed.body["kept"]}
    assert removed.body["deleted"] == [volumes[0]]
    assert reasons == {
        volumes[1]: ("sdb", f"host {user} uses it"),
        volumes[2]: ("sdc", f"volume {overlay.name} is laid over it"),
    }
    assert removed.body["id"] == made["id"]
    assert stack.domains() == {user, clone}
    assert stack.volumes() == {volumes[1], volumes[2], overlay.name}


def test_a_volume_under_an_image_outside_the_pool_survives(agent: Agent, tmp_path: Path) -> None:
    """Of a machine that is off libvirt does not say what its image is laid over."""
    assert agent.post("hosts", NAME, body={**EMPTY, "disks": [1]}).status == 200
    (volume,) = _volumes(NAME, 1)
    overlay = tmp_path / "clone.qcow2"
    base = ("-b", str(POOL_PATH / volume), "-F", "qcow2")
    stack.tool("qemu-img", "create", "-q", "-u", "-f", "qcow2", *base, str(overlay), "1G")
    clone = own("clone")
    stack.define_domain(clone, _disk(overlay))
    assert agent.delete("hosts", NAME).body["kept"] == [
        {"target": "sda", "disk": volume, "reason": f"host {clone} uses it"}
    ]
    assert stack.volumes() == {volume}


@pytest.mark.parametrize("odd", ['it\'s "a"; $(b)', "Zürich & 网络 ", "--all", "a%2Fb+c<d>"])
def test_a_host_made_by_hand_may_have_any_name(either_agent: Agent, odd: str) -> None:
    """It is listed, shown, and removed by exactly that name; its disk was not made for it."""
    name = f"{stack.PREFIX} {odd}"
    virsh("vol-create-as", POOL, "by-hand.qcow2", "1G", "--format", "qcow2")
    stack.define_domain(name, _disk(POOL_PATH / "by-hand.qcow2"))
    uuid = stack.uuid(name)
    assert {"id": uuid, "name": name, "state": "shut off"} in either_agent.get("hosts").body
    shown = either_agent.get("hosts", name)
    assert (shown.status, shown.body) == (
        200,
        {
            "id": uuid,
            "name": name,
            "state": "shut off",
            "memory": 64,
            "vcpus": 1,
            "autostart": False,
            "disks": [{"target": "vda", "size": 1, "pool": POOL, "volume": "by-hand.qcow2"}],
            "interfaces": [],
            "boot": ["disk"],
            "media": None,
            "install": None,
        },
    )
    kept = {"target": "vda", "disk": "by-hand.qcow2", "reason": "it was not made for this host"}
    removed = either_agent.delete("hosts", name)
    assert (removed.status, removed.body) == (
        200,
        {"id": uuid, "name": name, "deleted": [], "kept": [kept]},
    )
    assert stack.domains() == set()
    assert stack.volumes() == {"by-hand.qcow2"}
