"""ovs-vsctl: bridges of Open vSwitch and their ports."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.tools.command import Command


@dataclass(frozen=True, slots=True)
class Port:
    """A host's port: its name, and what Open vSwitch must have of its VLANs.

    tag: of an access port, and of a trunk's frames without a tag; None for none. trunks: the VLANs
    of a trunk. vlan_mode: "native-untagged" or "native-tagged" for a trunk with a tag.
    """

    name: str
    tag: int | None
    trunks: tuple[int, ...] = ()
    vlan_mode: str | None = None


@dataclass(frozen=True, slots=True)
class OvsVsctl:
    """Builds ovs-vsctl commands.

    timeout: seconds after which each gives up. Without one ovs-vsctl waits for ever when
    ovs-vswitchd is down. It then ends by SIGALRM.
    """

    timeout: int

    def _command(self, *words: str) -> Command:
        return Command(("ovs-vsctl", f"--timeout={self.timeout}", *words))

    def list_br(self) -> Command:
        """Name the bridges, one a line."""
        return self._command("list-br")

    def interfaces(self) -> Command:
        """Name every interface and its external ids, where libvirt puts the domain's."""
        return self._command("--format=json", "--columns=name,external_ids", "list", "Interface")

    def wait_until_tagged(self, ports: Sequence[Port]) -> Command:
        """Succeed once every port is there with its VLANs; end by SIGALRM when one is not.

        libvirt before 10.3 leaves the VLANs of a port that it finds there as they are.
        """
        words: list[str] = []
        for port in ports:
            tag = "[]" if port.tag is None else str(port.tag)
            trunks = ",".join(map(str, sorted(port.trunks)))
            words += ["--", "wait-until", "Port", port.name, f"tag={tag}", f"trunks=[{trunks}]"]
            words.append(f"vlan_mode={port.vlan_mode or '[]'}")
        return self._command(*words[1:])

    def del_ports(self, names: Sequence[str]) -> Command:
        """Remove ports from whatever bridge they are on; they may be gone already."""
        words: list[str] = []
        for name in names:
            words += ["--", "--if-exists", "del-port", name]
        return self._command(*words)
