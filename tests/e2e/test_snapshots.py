"""Snapshots of hosts: made, shown, gone back to and deleted, on real disks."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import boot, stack
from .daemon import Agent, Answer
from .faults import Faults
from .images import Images
from .stack import BRIDGE, POOL, POOL_PATH, V10, own, virsh

NAME = own("ns")
HOST = {"memory": 64, "disks": [1], "networks": [V10], "boot": ["disk"]}
OFF = {**HOST, "start": False}
BOOTS = boot.disk(boot.says("booted", *boot.HALT))
SPOILT = b"\xff" * 512
# What `virsh` is replaced by, to have a port's tag changed right after a revert.
WRONG_TAG = f"""#!/bin/sh
PATH=${{PATH#*:}}
virsh "$@" || exit
case " $* " in
*" snapshot-revert "*)
    for port in $(ovs-vsctl --timeout=10 list-ports {BRIDGE}); do
        ovs-vsctl --timeout=10 set Port "$port" tag=99
    done
    ;;
esac
"""


def _path(snapshot: str, *more: str) -> tuple[str, ...]:
    return ("hosts", NAME, "snapshots", snapshot, *more)


def _make(agent: Agent, snapshot: str = "clean") -> Answer:
    return agent.post(*_path(snapshot), body=None)


def _revert(agent: Agent, snapshot: str = "clean") -> Answer:
    return agent.put(*_path(snapshot, "revert"))


def _host_that_boots(agent: Agent, folder: Path) -> dict[str, Any]:
    """A host that is off, with a disk that says so when it is booted."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    boot.put_on_disk(NAME, BOOTS, folder)
    made: dict[str, Any] = agent.get("hosts", NAME).body
    return made


def _disk() -> Path:
    return POOL_PATH / stack.volume(NAME, 0)


def _spoil() -> None:
    """Overwrite the boot sector of a host that is off."""
    stack.tool("qemu-io", "-f", "qcow2", "-c", "write -P 0xff 0 512", str(_disk()))


def _boot_sector(folder: Path) -> bytes:
    """The boot sector of a host, running or not. folder: for a file."""
    file = folder / "sector"
    ends = (f"if={_disk()}", f"of={file}")
    stack.tool("qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", "bs=512", "count=1", *ends)
    return file.read_bytes()


def _boots(count: int) -> None:
    """Wait until a host has said so often that it has booted; it must not be more."""
    said = stack.wait_for(
        lambda: (said := stack.console(NAME)).count("booted") >= count and said, "a boot"
    )
    assert said.count("booted") == count


def test_a_host_that_is_off_is_put_back(agent: Agent, tmp_path: Path) -> None:
    """A spoilt boot sector is whole again, and the definition is the one of then."""
    with stack.unchanged():
        made = _host_that_boots(agent, tmp_path)
        began = int(time.time())
        snapshot = _make(agent)
        assert snapshot.status == 200
        created = snapshot.body["created"]
        assert snapshot.body == {"name": "clean", "state": "shut off", "created": created}
        assert began <= created <= time.time()
        assert agent.get("hosts", NAME, "snapshots").body == [snapshot.body]
        assert agent.get(*_path("clean")).body == snapshot.body
        _spoil()
        assert _boot_sector(tmp_path) == SPOILT
        changed = agent.request("PUT", f"/hosts/{NAME}/boot", {"boot": ["network"]})
        assert changed.body["boot"] == ["network"]
        reverted = _revert(agent)
        assert (reverted.status, reverted.body) == (200, made)
        assert _boot_sector(tmp_path) == BOOTS[:512]
        assert agent.put("hosts", NAME, "start").status == 200
        _boots(1)
        deleted = agent.delete(*_path("clean"))
        assert (deleted.status, deleted.body) == (200, {"host": NAME, "name": "clean"})
        assert agent.get("hosts", NAME, "snapshots").body == []
        for answer in (_revert(agent), agent.delete(*_path("clean")), agent.get(*_path("clean"))):
            assert (answer.status, answer.body["detail"]) == (
                404,
                f"host {NAME!r} has no snapshot 'clean'",
            )
        assert agent.delete("hosts", NAME).status == 200


def test_a_host_that_runs_is_put_back(agent: Agent, tmp_path: Path) -> None:
    """With its memory: it goes on where it was, on its VLAN, from whatever became of it since."""
    _host_that_boots(agent, tmp_path)
    running = agent.put("hosts", NAME, "start").body
    _boots(1)
    (card,) = running["interfaces"]
    snapshot = _make(agent)
    assert (snapshot.status, snapshot.body["state"]) == (200, "running")
    assert agent.get("hosts", NAME).body == running
    for spoilt in (True, False):
        if spoilt:
            assert agent.put("hosts", NAME, "stop").status == 200
            _spoil()
        reverted = _revert(agent)
        assert (reverted.status, reverted.body) == (200, running)
        assert (stack.state(NAME), stack.tag(card["port"])) == ("running", "10")
        assert _boot_sector(tmp_path) == BOOTS[:512]
        done = agent.get("operations", reverted.headers["x-operation-id"]).body
        assert "wait-until" in done["commands"][-1]["argv"]
    _boots(1)
    # The next start is from the disk, as ever.
    assert agent.put("hosts", NAME, "stop").status == 200
    assert agent.put("hosts", NAME, "start").body == running
    _boots(2)


def test_a_host_is_put_back_to_running_and_to_off(agent: Agent, tmp_path: Path) -> None:
    """Whatever state it is in; all its snapshots go with it."""
    with stack.unchanged():
        _host_that_boots(agent, tmp_path)
        off = _make(agent, "z-off").body
        assert agent.put("hosts", NAME, "start").status == 200
        stack.wait_for(lambda: time.time() >= off["created"] + 1, "the next second")
        on = _make(agent, "a-on").body
        assert agent.get("hosts", NAME, "snapshots").body == [off, on]
        for name, state in (("z-off", "shut off"), ("a-on", "running"), ("z-off", "shut off")):
            assert _revert(agent, name).body["state"] == state
            assert stack.state(NAME) == state
        taken = _make(agent, "a-on")
        assert (taken.status, taken.body["detail"]) == (
            409,
            f"host {NAME!r} has a snapshot 'a-on' already",
        )
        removed = agent.delete("hosts", NAME)
        assert removed.body["kept"] == []


def test_a_revert_to_the_wrong_vlan_stops_the_host(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """The answer says what was wrong, and the snapshot is there for another try."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=2)
    running = agent.post("hosts", NAME, body=HOST).body
    (card,) = running["interfaces"]
    assert _make(agent).status == 200
    wrapper = (faults.folder / "virsh").read_text()
    faults.replace("virsh", WRONG_TAG)
    answer = _revert(agent)
    assert (answer.status, answer.body["exit_code"]) == (503, -14)
    assert f" wait-until Port {card['port']} tag=10 " in answer.body["command"]
    found = agent.get("operations", answer.body["operation"]).body
    assert (found["status"], found["undo_commands"]) == ("undone", 1)
    assert (stack.state(NAME), stack.ports()) == ("shut off", set())
    faults.replace("virsh", wrapper)
    reverted = _revert(agent)
    assert (reverted.status, reverted.body) == (200, running)
    assert stack.tag(card["port"]) == "10"


@pytest.mark.parametrize(
    ("volume", "kind", "why"),
    [
        (f"{NAME}.0.qcow2", "raw", "its format is raw, and snapshots are in qcow2 only"),
        ("by-hand.qcow2", "qcow2", "it was not made for this host"),
    ],
    ids=["raw", "foreign"],
)
def test_a_disk_that_cannot_be_in_a_snapshot(
    agent: Agent, volume: str, kind: str, why: str
) -> None:
    virsh("vol-create-as", POOL, volume, "1M", "--format", kind)
    source = f"<source file='{POOL_PATH / volume}'/><target dev='sda' bus='scsi'/>"
    driver = f"<driver name='qemu' type='{kind}'/>"
    stack.define_domain(NAME, f"<disk type='file' device='disk'>{driver}{source}</disk>")
    with stack.unchanged():
        answer = _make(agent)
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"disk {volume} of host {NAME!r} cannot be in a snapshot: {why}",
        )


def test_a_host_without_disks(agent: Agent) -> None:
    assert agent.post("hosts", NAME, body={**OFF, "disks": []}).status == 200
    answer = _make(agent)
    assert (answer.status, answer.body["detail"]) == (
        409,
        f"host {NAME!r} has no disk that a snapshot could be in",
    )


def test_media_keeps_snapshots_away(agent: Agent, images: Images) -> None:
    """A revert would lose it; a snapshot can be deleted all the same."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    assert _make(agent).status == 200
    media = {"image": images.url()}
    assert agent.request("PUT", f"/hosts/{NAME}/media", media).status == 200
    with stack.unchanged():
        for answer in (_make(agent, "other"), _revert(agent)):
            assert answer.status == 409
            assert ".media of host" in answer.body["detail"]
    assert agent.delete(*_path("clean")).status == 200
    assert agent.request("DELETE", f"/hosts/{NAME}/media").status == 200
    assert _make(agent).status == 200


def test_an_install_keeps_snapshots_away(agent: Agent) -> None:
    """Until it has ended."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    assert _make(agent).status == 200
    assert agent.request("PUT", f"/hosts/{NAME}/install", {}).status == 200
    virsh("suspend", NAME)
    with stack.unchanged():
        for answer in (_make(agent, "other"), _revert(agent), agent.delete(*_path("clean"))):
            assert (answer.status, answer.body["detail"]) == (
                409,
                f"host {NAME!r} is being installed; snapshots have to wait for that",
            )
    assert agent.put("hosts", NAME, "stop").status == 200
    assert agent.installed(NAME)["state"] == "failed"
    assert _revert(agent).status == 200


@pytest.mark.parametrize("bad", ["-x", ".x", "a b", "7", "x" * 248, "a'b", "é", "x\n"])
def test_a_name_that_no_snapshot_is_given(agent: Agent, bad: str) -> None:
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with stack.unchanged():
        answer = _make(agent, bad)
        assert (answer.status, answer.fields) == (400, {"snapshot"})


@pytest.mark.parametrize("name", ["a:b_c.d-e", "x" * 247])
def test_a_name_that_a_snapshot_is_given(agent: Agent, name: str) -> None:
    assert agent.post("hosts", NAME, body=OFF).status == 200
    assert _make(agent, name).body["name"] == name
    assert _revert(agent, name).status == 200
    assert agent.delete(*_path(name)).status == 200
    assert virsh("snapshot-list", "--name", NAME).strip() == ""


@pytest.mark.parametrize("odd", ["my snapshot", "--name=x; $(b)", "Zürich 'n\" 网络", "7", "-x"])
def test_a_snapshot_made_by_hand_may_have_any_name(agent: Agent, odd: str) -> None:
    """It is listed, shown, gone back to and deleted by exactly that name."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    virsh("snapshot-create-as", f"--domain={NAME}", f"--name={odd}")
    (listed,) = agent.get("hosts", NAME, "snapshots").body
    assert (listed["name"], listed["state"]) == (odd, "shut off")
    assert agent.get(*_path(odd)).body == listed
    assert _revert(agent, odd).status == 200
    assert agent.delete(*_path(odd)).body == {"host": NAME, "name": odd}
    assert virsh("snapshot-list", "--name", NAME).strip() == ""


def test_a_snapshot_outside_the_hosts_own_disks(agent: Agent) -> None:
    """Made by hand as an overlay, it is shown, and nothing is done with it."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    overlay = f"sda,file={POOL_PATH / own('overlay')}"
    virsh("snapshot-create-as", NAME, "external", "--disk-only", "--diskspec", overlay)
    (listed,) = agent.get("hosts", NAME, "snapshots").body
    assert listed["name"] == "external"
    with stack.unchanged():
        for answer in (_revert(agent, "external"), agent.delete(*_path("external"))):
            assert (answer.status, answer.body["detail"]) == (
                409,
                f"snapshot 'external' of host {NAME!r} is not in its own disks",
            )


def test_a_saved_host_is_not_reverted(agent: Agent) -> None:
    """libvirt would want to be forced: the memory that is saved goes with the disks as they are."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    assert _make(agent, "clean").status == 200
    assert agent.put("hosts", NAME, "start").status == 200
    virsh("managedsave", NAME)
    with stack.unchanged():
        answer = _revert(agent, "clean")
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"host {NAME!r} has a saved state; start it, or forget that with:"
            f" virsh managedsave-remove {stack.uuid(NAME)}",
        )
    virsh("managedsave-remove", NAME)
    assert _revert(agent, "clean").status == 200
