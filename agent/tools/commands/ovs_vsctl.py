"""ovs-vsctl: bridges and access ports of Open vSwitch."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent.tools.command import Command


@dataclass(frozen=True, slots=True)
class Port:
    """An access port: its name, and the VLAN tag that it must have, None for untagged."""

    name: str
    tag: int | None


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
        """Succeed once every port is there with its tag; end by SIGALRM when one is not.

        libvirt before 10.3 leaves the tag of a port that it finds there as it is.
        """
        words: list[str] = []
        for port in ports:
            tag = "[]" if port.tag is None else str(port.tag)
            words += ["--", "wait-until", "Port", port.name, f"tag={tag}"]
        return self._command(*words[1:])

    def del_ports(self, names: Sequence[str]) -> Command:
        """Remove ports from whatever bridge they are on; they may be gone already."""
        words: list[str] = []
        for name in names:
            words += ["--", "--if-exists", "del-port", name]
        return self._command(*words)
