"""The settings for clients that came after the original: 201, 204, and hosts that stay off."""

from collections.abc import Callable

from . import stack
from .daemon import Agent
from .stack import BRIDGE, V10, own

NAME, NETWORK = own("ns"), own("v30")


def test_a_client_that_starts_the_host_itself(start_agent: Callable[..., Agent], tree: str) -> None:
    """It makes a host, waits until that is off, starts it, and removes it."""
    agent = start_agent(rest_codes=True, after_install="off")
    body = {"memory": 256, "disks": [1], "networks": [V10], "install": True, "location": tree}
    with stack.unchanged():
        made = agent.post("hosts", NAME, body=body)
        assert (made.status, made.body["state"]) == (201, "running")
        stack.wait_for(
            lambda: agent.get("hosts", NAME).body["state"] == "shut off", "an end to the installer"
        )
        assert agent.installed(NAME)["state"] == "done"
        assert stack.console(NAME).count("booted from disk") == 0
        started = agent.text("PUT", f"/hosts/{NAME}/start")
        assert (started.status, started.text) == (204, "")
        assert stack.wait_for_console(NAME, "booted from disk").count("installer: done") == 1
        assert agent.get("hosts", NAME).body["state"] == "running"
        removed = agent.text("DELETE", f"/hosts/{NAME}")
        assert (removed.status, removed.text) == (204, "")
    assert agent.get("hosts", NAME).status == 404


def test_what_else_is_made_and_removed(start_agent: Callable[..., Agent]) -> None:
    """A network and a snapshot; what only changes a host answers the host all the same."""
    agent = start_agent(rest_codes=True)
    with stack.unchanged():
        made = agent.post("networks", NETWORK, body={"bridge": BRIDGE, "vlan": 30})
        assert (made.status, made.body["vlan"]) == (201, 30)
        host = {"memory": 64, "disks": [1], "networks": [NETWORK], "start": False}
        assert agent.post("hosts", NAME, body=host).status == 201
        boot = agent.request("PUT", f"/hosts/{NAME}/boot", {"boot": ["network"]})
        assert (boot.status, boot.body["boot"]) == (200, ["network"])
        dry = agent.request("POST", f"/hosts/{NAME}/snapshots/clean?dry_run=true")
        assert dry.status == 200
        snapshot = agent.request("POST", f"/hosts/{NAME}/snapshots/clean")
        assert (snapshot.status, snapshot.body["name"]) == (201, "clean")
        for path in (f"/hosts/{NAME}/snapshots/clean", f"/hosts/{NAME}", f"/networks/{NETWORK}"):
            removed = agent.text("DELETE", path)
            assert (removed.status, removed.text) == (204, "")
