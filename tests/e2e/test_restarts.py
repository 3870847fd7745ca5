"""libvirtd restarted and killed while installers run: one of the tests' own, not the machine's."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from . import libvirtd, stack
from .daemon import Agent, serving
from .libvirtd import LOGS, Libvirt
from .stack import own

NAME, OTHER = own("ns"), own("other")
# The installer of the tree waits on this until it is sent a line.
ASK = "tree.ask"
BODY = {"memory": 256, "disks": [1], "networks": [], "install": True}


@pytest.fixture
def agent(libvirt: Libvirt, tmp_path: Path) -> Iterator[Agent]:
    """An agent of this libvirtd."""
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as started:
        yield started


def _post(agent: Agent, name: str, **more: Any) -> str:
    made = agent.post("hosts", name, body={**BODY, **more})
    assert (made.status, made.body["install"]["state"]) == (200, "running")
    return str(made.body["id"])


def _says(libvirt: Libvirt, uuid: str) -> Callable[[str], None]:
    log = libvirt.root / LOGS[1:] / f"{uuid}.console.log"

    def says(text: str) -> None:
        stack.wait_for(lambda: text in log.read_text(errors="replace"), text)

    return says


def _status(monitor: Path) -> str:
    """How a machine is that no libvirtd has the monitor of, as its QEMU tells it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(monitor))
        with connection.makefile("rw") as lines:
            lines.write('{"execute": "qmp_capabilities"}\n{"execute": "query-status"}\n')
            lines.flush()
            for line in lines:
                if "status" in (answer := json.loads(line).get("return", {})):
                    return str(answer["status"])
    return "gone"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_libvirtd_is_restarted_while_the_installer_runs(
    libvirt: Libvirt, agent: Agent, tree: str, number: signal.Signals
) -> None:
    """The event command ends with it, and another one is begun."""
    says = _says(libvirt, _post(agent, NAME, location=tree))
    says("installer: disks")
    libvirt.end(number)
    libvirt.start()
    assert agent.installed(NAME)["state"] == "done"
    says("booted from disk")
    assert libvirt.state(NAME) == "running (booted)"


def test_the_installer_ends_while_libvirtd_is_down(
    libvirt: Libvirt, agent: Agent, tree: str
) -> None:
    """And while the agent is, which is back before it."""
    says = _says(libvirt, _post(agent, NAME, location=tree, cmdline=ASK))
    says("installer: asking")
    definition = ElementTree.fromstring(libvirt.virsh("dumpxml", NAME))
    (monitor,) = (libvirt.root / "var/lib/libvirt/qemu").glob(f"domain-*-{NAME}/monitor.sock")
    agent.kill()
    libvirt.end(signal.SIGKILL)
    stack.press_enter(definition, lambda: says("installer: done") or True)
    # A libvirtd that is started while the machine ends may give up on it: "shut off (daemon)".
    stack.wait_for(lambda: _status(monitor) == "shutdown", "an end to the machine")
    agent.start()
    assert agent.get("hosts", NAME).status == 503
    libvirt.start()
    assert agent.installed(NAME)["state"] == "done"
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
    assert agent.installed(OTHER)["state"] == "failed"
    assert libvirt.state(NAME) == "shut off (unknown)"
    assert agent.get("hosts", NAME).body["install"]["state"] == "running"
