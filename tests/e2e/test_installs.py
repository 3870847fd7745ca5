"""Installs that finish by themselves, whatever happens to the agent and to the host meanwhile."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .faults import Faults
from .stack import BRIDGE, V10, own, virsh

NAME, OTHER = own("ns"), own("other")
BODY = {"memory": 256, "disks": [1], "networks": [V10], "install": True}
# The installer of the tree waits on this until its machine is stopped.
HOLD = "tree.hold"
# The same until `_let_go_on`.
ASK = "tree.ask"
STOPPED = "the host was stopped by hand while its installer ran"
DELETED = "the host was deleted while its installer ran"


def _post(agent: Agent, tree: str, name: str = NAME, **more: Any) -> dict[str, Any]:
    """Begin an install."""
    made = agent.post("hosts", name, body={**BODY, "location": tree, **more})
    assert (made.status, made.body["state"]) == (200, "running")
    install = made.body["install"]
    assert install == {
        "state": "running",
        "started": install["started"],
        "finished": None,
        "location": tree,
        "reason": None,
    }
    body: dict[str, Any] = made.body
    return body


def _let_go_on(name: str = NAME) -> None:
    """Have an installer go on that was told to ask."""
    console = stack.wait_for_console(name, "installer: asking")
    assert "installer: going on" not in console
    stack.press_enter(stack.definition(name), lambda: "installer: going on" in stack.console(name))


def _operation(agent: Agent, name: str = NAME) -> dict[str, Any]:
    """The operation that the latest install of a host is."""
    found = [
        operation
        for operation in agent.request("GET", f"/operations?host={name}").body
        if operation["does"] == f"finish the install of host {name}"
    ]
    operation: dict[str, Any] = agent.get("operations", found[0]["id"]).body
    return operation


def _assert_installed(agent: Agent, name: str = NAME) -> None:
    """The install is done, once, and the host runs from its disk on the right VLAN."""
    install = agent.installed(name)
    assert (install["state"], install["reason"]) == ("done", None)
    assert install["started"] < install["finished"]
    console = stack.wait_for_console(name, "booted from disk")
    assert console.count("installer: done") == console.count("booted from disk") == 1
    assert stack.state(name) == "running"
    assert stack.kernel_parameters(name) is None
    (card,) = agent.get("hosts", name).body["interfaces"]
    assert stack.tag(card["port"]) == "10"


def _assert_failed(agent: Agent, reason: str) -> None:
    """The install has failed for that reason, and its host is left off, by a new agent too."""
    install = agent.installed(NAME)
    assert (install["state"], install["reason"]) == ("failed", reason)
    assert install["started"] < install["finished"]
    agent.kill()
    agent.start()
    assert agent.get("hosts", NAME).body["install"] == install
    assert stack.state(NAME) == "shut off"
    assert "booted from disk" not in stack.console(NAME)


@contextmanager
def _following(agent: Agent, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Follow the console by another process into a file."""
    url = f"http://{agent.address}/hosts/{NAME}/console?follow=true"
    words = ("curl", "-sSN", "--fail", "-H", "Accept: text/plain", url)
    with (
        file.open("wb") as output,
        subprocess.Popen(words, stdout=output, stderr=sys.stderr) as curl,
    ):
        try:
            yield curl
        finally:
            curl.kill()


def test_an_install_is_followed_to_its_end(agent: Agent, tree: str, tmp_path: Path) -> None:
    """Its console is told while it runs; it boots from its disk with nobody's help."""
    began = time.time()
    file = tmp_path / "followed"
    with stack.unchanged():
        made = _post(agent, tree, console=True, cmdline=ASK)
        with _following(agent, file) as follower:
            stack.wait_for(lambda: b"Linux version" in file.read_bytes(), "a kernel's first words")
            assert agent.get("hosts", NAME).body["install"] == made["install"]
            waiting = _operation(agent)
            assert (waiting["status"], waiting["host"]) == ("waiting", NAME)
            assert (waiting["ended"], waiting["commands"]) == (None, [])
            assert waiting["id"] in [
                found["id"] for found in agent.request("GET", "/operations?status=waiting").body
            ]
            assert stack.state(NAME) == "running"
            _let_go_on()
            stack.wait_for(lambda: b"installer: disks: sda" in file.read_bytes(), "its disks")
            _assert_installed(agent)
            stack.wait_for(lambda: b"booted from disk" in file.read_bytes(), "its first boot")
            said = file.read_bytes().decode()
            assert said.index("installer: done") < said.index("booted from disk")

            done = _operation(agent)
            port = made["interfaces"][0]["port"]
            assert (done["id"], done["status"]) == (waiting["id"], "done")
            commands = [(step["argv"], step["undo"], step["ok"]) for step in done["commands"]]
            vlans = ["tag=10", "trunks=[]", "vlan_mode=[]"]
            check = ["ovs-vsctl", "--timeout=10", "wait-until", "Port", port, *vlans]
            start = ["virsh", "--connect=qemu:///system", "start", f"--domain={made['id']}"]
            assert commands[-2:] == [(start, False, True), (check, False, True)]
            install = agent.get("hosts", NAME).body["install"]
            assert (install["started"], install["finished"]) == (done["began"], done["ended"])
            assert began < install["started"] < install["finished"] < time.time()

            assert follower.poll() is None
            assert agent.delete("hosts", NAME).status == 200
            assert follower.wait(240) == 0
    assert file.read_bytes().decode() == said


def test_the_agent_is_killed_while_the_installer_runs(
    start_agent: Callable[..., Agent], tree: str
) -> None:
    """Started again it goes on."""
    agent = start_agent()
    _post(agent, tree, cmdline=ASK)
    stack.wait_for_console(NAME, "installer: disks")
    agent.kill()
    agent.start()
    _let_go_on()
    _assert_installed(agent)


def test_the_installer_ends_while_the_agent_is_down(
    start_agent: Callable[..., Agent], tree: str
) -> None:
    """The agent looks at its start."""
    agent = start_agent()
    _post(agent, tree, cmdline=ASK)
    assert agent.stop() == 0
    _let_go_on()
    stack.wait_for(lambda: stack.state(NAME) == "shut off", "an end to the installer")
    assert "booted from disk" not in stack.console(NAME)
    agent.start()
    _assert_installed(agent)


def test_the_agent_is_killed_while_it_starts_the_host(
    start_agent: Callable[..., Agent], faults: Faults, tree: str
) -> None:
    """The next agent carries it on to the end, the check of its port included."""
    agent = start_agent(path=faults.path)
    _post(agent, tree, cmdline=ASK)
    faults.at_operation(1, "hang-after")
    _let_go_on()
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    agent.start()
    _assert_installed(agent)
    start, check = _operation(agent)["commands"][-2:]
    assert ("start" in start["argv"], "wait-until" in check["argv"]) == (True, True)
    assert (start["ok"], check["ok"]) == (True, True)


def test_a_start_that_was_cut_off_is_checked(
    start_agent: Callable[..., Agent], faults: Faults, tree: str
) -> None:
    """The agent was killed before it saw the port's tag, which is wrong: the host goes off."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    made = _post(agent, tree, cmdline=ASK)
    port = made["interfaces"][0]["port"]
    faults.at("wait-until", 1, "hang")
    _let_go_on()
    stack.wait_for(faults.hangs, "a command that hangs")
    agent.kill()
    faults.none()
    stack.vsctl("set", "Port", port, "tag=99")
    agent.start()
    install = agent.installed(NAME)
    assert install["state"] == "failed"
    assert install["reason"].startswith("it could not be started: ovs-vsctl did not see the host's")
    assert stack.state(NAME) == "shut off"


def test_a_host_that_comes_up_on_the_wrong_vlan_is_stopped(
    start_agent: Callable[..., Agent], faults: Faults, tree: str
) -> None:
    """The check after an install is that of a create."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    made = _post(agent, tree, cmdline=ASK)
    port = made["interfaces"][0]["port"]
    faults.meanwhile("wait-until", f"ovs-vsctl --timeout=10 set Port {port} tag=99")
    _let_go_on()
    install = agent.installed(NAME)
    assert install["state"] == "failed"
    assert install["reason"].startswith("it could not be started: ovs-vsctl did not see the host's")
    assert stack.state(NAME) == "shut off"
    failed = _operation(agent)
    assert (failed["status"], failed["undo_commands"]) == ("failed", 1)


def _destroyed(agent: Agent) -> None:
    virsh("destroy", NAME)


def _stopped(agent: Agent) -> None:
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200


def _killed(agent: Agent) -> None:
    process = int(Path(f"/run/libvirt/qemu/{NAME}.pid").read_text())
    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (_destroyed, STOPPED),
        (_stopped, STOPPED),
        (_killed, "the host stopped during its install: crashed"),
    ],
    ids=["destroy", "stop", "crash"],
)
def test_an_installer_that_is_ended(
    start_agent: Callable[..., Agent], tree: str, act: Callable[[Agent], None], reason: str
) -> None:
    """Whoever ended it is respected: the host stays off, and its install has failed."""
    agent = start_agent()
    _post(agent, tree, cmdline=HOLD)
    act(agent)
    _assert_failed(agent, reason)


def test_a_verb_that_would_end_the_installer_is_refused(agent: Agent, tree: str) -> None:
    """The host would look as if its installer had done its work."""
    _post(agent, tree, cmdline=HOLD)
    for verb in ("shutdown", "reboot", "reset"):
        answer = agent.request("PUT", f"/hosts/{NAME}/{verb}")
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"host {NAME!r} is in state 'running' and runs its installer, which {verb} would"
            " interrupt; stop ends the install",
        )
    assert stack.state(NAME) == "running"


def test_an_installer_that_is_put_aside(start_agent: Callable[..., Agent]) -> None:
    """Saved by hand it stays so, and started again it goes on to its end."""
    agent = start_agent()
    for name in (NAME, OTHER):
        assert agent.post("hosts", name, body=BODY).status == 200
    virsh("managedsave", NAME)
    assert virsh("domstate", "--reason", NAME).strip() == "shut off (saved)"
    agent.kill()
    agent.start()
    # When the agent has seen the end of the one, it has seen that the other is put aside.
    virsh("destroy", OTHER)
    assert agent.installed(OTHER)["reason"] == STOPPED
    assert stack.state(NAME) == "shut off"
    assert agent.get("hosts", NAME).body["install"]["state"] == "running"
    assert agent.request("PUT", f"/hosts/{NAME}/start").status == 200
    # It still boots from the network, and is over when that says so.
    assert stack.definition(NAME).findtext("on_reboot") == "destroy"
    assert agent.get("hosts", NAME).body["install"]["state"] == "running"
    virsh("reset", NAME)
    assert agent.installed(NAME)["state"] == "done"
    assert stack.state(NAME) == "running"
    assert stack.definition(NAME).findtext("on_reboot") == "restart"


def test_a_host_that_is_deleted(agent: Agent, tree: str) -> None:
    """Nothing is left of it, and nothing comes back."""
    with stack.unchanged():
        _post(agent, tree, cmdline=HOLD)
        volume = stack.volume(NAME, 0)
        removed = agent.delete("hosts", NAME)
        assert (removed.status, removed.body["deleted"]) == (200, [volume])
        operation = stack.wait_for(
            lambda: (found := _operation(agent))["status"] == "failed" and found, "an end"
        )
        # Which of the two steps of a delete it saw first is up to chance.
        assert operation["error"]["detail"] in (STOPPED, DELETED)


def test_another_host_of_the_same_name(start_agent: Callable[..., Agent], tree: str) -> None:
    """The install was of the host that is gone: the new one is none of its business."""
    agent = start_agent()
    _post(agent, tree, cmdline=HOLD)
    agent.kill()
    stack.remove_domain(NAME)
    # Off for a reason that libvirt does not know, as after an installer that it did not see end.
    stack.define_domain(NAME)
    agent.start()
    operation = stack.wait_for(
        lambda: (found := _operation(agent))["status"] == "failed" and found, "an end"
    )
    assert operation["error"] == {"detail": DELETED}
    assert operation["commands"] == []
    shown = agent.get("hosts", NAME).body
    assert (shown["state"], shown["install"]) == ("shut off", None)


def test_stale_ports_go_before_the_first_boot(start_agent: Callable[..., Agent], tree: str) -> None:
    """A port of the host's own name that a crash left behind does not keep its old tag."""
    agent = start_agent()
    made = _post(agent, tree, cmdline=ASK)
    agent.kill()
    _let_go_on()
    stack.wait_for(lambda: stack.state(NAME) == "shut off", "an end to the installer")
    port = made["interfaces"][0]["port"]
    interface = ("--", "set", "Interface", port, "type=internal")
    gone = f"external-ids:vm-id={made['id']}"
    stack.vsctl("--may-exist", "add-port", BRIDGE, port, *interface, gone)
    stack.vsctl("set", "Port", port, "tag=99")
    agent.start()
    _assert_installed(agent)
