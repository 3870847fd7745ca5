"""A libvirt, an Open vSwitch and a network of a test's own, beside the machine's.

For a test that asks for anything under any name: nothing in there is anybody else's, and all of
it goes with it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import sh

from . import stack
from .daemon import PROJECT

POOL, BRIDGE = "inside", "br0"
IMAGES, LOGS = "/var/lib/libvirt/images/inside", "/var/log/libvirt/qemu"
# Without control groups, whose tree is the machine's.
PREPARE = f"""
set -e
umount --recursive --lazy /sys/fs/cgroup
for folder in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt \\
    /var/log/libvirt /etc/openvswitch /var/lib/openvswitch /var/log/openvswitch; do
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=755 none "$folder"
done
mkdir -p /run/lock /run/openvswitch /etc/openvswitch /var/lib/libvirt/boot {IMAGES} {LOGS}
ip link set lo up
database=/etc/openvswitch/conf.db
ovsdb-tool create "$database" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --detach --pidfile --remote=punix:/run/openvswitch/db.sock "$database"
ovs-vsctl --timeout=20 --no-wait init
ovs-vswitchd --detach --pidfile
ovs-vsctl --timeout=20 add-br {BRIDGE} -- set bridge {BRIDGE} datapath_type=netdev
virtlogd --daemon
libvirtd --daemon
echo ready
exec sleep infinity
"""


class World:
    """Processes with mounts and a network of their own. enter: the words before a command in it."""

    def __init__(self, log: Path) -> None:
        """log: where what starts in there writes to."""
        words = ("unshare", "--mount", "--net", "--propagation=private", "sh", "-c", PREPARE)
        with log.open("wb") as stderr:
            self._holder = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=stderr)
        assert self._holder.stdout is not None
        # Daemons keep the pipe open: its end is not to be waited for.
        assert self._holder.stdout.readline() == b"ready\n", log.read_text()
        self.enter = (
            *("nsenter", f"--target={self._holder.pid}", "--mount", "--net", f"--wd={log.parent}"),
            *("env", f"PYTHONPATH={PROJECT}:{Path(__file__).parent}"),
        )

    def make_pool(self) -> None:
        """Wait until libvirt answers, and make its pool."""

        def answers() -> bool:
            try:
                return bool(self.run(*_VIRSH, "version"))
            except sh.ErrorReturnCode:
                return False

        stack.wait_for(answers, "a libvirt that answers")
        for words in (
            ("pool-define-as", POOL, "dir", "--target", IMAGES),
            ("pool-start", POOL),
            ("pool-autostart", POOL),
        ):
            self.run(*_VIRSH, *words)

    def run(self, *words: str) -> str:
        """Run a command in there; answers what it printed."""
        return stack.tool(*self.enter, *words)

    def python(self, *words: str) -> tuple[str, ...]:
        """The words of a Python command in there."""
        return (*self.enter, sys.executable, *words)

    def close(self) -> None:
        """End everything that runs in there."""

        def ended() -> bool:
            left = [number for number in self._processes() if number != self._holder.pid]
            for number in left:
                os.kill(number, signal.SIGKILL)
            return not left

        try:
            stack.wait_for(ended, "an end to what ran in the test's own world")
        finally:
            self._holder.kill()
            self._holder.wait(240)

    def _processes(self) -> list[int]:
        """Every process on this network."""
        space = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(folder / "ns/net") == space:
                    found.append(int(folder.name))
            except OSError:
                pass
        return found


_VIRSH = ("virsh", "--connect=qemu:///system")
