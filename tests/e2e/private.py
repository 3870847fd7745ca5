"""A libvirtd of the tests' own, to be killed as they like: the machine's is everybody's.

It has a mount namespace with empty folders for its state, where the agent and every virsh of
such tests run too. The network is the machine's.
"""

import os
import signal
import subprocess
from pathlib import Path

import sh

from . import stack
from .daemon import PROJECT, Agent
from .stack import own

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

    def virsh(self, *words: str, stdin: str = "") -> str:
        """Run virsh on this libvirtd."""
        return stack.tool(*self.enter, "virsh", "--connect=qemu:///system", *words, stdin=stdin)

    def state(self, domain: str) -> str:
        """A domain's state, and why it is in it."""
        return self.virsh("domstate", "--reason", domain).strip()

    def start(self) -> None:
        """Start libvirtd, and wait until it answers."""
        stack.tool(*self.enter, "libvirtd", "--daemon")
        stack.wait_for(self._answers, "a libvirtd that answers")

    def end(self, number: signal.Signals) -> None:
        """End libvirtd; its machines go on."""
        process = int((self.root / "run/libvirtd.pid").read_text())
        os.kill(process, number)
        stack.wait_for(lambda: process not in self._processes(), "an end to libvirtd")

    def close(self) -> None:
        """End everything that runs in there."""
        if not self._answers():
            # QEMU outlives it, and is its to end.
            self.start()
        for name in self.virsh("list", "--all", "--name").split():
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

    def _answers(self) -> bool:
        try:
            return bool(self.virsh("version", "--daemon"))
        except sh.ErrorReturnCode:
            return False

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


def agent(libvirt: Libvirt, folder: Path) -> Agent:
    """An agent of such a libvirtd, not started yet. folder: for its files."""
    made = Agent(folder, pool=POOL, pool_path=IMAGES, console_dir=LOGS)
    made.before = (*libvirt.enter, "env", f"PYTHONPATH={PROJECT}")
    return made
