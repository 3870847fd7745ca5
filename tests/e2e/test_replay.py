"""What the agent shows is what it does: scripts, dry runs and replays on the real stack."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sh

from . import stack
from .daemon import PROJECT, Agent
from .images import IMAGE, Images
from .stack import BRIDGE, POOL, V10, V20, own, virsh

HOST, NETWORK = own("twin"), own("twin-net")
SCRIPT = {"Accept": "text/x-shellscript"}
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": {"memory": 64, "disks": [1, 3], "networks": [V10, V20], "vcpus": 2},
    "bare": {"memory": 64, "disks": [], "networks": [], "autostart": True},
    "off": {"memory": 64, "disks": [1], "networks": [V10], "start": False},
    "network boot": {"memory": 64, "disks": [1], "networks": [V20], "install": True},
}


def _script(agent: Agent, method: str, path: str, body: Any = None) -> str:
    answer = agent.text(method, f"{path}?dry_run=true", body, SCRIPT)
    assert answer.headers["content-type"] == "text/x-shellscript; charset=utf-8"
    return answer.text


def _run(script: str, folder: Path) -> None:
    file = folder / "script"
    file.write_text(script)
    stack.tool("shellcheck", str(file))
    stack.tool("sh", str(file))


def _made(name: str) -> dict[str, Any]:
    """A host as the tools tell it, without its UUID and what every start gets anew."""
    uuid = stack.uuid(name)
    tags = {port: stack.tag(port) for port in stack.ports()}

    def same(text: str) -> str:
        text = text.replace(uuid, "UUID").replace(uuid.replace("-", "")[:10], "UUID10")
        return re.sub(r" (id|portid|interfaceid|tty|port|path|pid)='[^']*'", "", text)

    return {
        "running": same(virsh("dumpxml", name)),
        "kept": same(virsh("dumpxml", "--inactive", name)),
        "autostart": name in virsh("list", "--all", "--autostart", "--name").split(),
        "state": stack.state(name),
        "volumes": {
            same(volume): same(virsh("vol-info", "--bytes", volume, "--pool", POOL)).split(
                "Allocation"
            )[0]
            for volume in stack.volumes()
        },
        "tags": {same(port): tag for port, tag in tags.items()},
    }


@pytest.mark.parametrize("kind", REQUESTS)
def test_the_script_of_a_dry_run_makes_the_host(agent: Agent, kind: str, tmp_path: Path) -> None:
    """The same as the request would, but for its UUID."""
    body = REQUESTS[kind]
    assert agent.post("hosts", HOST, body=body).status == 200
    by_request = _made(HOST)
    assert agent.delete("hosts", HOST).status == 200
    with stack.unchanged():
        script = _script(agent, "POST", f"/hosts/{HOST}", body)
    _run(script, tmp_path)
    assert _made(HOST) == by_request
    uuid = re.search(r"--metadata=uuid=(\S+)", script)
    assert uuid is not None
    assert stack.uuid(HOST) == uuid[1]
    _run(_script(agent, "DELETE", f"/hosts/{HOST}"), tmp_path)
    assert HOST not in stack.domains()
    assert stack.volumes() == set()


def test_the_script_of_an_install_makes_the_host(agent: Agent, tree: str, tmp_path: Path) -> None:
    # An installer that does not end by itself, and so has these for as long as it is looked at.
    cmdline = "tree.hold a=\"b c\" d='$(e)' f,g;h"
    body = {
        "memory": 256,
        "disks": [1],
        "networks": [V10],
        "install": True,
        "location": tree,
        "cmdline": cmdline,
        "console": True,
    }
    _run(_script(agent, "POST", f"/hosts/{HOST}", body), tmp_path)
    assert stack.kernel_parameters(HOST) == f"{cmdline} console=ttyS0"


def test_the_script_of_a_network(agent: Agent, tmp_path: Path) -> None:
    """It makes the network, does no harm when it is run again, and the other removes it."""
    body = {"bridge": BRIDGE, "vlan": 30}
    with stack.unchanged():
        script = _script(agent, "POST", f"/networks/{NETWORK}", body)
    _run(script, tmp_path)
    made = agent.get("networks", NETWORK).body
    assert made == {
        "name": NETWORK,
        "state": "active",
        "autostart": "yes",
        "persistent": "yes",
        "id": made["id"],
        "bridge": BRIDGE,
        "vlan": 30,
        "trunk": None,
        "ports": [],
    }
    assert made["id"] in script
    _run(script, tmp_path)
    assert agent.get("networks", NETWORK).body == made
    _run(_script(agent, "DELETE", f"/networks/{NETWORK}"), tmp_path)
    assert NETWORK not in stack.networks()


def test_a_script_run_again_leaves_what_is_there(agent: Agent, tmp_path: Path) -> None:
    """The names are taken, by what it made itself: nothing of that is taken back."""
    for kind, state in (("plain", "running"), ("bare", "running"), ("off", "shut off")):
        script = _script(agent, "POST", f"/hosts/{HOST}", REQUESTS[kind])
        _run(script, tmp_path)
        assert stack.state(HOST) == state
        with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1):
            _run(script, tmp_path)
        assert stack.state(HOST) == state
        assert agent.delete("hosts", HOST).status == 200


def test_a_script_that_fails_takes_back_what_it_made(agent: Agent, tmp_path: Path) -> None:
    """The host's name is taken by then: its three disks go, and the other host stays."""
    body = {"memory": 64, "disks": [1, 1, 1], "networks": [V10]}
    script = _script(agent, "POST", f"/hosts/{HOST}", body)
    stack.define_domain(HOST)
    with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1) as caught:
        _run(script, tmp_path)
    assert b"failed in step 4; taking back what was made" in caught.value.stderr


def _host_that_ran(agent: Agent) -> None:
    """Make a host that is off and has a console log, as it has from its first start on."""
    assert agent.post("hosts", HOST, body={**REQUESTS["off"], "start": True}).status == 200
    assert agent.put("hosts", HOST, "stop").status == 200


def test_the_scripts_of_media(agent: Agent, images: Images, tmp_path: Path) -> None:
    """One puts it in, and another time takes nothing out; the other takes it out, as often."""
    made = agent.post("hosts", HOST, body=REQUESTS["off"]).body
    path, body = f"/hosts/{HOST}/media", {"image": images.url()}
    with stack.unchanged():
        script = _script(agent, "PUT", path, body)
        _run(script, tmp_path)
        shown = agent.get("hosts", HOST).body
        assert shown == {**made, "media": body}
        (volume,) = stack.volumes() - {stack.volume(HOST, 0)}
        assert (stack.POOL_PATH / volume).read_bytes() == IMAGE
        with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1):
            _run(script, tmp_path)
        assert (stack.POOL_PATH / volume).read_bytes() == IMAGE
        script = _script(agent, "DELETE", path)
        for _ in range(2):
            _run(script, tmp_path)
            assert agent.get("hosts", HOST).body == made
    assert list(agent.state_dir.glob("*.media")) == []


def test_the_scripts_of_a_snapshot(agent: Agent, tmp_path: Path) -> None:
    """One makes it, and another time leaves it; the others go back to it and delete it."""
    _host_that_ran(agent)
    path = f"/hosts/{HOST}/snapshots/clean"
    with stack.unchanged():
        script = _script(agent, "POST", path)
        _run(script, tmp_path)
        (snapshot,) = agent.get("hosts", HOST, "snapshots").body
        assert (snapshot["name"], snapshot["state"]) == ("clean", "shut off")
        with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1):
            _run(script, tmp_path)
        assert agent.get("hosts", HOST, "snapshots").body == [snapshot]
        assert agent.put("hosts", HOST, "start").status == 200
        script = _script(agent, "PUT", f"{path}/revert")
        for _ in range(2):
            _run(script, tmp_path)
            assert stack.state(HOST) == "shut off"
        script = _script(agent, "DELETE", path)
        for _ in range(2):
            _run(script, tmp_path)
            assert agent.get("hosts", HOST, "snapshots").body == []


def test_the_script_of_an_install_again(agent: Agent, tmp_path: Path) -> None:
    """It boots the host from the network; another time it leaves the one that runs."""
    _host_that_ran(agent)
    with stack.unchanged():
        script = _script(agent, "PUT", f"/hosts/{HOST}/install", {})
        _run(script, tmp_path)
        boots = stack.values(stack.definition(HOST).findall("os/boot"), "dev")
        assert (stack.state(HOST), boots[0]) == ("running", "network")
        number = virsh("domid", HOST)
        with pytest.raises(sh.ErrorReturnCode_1) as caught:
            _run(script, tmp_path)
        assert b"it printed 'running', not 'shut off'" in caught.value.stderr
        assert (stack.state(HOST), virsh("domid", HOST)) == ("running", number)
        assert agent.put("hosts", HOST, "stop").status == 200


def test_the_operation_is_its_script(agent: Agent, tmp_path: Path) -> None:
    """The journal's script of a create that is gone again makes the very same host."""
    made = agent.post("hosts", HOST, body=REQUESTS["plain"])
    operation = made.headers["x-operation-id"]
    before = _made(HOST)
    assert agent.delete("hosts", HOST).status == 200
    _run(agent.text("GET", f"/operations/{operation}", None, SCRIPT).text, tmp_path)
    assert _made(HOST) == before
    assert stack.uuid(HOST) == made.body["id"]


def test_replay_in_the_terminal(agent: Agent) -> None:
    """`replay` makes the same host; when a step fails it takes back what it had made."""
    made = agent.post("hosts", HOST, body=REQUESTS["plain"])
    operation = made.headers["x-operation-id"]
    python = sh.Command(sys.executable).bake(
        "-m", "agent", "replay", f"--state-dir={agent.state_dir}", operation, _cwd=str(PROJECT)
    )
    assert agent.delete("hosts", HOST).status == 200
    with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1):
        python(_in="n\n")
    said = str(python("--yes"))
    assert said.endswith("\ndone\n")
    assert stack.uuid(HOST) == made.body["id"]
    with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1) as caught:
        python("--yes")
    assert b" is there: operation " in caught.value.stderr
    assert agent.delete("hosts", HOST).status == 200
    stack.define_domain(HOST)
    with stack.unchanged(), pytest.raises(sh.ErrorReturnCode_1) as caught:
        python("--yes")
    assert b"step 3 failed" in caught.value.stdout


def test_an_old_delete_leaves_a_new_host_of_the_same_name(agent: Agent, tmp_path: Path) -> None:
    """All that it removes goes by the UUID of the host that is gone: it finds nothing."""
    body = REQUESTS["plain"]
    assert agent.post("hosts", HOST, body=body).status == 200
    script = _script(agent, "DELETE", f"/hosts/{HOST}")
    gone = agent.delete("hosts", HOST)
    assert agent.post("hosts", HOST, body=body).status == 200
    operation = gone.headers["x-operation-id"]
    replay = ("-m", "agent", "replay", "--yes", f"--state-dir={agent.state_dir}", operation)
    with stack.unchanged():
        _run(script, tmp_path)
        sh.Command(sys.executable)(*replay, _cwd=str(PROJECT))
    assert stack.state(HOST) == "running"


PHASES = {
    "Starting install...",
    "Retrieving 'linux'",
    "Retrieving 'initrd.gz'",
    "Creating domain...",
}


def test_progress_of_an_install(agent: Agent, waiting_tree: tuple[str, Callable[[], None]]) -> None:
    """A change that is asked for with respond-async answers at once, and says what it is at."""
    location, go_on = waiting_tree
    body = {"memory": 256, "disks": [1], "networks": [V10], "install": True, "location": location}
    accepted = agent.request("POST", f"/hosts/{HOST}", body, {"Prefer": "respond-async"})
    assert accepted.status == 202
    operation = accepted.body["id"]
    assert accepted.headers["location"] == f"/operations/{operation}"
    assert accepted.headers["x-operation-id"] == operation
    stack.wait_for(
        lambda: agent.get("operations", operation).body["phase"] in PHASES, "what it is at"
    )
    go_on()

    found = agent.ended(operation)
    assert (found["status"], found["steps"], found["steps_done"]) == ("done", 3, 3)
    assert found["phase"] is None
    assert stack.state(HOST) == "running"
