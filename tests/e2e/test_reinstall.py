"""Hosts that are installed again, booted once from network or disc, and their boot order."""

from typing import Any

from . import boot, stack
from .daemon import Agent, Answer
from .images import Images
from .stack import V10, own, virsh

NAME = own("ns")
HOST = {"memory": 256, "disks": [1], "networks": [V10], "start": False}
DISC = boot.disc(boot.says("booted from disc", *boot.RESET))


def _kept() -> str:
    """The definition of the host that its next start is from."""
    return virsh("dumpxml", "--inactive", NAME)


def _install(agent: Agent, body: Any) -> Answer:
    return agent.request("PUT", f"/hosts/{NAME}/install", body)


def _booted_from(text: str, count: int) -> None:
    """Wait until the host has said so often where it has booted from; it must not be more."""
    said = stack.wait_for(
        lambda: (said := stack.console(NAME)).count(text) >= count and said, f"{text!r}"
    )
    assert said.count(text) == count


def _boot_of(*options: str) -> list[str | None]:
    """What the host boots from, by its definition. options: of dumpxml."""
    return stack.values(stack.definition(NAME, *options).findall("os/boot"), "dev")


def test_a_host_is_installed_three_times(agent: Agent, tree: str) -> None:
    """With one MAC, one port, one VLAN, and one definition; the last time it is left off."""
    made = agent.post("hosts", NAME, body=HOST).body
    (card,) = made["interfaces"]
    kept = _kept()
    volumes = stack.volumes()
    for number, after in enumerate(({}, {"after_install": "start"}, {"after_install": "off"}), 1):
        begun = _install(agent, {"location": tree, "console": True, **after})
        install = begun.body["install"]
        assert (begun.status, begun.body) == (
            200,
            {**made, "state": "running", "install": install},
        )
        assert (install["state"], install["location"]) == ("running", tree)
        assert stack.tag(card["port"]) == "10"
        assert agent.installed(NAME)["state"] == "done"
        assert stack.console(NAME).count("installer: done") == number
        if after != {"after_install": "off"}:
            _booted_from("booted from disk", number)
            assert stack.tag(card["port"]) == "10"
            assert stack.kernel_parameters(NAME) is None
            stopped = agent.put("hosts", NAME, "stop")
            assert stopped.body["state"] == "shut off"
        assert (_kept(), stack.volumes()) == (kept, volumes)
    assert virsh("domstate", "--reason", NAME).strip() == "shut off (shutdown)"
    started = agent.put("hosts", NAME, "start").body
    assert (started["state"], started["interfaces"]) == ("running", [card])
    _booted_from("booted from disk", 3)
    assert stack.tag(card["port"]) == "10"


def test_a_host_boots_from_the_network_once(agent: Agent) -> None:
    """And from its disk when that has ended."""
    made = agent.post("hosts", NAME, body={**HOST, "memory": 64, "boot": ["disk"]}).body
    kept = _kept()
    begun = _install(agent, {})
    assert (begun.status, begun.body["state"], begun.body["boot"]) == (200, "running", ["disk"])
    assert begun.body["install"]["location"] is None
    assert _boot_of()[0] == "network"
    assert stack.definition(NAME).findtext("on_reboot") == "destroy"
    virsh("reset", NAME)
    assert agent.installed(NAME)["state"] == "done"
    assert (stack.state(NAME), _boot_of(), _kept()) == ("running", ["hd"], kept)
    assert agent.get("hosts", NAME).body["interfaces"] == made["interfaces"]


def test_a_host_boots_from_its_media(agent: Agent, images: Images) -> None:
    """Once, and then for good."""
    images.contents["disc"] = DISC
    made = agent.post("hosts", NAME, body={**HOST, "memory": 64}).body
    inserted = agent.request("PUT", f"/hosts/{NAME}/media", {"image": images.url("disc")})
    assert inserted.status == 200
    kept = _kept()
    begun = _install(agent, {"cdrom": True, "after_install": "off"})
    # Its state is a matter of luck: it may have ended by now.
    assert (begun.status, begun.body["interfaces"]) == (200, made["interfaces"])
    assert agent.installed(NAME)["state"] == "done"
    _booted_from("booted from disc", 1)
    assert (stack.state(NAME), _kept()) == ("shut off", kept)
    ordered = agent.request("PUT", f"/hosts/{NAME}/boot", {"boot": ["cdrom", "disk"]})
    assert ordered.body["boot"] == ["cdrom", "disk"]
    assert agent.put("hosts", NAME, "start").status == 200
    stack.wait_for(lambda: stack.console(NAME).count("booted from disc") > 2, "two more boots")


def test_a_boot_order_holds_from_the_next_start_on(agent: Agent) -> None:
    """It is shown at once, also of a host that runs."""
    made = agent.post("hosts", NAME, body={**HOST, "memory": 64, "boot": ["disk"]}).body
    assert (made["boot"], _boot_of()) == (["disk"], ["hd"])
    port = made["interfaces"][0]["port"]
    old = ["hd"]
    for state, boot_order, kinds in (
        ("shut off", ["cdrom", "disk"], ["cdrom", "hd"]),
        ("running", ["network", "cdrom", "disk"], ["network", "cdrom", "hd"]),
        ("running", ["disk"], ["hd"]),
    ):
        if state == "running":
            assert agent.put("hosts", NAME, "start").status == 200
        ordered = agent.request("PUT", f"/hosts/{NAME}/boot", {"boot": boot_order})
        assert ordered.status == 200
        assert ordered.body == {**made, "state": state, "boot": boot_order}
        assert agent.get("hosts", NAME).body == ordered.body
        assert _boot_of("--inactive") == kinds
        assert _boot_of() == (old if state == "running" else kinds)
        assert agent.put("hosts", NAME, "stop").status == 200
        started = agent.put("hosts", NAME, "start").body
        assert (started["boot"], _boot_of()) == (boot_order, kinds)
        assert stack.tag(port) == "10"
        assert agent.put("hosts", NAME, "stop").status == 200
        old = kinds


def test_a_boot_order_of_single_devices_is_left_to_virsh(agent: Agent) -> None:
    """libvirt does not let both kinds be mixed, and virt-install would boot by the other."""
    card = f"<interface type='network'><source network='{V10}'/><boot order='1'/></interface>"
    stack.define_domain(NAME, card)
    with stack.unchanged():
        assert agent.get("hosts", NAME).body["boot"] == ["network"]
        for verb, body in (("boot", {"boot": ["disk"]}), ("install", {})):
            answer = agent.request("PUT", f"/hosts/{NAME}/{verb}", body)
            assert (answer.status, answer.body["detail"]) == (
                409,
                f"host {NAME!r} has a boot order of single devices, which goes first; take it out"
                f" with: virsh edit {stack.uuid(NAME)}",
            )


def test_a_host_that_cannot_be_installed_again(agent: Agent, tree: str) -> None:
    """Because it runs, or has not what it should boot from; nothing is changed."""
    body = {"memory": 64, "disks": [], "networks": [], "start": False}
    assert agent.post("hosts", NAME, body=body).status == 200
    with stack.unchanged():
        for asked, why in (
            ({}, "has no card to boot from the network with"),
            ({"cdrom": True}, "has no media to boot from; put some in first"),
        ):
            answer = _install(agent, asked)
            assert (answer.status, answer.body["detail"]) == (409, f"host {NAME!r} {why}")
        assert _install(agent, {"location": "http://127.0.0.1:1/"}).status == 400
        assert stack.state(NAME) == "shut off"
    assert agent.put("hosts", NAME, "start").status == 200
    with stack.unchanged():
        for state in ("running", "paused"):
            if state == "paused":
                virsh("suspend", NAME)
            answer = _install(agent, {"location": tree})
            assert (answer.status, answer.body["detail"]) == (
                409,
                f"host {NAME!r} is in state {state!r}, and an install takes one that is"
                " 'shut off'; stop it first",
            )
            assert stack.state(NAME) == state
        assert agent.get("hosts", NAME).body["install"] is None
    virsh("managedsave", NAME)
    with stack.unchanged():
        # virt-install would leave the saved memory for the start that comes after it.
        answer = _install(agent, {"location": tree})
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"host {NAME!r} has a saved state, which its next start goes on with; start it, or"
            f" forget that with: virsh managedsave-remove {stack.uuid(NAME)}",
        )
        assert "Managed save:   yes" in virsh("dominfo", NAME)
