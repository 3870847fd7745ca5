"""What the agent answers, and what is right again afterwards, on a bad day.

A pool that is full is in test_faults.py; changes that run when the agent is told to stop are in
test_daemon.py; a libvirtd that is restarted is in test_kept_virsh.py, and in test_restarts.py while
installers run.
"""

import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import libvirtd, stack
from .daemon import Agent, Answer, serving
from .libvirtd import IMAGES, Libvirt
from .stack import BRIDGE, V10, own, tool

NAME, OTHER, NETWORK = own("ns"), own("other"), own("net")
BODY = {"memory": 64, "disks": [1], "networks": []}
YEAR_SECONDS = 366 * 86400


def _failing(agent: Agent) -> set[str]:
    """The parts that health calls failing, of an agent that is not well; none of one that is."""
    answer = agent.get("health")
    told = {part: said["status"] for part, said in answer.body.items() if part != "status"}
    failing = {part for part, status in told.items() if status == "failing"}
    assert answer.status == (503 if failing else 200)
    return failing


def _assert_to_try_again(answer: Answer) -> None:
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["detail"]


def test_libvirtd_is_down(libvirt: Libvirt, tmp_path: Path) -> None:
    """Its hosts run on; all that needs it is to be tried again, and then is as it was."""
    with serving(libvirtd.agent(libvirt, tmp_path)) as agent:
        made = agent.post("hosts", NAME, body=BODY)
        libvirt.end(signal.SIGKILL)
        assert _failing(agent) == {"libvirt", "pool"}
        for answer in (
            agent.get("hosts"),
            agent.get("hosts", NAME),
            agent.get("networks"),
            agent.post("hosts", OTHER, body=BODY),
            agent.delete("hosts", NAME),
            agent.request("PUT", f"/hosts/{NAME}/stop"),
        ):
            _assert_to_try_again(answer)
        assert [row["does"] for row in agent.get("operations").body] == [f"create host {NAME}"]
        libvirt.start()
        stack.wait_for(lambda: not _failing(agent), "good health")
        assert agent.get("hosts", NAME).body == made.body
        assert [row["name"] for row in agent.get("hosts").body] == [NAME]
        assert agent.delete("hosts", NAME).status == 200


def test_libvirtd_hangs(libvirt: Libvirt, tmp_path: Path) -> None:
    """What needs it is told so at the limit of its command; then nothing is left of it."""
    with serving(libvirtd.agent(libvirt, tmp_path, virsh_seconds=15)) as agent:
        made = agent.post("hosts", NAME, body=BODY)
        os.kill(libvirt.process, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(8) as pool:
                late = [
                    pool.submit(agent.get, "hosts"),
                    pool.submit(agent.get, "hosts", NAME),
                    pool.submit(agent.post, "hosts", OTHER, body=BODY),
                    pool.submit(agent.delete, "hosts", NAME),
                ]
                assert agent.get("operations").status == 200
                assert _failing(agent) == {"libvirt", "pool"}
                for each in late:
                    answer = each.result(240)
                    assert answer.status == 504
                    assert "ran past its limit of 15 s" in answer.body["detail"]
        finally:
            os.kill(libvirt.process, signal.SIGCONT)
        stack.wait_for(lambda: not _failing(agent), "good health")
        assert agent.get("hosts", NAME).body == made.body
        assert [row["name"] for row in agent.get("hosts").body] == [NAME]
        assert os.listdir(libvirt.root / IMAGES[1:]) == [made.body["disks"][0]["volume"]]
        assert agent.delete("hosts", NAME).status == 200


def test_ovs_vswitchd_is_down(libvirt: Libvirt, tmp_path: Path) -> None:
    """A create is taken back at once, and the hosts that run are shown all the same."""
    switch = libvirt.switch
    with serving(libvirtd.agent(libvirt, tmp_path, ovs_vsctl_seconds=5)) as agent:
        body = {**BODY, "networks": [NETWORK]}
        assert agent.post("networks", NETWORK, body={"bridge": BRIDGE, "vlan": 30}).status == 200
        made = agent.post("hosts", NAME, body=body)
        port = made.body["interfaces"][0]["port"]
        switch.end()
        assert _failing(agent) == {"openvswitch"}
        assert agent.get("hosts", NAME).body == made.body
        refused = agent.post("hosts", OTHER, body=body)
        _assert_to_try_again(refused)
        assert "could not put the host's port on its Open vSwitch bridge" in refused.body["detail"]
        assert "left_behind" not in refused.body
        assert libvirt.virsh("list", "--all", "--name").split() == [NAME]
        switch.start()
        stack.wait_for(lambda: not _failing(agent), "good health")
        operation = agent.get("operations", refused.body["operation"]).body
        assert operation["status"] == "undone"
        assert switch.vsctl("list-ports", BRIDGE) == port
        assert os.listdir(libvirt.root / IMAGES[1:]) == [made.body["disks"][0]["volume"]]
        assert agent.delete("hosts", NAME).status == 200
        assert switch.vsctl("list-ports", BRIDGE) == ""


@pytest.fixture
def frail_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None], Callable[[], None]]]:
    """A file system, what makes it read-only as an error of the disk does, and what mends it."""
    image, folder = tmp_path / "disk", tmp_path / "mounted"
    folder.mkdir()
    tool("truncate", "--size=16M", str(image))
    tool("mkfs.ext4", "-q", str(image))

    def mount(disk: Path) -> None:
        tool("mount", "-o", "loop,errors=remount-ro", str(disk), str(folder))

    def breaks() -> None:
        device = Path(tool("findmnt", "-n", "-o", "SOURCE", str(folder)).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def mends() -> None:
        tool("umount", str(folder))
        # The disk itself stays broken while a machine, whose mounts are its own, has it too.
        mount(Path(shutil.copy(image, tmp_path / "mended")))

    mount(image)
    try:
        yield folder, breaks, mends
    finally:
        tool("umount", str(folder))


def test_the_state_folder_turns_read_only(
    frail_disk: tuple[Path, Callable[[], None], Callable[[], None]], tmp_path: Path
) -> None:
    """Under an agent that runs, and under one that starts: reads go on, changes do not."""
    folder, breaks, mends = frail_disk
    agent = Agent(tmp_path / "agent")
    agent.state_dir = folder / "state"
    with serving(agent):
        made = agent.post("hosts", NAME, body={**BODY, "networks": [V10]})
        breaks()
        for _ in range(2):
            assert _failing(agent) == {"journal"}
            assert agent.get("hosts", NAME).body == made.body
            assert NAME in [row["name"] for row in agent.get("hosts").body]
            assert [row["host"] for row in agent.get("operations").body] == [NAME]
            with stack.unchanged():
                for answer in (
                    agent.post("hosts", OTHER, body=BODY),
                    agent.delete("hosts", NAME),
                    agent.request("PUT", f"/hosts/{NAME}/stop"),
                ):
                    _assert_to_try_again(answer)
                    assert "no change is made without it" in answer.body["detail"]
            assert agent.stop() == 0
            agent.start()
        assert agent.stop() == 0
        mends()
        agent.start()
        assert _failing(agent) == set()
        assert agent.delete("hosts", NAME).status == 200


@pytest.mark.parametrize("years", [1, -1], ids=["ahead", "back"])
def test_the_clock_was_set_while_the_agent_was_away(
    start_agent: Callable[..., Agent], years: int
) -> None:
    """It forgets nothing that was done, and goes on."""
    agent = start_agent()
    assert agent.post("hosts", NAME, body=BODY).status == 200
    assert agent.stop() == 0
    # As if the clock had been set by so much the other way.
    with sqlite3.connect(agent.state_dir / "journal.sqlite") as db:
        for column, table in (("began", "operations"), ("ended", "operations"), ("began", "steps")):
            db.execute(
                f"update {table} set {column} = {column} - ?",  # noqa: S608 - fixed
                (years * YEAR_SECONDS,),
            )
    db.close()
    agent.start()
    assert _failing(agent) == set()
    assert agent.delete("hosts", NAME).status == 200
    operations = agent.get("operations").body
    does = [(row["does"], row["status"]) for row in operations]
    assert does == [(f"delete host {NAME}", "done"), (f"create host {NAME}", "done")]
    commands = agent.get("operations", operations[0]["id"]).body["commands"]
    assert all(0 <= command["seconds"] < YEAR_SECONDS for command in commands)
