"""libvirtd restarted and killed while installers run: one of the tests' own, not the machine's.

It has a mount namespace with empty folders for its state, where the agent and every virsh of
these tests run too. The network is the machine's.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sh

from . import stack
from .daemon import PROJECT, Agent, serving
from .stack import own

NAME, OTHER = own("ns"), own("other")
BODY = {"memory": 256, "disks": [1], "networks": [], "install": True}
POOL = own("inside")
IMAGES, LOGS = "/var/lib/libvirt/images/inside", "/var/log/libvirt/qemu"
# Of /run all but Open vSwitch's socket is hidden, which is put aside on /mnt for a moment.
PREPARE = f"""
set -e
mount --bind /run/openvswitch /mnt
for folder in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=755 none "$folder"
done
mkdir -p /run/lock /run/openvswitch /var/lib/libvirt/boot {IMAGES} {LOGS}
mount --bind /mnt /run/openvswitch
umount /mnt
echo ready
exec sleep infinity
"""


class Libvirt:
    """A libvirtd of the tests' own, with a pool."""

    def __init__(self) -> None:
        words = ("unshare", "--mount", "--propagation=private", "sh", "-c", PREPARE)
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self.root = Path(f"/proc/{self._holder.pid}/root")
        # The words before a command that is to run in there, without another process.
        self.enter = ("nsenter", f"--target={self._holder.pid}", "--mount")

    def virsh(self, *words: str) -> str:
        """Run virsh on this libvirtd."""
        return stack.tool(*self.enter, "virsh", "--connect=qemu:///system", *words)

    def state(self, domain: str) -> str:
        """A domain's state, and why it is in it."""
        return self.virsh("domstate", "--reason", domain).strip()

    def start(self) -> None:
        """Start libvirtd, and wait until it answers."""
        stack.tool(*self.enter, "libvirtd", "--daemon")

        def answers() -> bool:
            try:
                return bool(self.virsh("version", "--daemon"))
            except sh.ErrorReturnCode:
                return False

        stack.wait_for(answers, "a libvirtd that answers")

    def end(self, number: signal.Signals) -> None:
        """End libvirtd; its machines go on."""
        process = int((self.root / "run/libvirtd.pid").read_text())
        os.kill(process, number)
        stack.wait_for(lambda: process not in self._processes(), "an end to libvirtd")

    def close(self) -> None:
        """End everything that runs in there."""
        for name in (NAME, OTHER):
            for words in (("destroy", name), ("undefine", "--managed-save", name)):
                stack.tolerant(self.virsh, *words)

        def ended() -> bool:
            left = [number for number in self._processes() if number != self._holder.pid]
            for number in left:
                os.kill(number, signal.SIGKILL)
            return not left

        stack.wait_for(ended, "an end to what ran with the tests' own libvirtd")
        self._holder.kill()
        self._holder.wait(60)

    def _processes(self) -> list[int]:
        """Every process in there, but not QEMU's, which has a namespace of its own."""
        space = os.readlink(f"/proc/{self._holder.pid}/ns/mnt")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/mnt") == space:
                    found.append(int(folder.name))
            except OSError:
                pass
        return found


@pytest.fixture
def libvirt() -> Iterator[Libvirt]:
    new = Libvirt()
    try:
        stack.tool(*new.enter, "virtlogd", "--daemon")
        new.start()
        new.virsh("pool-define-as", POOL, "dir", "--target", IMAGES)
        new.virsh("pool-start", POOL)
        new.virsh("pool-autostart", POOL)
        yield new
    finally:
        new.close()


@pytest.fixture
def agent(libvirt: Libvirt, tmp_path: Path) -> Iterator[Agent]:
    """An agent of this libvirtd."""
    new = Agent(tmp_path / "agent", pool=POOL, pool_path=IMAGES, console_dir=LOGS)
    new.before = (*libvirt.enter, "env", f"PYTHONPATH={PROJECT}")
    with serving(new):
        yield new


def _post(agent: Agent, name: str, **more: Any) -> str:
    made = agent.post("hosts", name, body={**BODY, **more})
    assert (made.status, made.body["install"]["state"]) == (200, "running")
    return str(made.body["id"])


def _ended(agent: Agent, name: str) -> tuple[str, str | None]:
    def ended() -> Any:
        answer = agent.get("hosts", name)
        install = answer.body["install"] if answer.status == 200 else {"state": "running"}
        return install["state"] != "running" and (install["state"], install["reason"])

    found: tuple[str, str | None] = stack.wait_for(ended, "an end to the install")
    return found


def _says(libvirt: Libvirt, uuid: str) -> Callable[[str], None]:
    log = libvirt.root / LOGS[1:] / f"{uuid}.console.log"

    def says(text: str) -> None:
        stack.wait_for(lambda: text in log.read_text(errors="replace"), text)

    return says


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_libvirtd_is_restarted_while_the_installer_runs(
    libvirt: Libvirt, agent: Agent, tree: str, number: signal.Signals
) -> None:
    """The event command ends with it, and another one is begun."""
    says = _says(libvirt, _post(agent, NAME, location=tree))
    says("installer: disks")
    libvirt.end(number)
    libvirt.start()
    assert _ended(agent, NAME) == ("done", None)
    says("booted from disk")
    assert libvirt.state(NAME) == "running (booted)"


def test_the_installer_ends_while_libvirtd_is_down(
    libvirt: Libvirt, agent: Agent, tree: str
) -> None:
    """And while the agent is, which is back before it."""
    says = _says(libvirt, _post(agent, NAME, location=tree))
    says("installer: disks")
    agent.kill()
    libvirt.end(signal.SIGKILL)
    says("installer: done")
    agent.start()
    assert agent.get("hosts", NAME).status == 503
    libvirt.start()
    assert _ended(agent, NAME) == ("done", None)
    says("booted from disk")


def test_a_host_that_was_put_aside_before_libvirtd_was_restarted(
    libvirt: Libvirt, agent: Agent, tree: str
) -> None:
    """libvirtd does not know any more why it is off, but that it is saved."""
    for name in (NAME, OTHER):
        _post(agent, name, location=tree, cmdline="tree.hold")
    libvirt.virsh("managedsave", NAME)
    agent.kill()
    libvirt.end(signal.SIGTERM)
    libvirt.start()
    assert libvirt.state(NAME) == "shut off (unknown)"
    agent.start()
    # When the agent has seen the end of the one, it has seen the other.
    libvirt.virsh("destroy", OTHER)
    assert _ended(agent, OTHER)[0] == "failed"
    assert libvirt.state(NAME) == "shut off (unknown)"
    assert agent.get("hosts", NAME).body["install"]["state"] == "running"
