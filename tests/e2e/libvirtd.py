"""A libvirtd and an Open vSwitch of the tests' own: the machine's must not be stopped.

They have a mount namespace with empty folders for their state, where the agent and every virsh
of these tests run too, and a network of their own. So what others do at the same time on the
machine's is not seen here: a port there with the name that a card here is given, for one.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import sh

from . import stack
from .daemon import PROJECT, Agent
from .stack import own

POOL = own("inside")
IMAGES, LOGS = "/var/lib/libvirt/images/inside", "/var/log/libvirt/qemu"
# Without control groups, whose tree is the machine's, and with what the machine's libvirtd knows of
# QEMU already, which takes seconds to find out. The cards have no boot ROM: a BIOS with nothing to
# boot from is idle, and iPXE, which looks for a server, takes a whole processor for each host.
PREPARE = f"""
set -e
umount --recursive --lazy /sys/fs/cgroup
known=$(mktemp -d)
cp -a /var/cache/libvirt/. "$known"
for folder in /run /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=755 none "$folder"
done
mkdir -p /run/lock /run/openvswitch /var/lib/libvirt/boot {IMAGES} {LOGS}
cp -a "$known"/. /var/cache/libvirt
rm -r "$known"
roms=/usr/lib/ipxe/qemu
names=$(ls $roms)
mount -t tmpfs -o mode=755 none $roms
for name in $names; do head -c 512 /dev/zero > "$roms/$name"; done
ip link set lo up
echo ready
exec sleep infinity
"""


class Libvirt:
    """A libvirtd of the tests' own, with a pool and a switch."""

    switch: "Switch"

    def __init__(self) -> None:
        words = ("unshare", "--mount", "--net", "--propagation=private", "sh", "-c", PREPARE)
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"
        self.root = Path(f"/proc/{self._holder.pid}/root")
        # The words before a command that is to run in there, without another process.
        self.enter = ("nsenter", f"--target={self._holder.pid}", "--mount")
        # As the daemons are run, in their network.
        self.inside = (*self.enter, "--net")

    def virsh(self, *words: str, stdin: str = "") -> str:
        """Run virsh on this libvirtd."""
        return stack.tool(*self.enter, "virsh", "--connect=qemu:///system", *words, stdin=stdin)

    def state(self, domain: str) -> str:
        """A domain's state, and why it is in it."""
        return self.virsh("domstate", "--reason", domain).strip()

    def port(self, domain: str) -> str:
        """The port of the only card of a domain that runs."""
        xml = ElementTree.fromstring(self.virsh("dumpxml", domain))
        (target,) = xml.findall("devices/interface/target")
        return target.attrib["dev"]

    def prepare(self) -> None:
        """Start its daemons, and make its pool and its bridge."""
        self.switch = Switch(self)
        stack.tool(*self.enter, "virtlogd", "--daemon")
        self.start()
        self.virsh("pool-define-as", POOL, "dir", "--target", IMAGES)
        self.virsh("pool-start", POOL)
        self.virsh("pool-autostart", POOL)

    def start(self) -> None:
        """Start libvirtd, and wait until it answers."""
        stack.tool(*self.inside, "libvirtd", "--daemon")
        stack.wait_for(self._answers, "a libvirtd that answers")

    @property
    def process(self) -> int:
        """libvirtd's process."""
        return int((self.root / "run/libvirtd.pid").read_text())

    def end(self, number: signal.Signals) -> None:
        """End libvirtd; its machines go on."""
        process = self.process
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
        self._holder.wait(240)

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


class Switch:
    """An Open vSwitch beside a libvirtd of the tests' own, with the bridge `BRIDGE`."""

    def __init__(self, libvirt: Libvirt) -> None:
        self._libvirt = libvirt
        self._folder = libvirt.root / "run/openvswitch"
        schema = "/usr/share/openvswitch/vswitch.ovsschema"
        stack.tool(*libvirt.inside, "ovsdb-tool", "create", "/run/openvswitch/conf.db", schema)
        stack.tool(
            *(*libvirt.inside, "ovsdb-server", "--remote=punix:/run/openvswitch/db.sock"),
            *("--pidfile", "--detach", "--log-file=/dev/null", "/run/openvswitch/conf.db"),
        )
        self.vsctl("--no-wait", "init")
        self.start()
        kind = ("set", "bridge", stack.BRIDGE, "datapath_type=netdev")
        self.vsctl("add-br", stack.BRIDGE, "--", *kind)

    def ports(self) -> set[str]:
        """The ports on its bridge."""
        return set(self.vsctl("list-ports", stack.BRIDGE).split())

    def tag(self, port: str) -> str:
        """The VLAN tag of a port as ovs-vsctl prints it."""
        return self.vsctl("get", "Port", port, "tag")

    def add_internal_port(self, port: str, *more: str) -> None:
        """Put a port on the bridge that is no machine's. more: settings of its interface."""
        interface = ("--", "set", "Interface", port, "type=internal", *more)
        self.vsctl("add-port", stack.BRIDGE, port, "tag=99", *interface)

    def vsctl(self, *words: str) -> str:
        """Run ovs-vsctl on this switch."""
        return stack.tool(*self._libvirt.enter, "ovs-vsctl", "--timeout=20", *words).strip()

    def start(self) -> None:
        """Start ovs-vswitchd."""
        words = ("ovs-vswitchd", "--pidfile", "--detach", "--log-file=/dev/null")
        stack.tool(*self._libvirt.inside, *words)

    def end(self) -> None:
        """End ovs-vswitchd, and leave the database."""
        pidfile = self._folder / "ovs-vswitchd.pid"
        process = Path("/proc") / pidfile.read_text().strip()
        os.kill(int(process.name), signal.SIGTERM)
        stack.wait_for(lambda: not process.exists(), "an end to ovs-vswitchd")


@contextmanager
def running() -> Iterator[Libvirt]:
    """A libvirtd that runs, with its pool and its switch, until the end of the `with` block."""
    new = Libvirt()
    try:
        new.prepare()
        yield new
    finally:
        new.close()


def agent(libvirt: Libvirt, folder: Path, **settings: Any) -> Agent:
    """An agent of such a libvirtd, not started yet. folder: for its files."""
    made = Agent(folder, pool=POOL, pool_path=IMAGES, console_dir=LOGS, **settings)
    made.before = (*libvirt.enter, "env", f"PYTHONPATH={PROJECT}")
    return made
