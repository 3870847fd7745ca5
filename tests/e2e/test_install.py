"""Installs over the network, from POST to the first boot from disk."""

from pathlib import Path

import pytest

from . import stack
from .daemon import Agent
from .stack import POOL_PATH, V10, V20, own

NAME = own("ns")
# Small, and enough for the tree's installer.
BODY = {"memory": 256, "disks": [1], "networks": [V10], "install": True}
# The installer of the tree waits on this until its machine is stopped, or is sent a line.
HOLD = "tree.hold"
ASK = "tree.ask"
ODD = (
    f"""{ASK} a="b c" d='e' $(reboot) `reboot`; reboot & x,y=z,kernel=/a \\ %20 <&> é=日本 --wait"""
)


def _installer_saw(console: str) -> dict[str, str]:
    lines = (line.partition("installer: ")[2] for line in console.splitlines())
    return {key: value for key, colon, value in (line.partition(": ") for line in lines) if colon}


def test_a_host_is_installed_and_boots_from_its_disk(agent: Agent, tree: str) -> None:
    """The installer sees SCSI disks, cards and its parameters; the next boot is its work."""
    body = {**BODY, "disks": [1, 2], "networks": [V10, V20], "location": tree}
    with stack.unchanged():
        made = agent.post("hosts", NAME, body={**body, "cmdline": ODD, "console": True})
        assert (made.status, made.body["state"]) == (200, "running")
        assert made.body["install"]["state"] == "running"
        assert agent.get("hosts", NAME).body["install"]["state"] == "running"
        assert stack.kernel_parameters(NAME) == f"{ODD} console=ttyS0"
        stack.wait_for_console(NAME, "installer: asking")
        stack.press_enter(
            stack.definition(NAME), lambda: "installer: going on" in stack.console(NAME)
        )

        console = stack.wait_for_console(NAME, "booted from disk")
        assert _installer_saw(console) == {
            "disks": "sda sdb",
            "cards": "eth0 eth1",
            "parameters": f"{ODD} console=ttyS0",
        }
        # `console` has the kernel speak on the serial port too.
        assert "Linux version" in console
        assert console.count("installer: done") == 1
        assert agent.installed(NAME)["state"] == "done"
        assert stack.kernel_parameters(NAME) is None
        shown = agent.get("hosts", NAME).body
        assert {key: shown[key] for key in ("disks", "interfaces")} == {
            key: made.body[key] for key in ("disks", "interfaces")
        }
        assert agent.delete("hosts", NAME).status == 200


@pytest.mark.parametrize(
    ("cmdline", "console", "arrives"),
    [
        (None, False, None),
        ("", True, "console=ttyS0"),
        ("quiet console=tty0", True, "quiet console=tty0"),
        ("--import --name=x", False, "--import --name=x"),
        ("noconsole=1  two", True, "noconsole=1  two console=ttyS0"),
        ("x" * 2047, False, "x" * 2047),
    ],
)
def test_kernel_parameters_arrive_as_they_are(
    agent: Agent, tree: str, cmdline: str | None, console: bool, arrives: str | None
) -> None:
    """None of them is an option of a command, and console=ttyS0 is added at most once."""
    body = {**BODY, "disks": [], "location": tree, "console": console}
    made = agent.post("hosts", NAME, body=body if cmdline is None else {**body, "cmdline": cmdline})
    assert (made.status, made.body["install"]["state"]) == (200, "running")
    assert stack.kernel_parameters(NAME) == arrives
    assert stack.domains() == {NAME}


def test_a_location_may_have_any_character_of_a_url(agent: Agent, odd_tree: str) -> None:
    """Quotes and commas in it are no sub-options of virt-install."""
    made = agent.post("hosts", NAME, body={**BODY, "location": odd_tree, "cmdline": HOLD})
    assert (made.status, made.body["install"]["state"]) == (200, "running")
    assert stack.kernel_parameters(NAME) == HOLD
    kernel = stack.definition(NAME).findtext("os/kernel") or ""
    assert Path(kernel).parent == stack.BOOT_DIR


def test_a_location_that_is_no_install_tree_is_refused(agent: Agent, tree: str) -> None:
    """Neither one with other files, nor one that is not there, nor one where nobody answers."""
    for location in (
        tree.partition("dists")[0],
        f"{tree}/no-such-folder",
        f"{tree},kernel=/etc/passwd,initrd=/etc/passwd",
        "http://127.0.0.1:1/debian",
    ):
        with stack.unchanged():
            answer = agent.post("hosts", NAME, body={**BODY, "location": location})
            assert answer.status == 400
            assert "location" in answer.body["detail"]


def test_a_host_is_installed_over_pxe(agent: Agent) -> None:
    """It boots from the network now, and from its disk ever after."""
    with stack.unchanged():
        made = agent.post("hosts", NAME, body=BODY)
        assert (made.status, made.body["state"]) == (200, "running")
        assert made.body["install"]["state"] == "running"
        now, later = stack.definition(NAME), stack.definition(NAME, "--inactive")
        assert stack.values(now.findall("os/boot"), "dev")[0] == "network"
        assert stack.values(later.findall("os/boot"), "dev")[0] == "hd"
        assert (now.findtext("on_reboot"), later.findtext("on_reboot")) == ("destroy", "restart")
        assert (POOL_PATH / stack.volume(NAME, 0)).exists()
        assert agent.delete("hosts", NAME).status == 200
