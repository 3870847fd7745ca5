"""Every ovs-vsctl, ovs-appctl and find that the agent may run, whole."""

import pytest

from agent.tools.command import Command
from agent.tools.commands import ovs_appctl
from agent.tools.commands.files import delete_console_log
from agent.tools.commands.ovs_vsctl import OvsVsctl, Port

ovs = OvsVsctl(10)


@pytest.mark.parametrize(
    ("built", "line"),
    [
        (ovs.list_br(), "ovs-vsctl --timeout=10 list-br"),
        (
            ovs.interfaces(),
            "ovs-vsctl --timeout=10 --format=json --columns=name,external_ids list Interface",
        ),
        (
            ovs.wait_until_tagged([Port("h6f1c1c3e00-0", 10)]),
            "ovs-vsctl --timeout=10 wait-until Port h6f1c1c3e00-0 tag=10",
        ),
        (
            ovs.wait_until_tagged([Port("h6f1c1c3e00-0", 10), Port("h6f1c1c3e00-1", None)]),
            "ovs-vsctl --timeout=10 wait-until Port h6f1c1c3e00-0 tag=10"
            " -- wait-until Port h6f1c1c3e00-1 tag=[]",
        ),
        (
            ovs.del_ports(["h6f1c1c3e00-0"]),
            "ovs-vsctl --timeout=10 -- --if-exists del-port h6f1c1c3e00-0",
        ),
        (
            ovs.del_ports(["h6f1c1c3e00-0", "h6f1c1c3e00-1"]),
            "ovs-vsctl --timeout=10 -- --if-exists del-port h6f1c1c3e00-0"
            " -- --if-exists del-port h6f1c1c3e00-1",
        ),
        (ovs_appctl.version(5), "ovs-appctl --timeout=5 --target=ovs-vswitchd version"),
    ],
)
def test_a_command_is_exactly_this(built: Command, line: str) -> None:
    """None of its words has a space."""
    assert built == Command(tuple(line.split()))


def test_a_console_log_and_what_it_was_rotated_to() -> None:
    """Without the folder there is nothing to delete."""
    assert delete_console_log("/var/log/libvirt/qemu/6f1c1c3e.console.log") == Command(
        (
            *("find", "/var/log/libvirt/qemu", "-maxdepth", "1", "-type", "f"),
            *("-name", "6f1c1c3e.console.log*", "-delete"),
        ),
        tolerates=("No such file or directory",),
    )
