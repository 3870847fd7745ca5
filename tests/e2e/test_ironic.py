"""OpenStack Ironic drives hosts of several agents, as it drives physical machines."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from . import files, libvirtd, stack
from .clients import Ansible, Ironic, counts
from .daemon import Agent, serving

# One on each hypervisor: what is tried of each goes on at the same time.
POWERED, BOOTED, DEPLOYED = NAMES = ("powered", "booted", "deployed")
NETWORKS = [
    {"name": "vlan10", "bridge": stack.BRIDGE, "vlan": 10},
    {"name": "uplink", "bridge": stack.BRIDGE, "vlan": 10, "trunk": [20, 30]},
]
MACHINE = {
    "memory": 1024,
    "vcpus": 2,
    "disks": [5],
    "networks": [{"network": "vlan10"}, {"network": "uplink"}],
    "start": False,
}


def _inventory(agents: dict[str, Agent]) -> dict[str, Any]:
    hosts = {
        f"hv-{name}": {
            "agent": f"http://{agent.address}",
            "machines": [{"name": name, **MACHINE}],
        }
        for name, agent in agents.items()
    }
    return {"hypervisors": {"vars": {"networks": NETWORKS}, "hosts": hosts}}


def test_three_agents_and_one_ironic(tree: str, tmp_path: Path) -> None:
    """From the enrolment to the end of a deployment. Slow: Ironic itself takes most of its time."""
    served = tmp_path / "served"
    published = served / "ironic"
    published.mkdir(parents=True)
    files.boot_image(served / "tiny.iso", "console=ttyS0")
    with ExitStack() as started:
        url = started.enter_context(files.served(served))
        # It takes a while to start.
        ironic = started.enter_context(
            Ironic(tmp_path / "ironic", published, f"{url}/ironic").serving()
        )
        agents = {}
        for name in NAMES:
            libvirt = started.enter_context(libvirtd.running())
            new = libvirtd.agent(libvirt, tmp_path / name)
            agents[name] = started.enter_context(serving(new))
        ansible = Ansible(tmp_path / "ansible", _inventory(agents))
        made = counts(ansible.play())
        assert made == {**{f"hv-{name}": (2, 0) for name in NAMES}, "localhost": (1, 0)}
        ironic.wait()
        ironic.enrol(ansible.nodes)
        with ThreadPoolExecutor() as pool:
            tasks = [
                pool.submit(_power, ironic, agents[POWERED]),
                pool.submit(_boot_devices, ironic, agents[BOOTED]),
                pool.submit(_inspect_and_deploy, ironic, agents[DEPLOYED], f"{url}/tiny.iso"),
            ]
            for task in tasks:
                task.result()
        assert list(published.rglob("*.iso")) == []


def _power(ironic: Ironic, agent: Agent) -> None:
    name = POWERED
    ironic.provision(name, "manage", "manageable")
    assert ironic.node(name)["power_state"] == "power off"
    ironic.power(name, "power on", "power on")
    assert agent.get("hosts", name).body["state"] == "running"
    ironic.power(name, "rebooting", "power on")
    ironic.power(name, "power off", "power off")
    assert agent.get("hosts", name).body["state"] == "shut off"
    verbs = ["create", "start", "stop", "start", "stop"]
    rows = agent.request("GET", f"/operations?host={name}").body
    assert [row["does"] for row in reversed(rows)] == [f"{verb} host {name}" for verb in verbs]
    assert {row["status"] for row in rows} == {"done"}


def _boot_devices(ironic: Ironic, agent: Agent) -> None:
    """What is set for once is over once it was done, and what is set for good stays."""
    name = BOOTED
    path = f"/v1/nodes/{name}/management/boot_device"
    ironic.provision(name, "manage", "manageable")

    def after(device: str, persistent: bool) -> list[str]:
        wanted = {"boot_device": device, "persistent": persistent}
        ironic.ask("PUT", path, wanted)
        assert ironic.ask("GET", path) == wanted
        boot: list[str] = agent.get("hosts", name).body["boot"]
        return boot

    assert ironic.ask("GET", path) == {"boot_device": None, "persistent": None}
    assert after("pxe", True) == ["network", "disk"]
    assert after("disk", True) == ["disk", "network"]
    assert after("pxe", False) == ["disk", "network"]
    ironic.power(name, "power on", "power on")
    assert agent.get("hosts", name).body["install"]["state"] == "running"
    assert ironic.ask("GET", path) == {"boot_device": None, "persistent": None}


def _inspect_and_deploy(ironic: Ironic, agent: Agent, image: str) -> None:
    ironic.provision(DEPLOYED, "manage", "manageable")
    _inspect(ironic, agent)
    ironic.provision(DEPLOYED, "provide", "available")
    _deploy(ironic, agent, image)


def _inspect(ironic: Ironic, agent: Agent) -> None:
    """Ironic finds by itself what the file of nodes has told, and the rest."""
    name = DEPLOYED
    for port in _ports(ironic, name):
        ironic.ask("DELETE", f"/v1/ports/{port['uuid']}")
    ironic.provision(name, "inspect", "manageable")
    assert ironic.node(name)["properties"] == {
        "vendor": "Staging compute agent",
        "memory_mb": 1024,
        # Ironic takes one off, for what it may have to put on a disk itself.
        "local_gb": 4,
        "cpu_arch": "x86_64",
        "capabilities": "boot_mode:bios",
    }
    found = ironic.ask("GET", f"/v1/nodes/{name}/inventory")["inventory"]
    assert found["cpu"] == {"count": 2, "architecture": "x86_64"}
    assert [(disk["name"], disk["size"]) for disk in found["disks"]] == [("sda", 5 << 30)]
    macs = [card["mac"] for card in agent.get("hosts", name).body["interfaces"]]
    assert sorted(port["address"] for port in _ports(ironic, name)) == sorted(macs)


def _deploy(ironic: Ironic, agent: Agent, image: str) -> None:
    """An image, which is booted once; what it has put on the disk is booted from then on."""
    name = DEPLOYED
    # Else Ironic has an image booted for good.
    ironic.change(name, driver_info__force_persistent_boot_device="Never")
    ironic.change(name, instance_info__boot_iso=image)
    ironic.provision(name, "active", "active")
    node = ironic.node(name)
    assert node["power_state"] == "power on"
    media = agent.get("hosts", name).body["media"]["image"]
    assert media.endswith(f"/ironic/redfish/boot-{node['uuid']}.iso")
    said = stack.wait_for(
        lambda: "booted from disk" in (said := _console(agent, name)) and said,
        "a host that boots from what was installed",
    )
    # The drive for discs is no disk.
    assert said.count("installer: disks: sda\n") == said.count("installer: done\n") == 1
    assert agent.installed(name)["state"] == "done"
    assert agent.get("hosts", name).body["boot"] == ["disk", "network"]
    ironic.provision(name, "deleted", "available")
    found = agent.get("hosts", name).body
    assert (found["state"], found["media"]) == ("shut off", None)


def _console(agent: Agent, name: str) -> str:
    text = {"Accept": "text/plain"}
    return agent.text("GET", f"/hosts/{name}/console", None, text).text.replace("\r\n", "\n")


def _ports(ironic: Ironic, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ironic.ask("GET", f"/v1/ports?node={name}")["ports"]
    return found
