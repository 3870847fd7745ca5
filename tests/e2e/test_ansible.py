"""Ansible: the playbook that makes a platform, and the modules that drive physical machines."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import files, libvirtd, stack
from .boot import HALT, disc, says
from .clients import Ansible, counts, results
from .daemon import Agent, serving
from .stack import own
from .test_access import PORT, PROXY, SITE, Nginx, agent_token

SITE_URL = f"https://{PROXY}:{PORT}"
NS, WEB, DB = own("ns"), own("web"), own("db")
VLAN, UPLINK = own("vlan"), own("uplink")
MAC = "52:54:00:0A:0B:0C"


def _inventory(tokens: dict[str, str], plain: str) -> dict[str, Any]:
    """Two hypervisors. tokens: and the certificate, of the first; plain: the second's address."""
    return {
        "hypervisors": {
            "vars": {
                "networks": [
                    {"name": VLAN, "bridge": stack.BRIDGE, "vlan": 30},
                    {"name": UPLINK, "bridge": stack.BRIDGE, "trunk": [31, 32]},
                ]
            },
            "hosts": {
                "hv1": {
                    "agent": SITE_URL,
                    "machines": [
                        {
                            "name": WEB,
                            "memory": 64,
                            "vcpus": 2,
                            "disks": [1, 2],
                            "networks": [{"network": UPLINK, "mac": MAC}, VLAN],
                            "boot": ["network", "disk"],
                            "autostart": True,
                            "start": False,
                        },
                        {
                            "name": NS,
                            "memory": 64,
                            "disks": [],
                            "networks": [{"network": VLAN}],
                            "start": False,
                        },
                    ],
                    **tokens,
                },
                "hv2": {
                    "agent": plain,
                    "machines": [
                        {"name": DB, "memory": 64, "disks": [1], "networks": [], "start": False}
                    ],
                },
            },
        }
    }


def test_the_playbook(
    start_agent: Callable[..., Agent], libvirt: libvirtd.Libvirt, tmp_path: Path
) -> None:
    """Twice, and on what is not as it says. Slow: Ansible takes seconds for each."""
    tokens_file = str(tmp_path / "tokens")
    agent = start_agent(tokens_file=tokens_file, trusted_proxy="127.0.0.1", server_names=[SITE])
    tokens = {name: agent_token(agent.config, "add", name) for name in ("agent_token", "bmc_token")}
    with (
        serving(libvirtd.agent(libvirt, tmp_path / "other")) as other,
        Nginx(tmp_path / "nginx", agent.address).serving() as nginx,
    ):
        plain = f"http://{other.address}"
        authority = str(nginx.certificate)
        inventory = _inventory({**tokens, "agent_ca": authority}, plain)
        ansible = Ansible(tmp_path / "ansible", inventory)
        assert counts(ansible.play()) == {"hv1": (2, 0), "hv2": (2, 0), "localhost": (1, 0)}
        bearer = ("-H", f"Authorization: Bearer {tokens['agent_token']}")
        made = [nginx.ask(f"/hosts/{name}", *bearer)[1] for name in (NS, WEB)]
        made.append(other.get("hosts", DB).body)
        assert [host["state"] for host in made] == ["shut off"] * 3
        assert [host["vcpus"] for host in made] == [1, 2, 1]
        assert [
            (card["network"], card["vlan"], card["trunk"]) for card in made[1]["interfaces"]
        ] == [
            (UPLINK, None, [31, 32]),
            (VLAN, 30, None),
        ]
        assert made[1]["interfaces"][0]["mac"] == MAC.lower()
        first = {
            "redfish_address": SITE_URL,
            "redfish_username": "ironic",
            "redfish_password": tokens["bmc_token"],
            "redfish_verify_ca": authority,
        }
        addresses = (first, first, {"redfish_address": plain})
        assert json.loads(ansible.nodes.read_text())["nodes"] == [
            {
                "name": host["name"],
                "driver": "redfish",
                "driver_info": {**to, "redfish_system_id": f"/redfish/v1/Systems/{host['id']}"},
                "ports": [{"address": card["mac"]} for card in host["interfaces"]],
            }
            for host, to in zip(made, addresses, strict=True)
        ]
        assert stat.S_IMODE(ansible.nodes.stat().st_mode) == 0o600
        assert counts(ansible.play()) == {"hv1": (0, 0), "hv2": (0, 0), "localhost": (0, 0)}

        hypervisors = inventory["hypervisors"]
        changed = {"memory": 128, "boot": ["network"], "autostart": True}
        hypervisors["hosts"]["hv2"]["machines"][0].update(changed)
        found = {"memory": 64, "boot": ["disk", "network"], "autostart": False}
        assert _refusals(ansible, inventory) == [
            f"host {DB} of {plain} has {found}, where the inventory has {changed}"
        ]
        hypervisors["vars"]["networks"][1]["trunk"] = [31, 33]
        assert _refusals(ansible, inventory) == [
            f"network {UPLINK} of {address} has {{'trunk': [31, 32]}}, where the inventory has"
            " {'trunk': [31, 33]}"
            for address in (SITE_URL, plain)
        ]
        assert other.get("hosts", DB).body == made[2]


def _refusals(ansible: Ansible, inventory: dict[str, Any]) -> list[str]:
    """What a run says that fails and changes nothing."""
    ansible.write(inventory)
    told = ansible.play()
    assert {changed for changed, _ in counts(told).values()} == {0}
    return [
        result["msg"]
        for kind in ("networks", "hosts")
        for result in results(told, f"Compare the {kind} that are there")
        if result.get("failed")
    ]


# What drives a host as a physical machine; its tasks are put behind it.
BMC = """
- hosts: localhost
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  module_defaults:
    community.general.redfish_info: &bmc
      baseuri: %(site)s
      username: anybody
      password: %(token)s
      validate_certs: true
      ca_path: %(authority)s
    community.general.redfish_command: *bmc
  tasks:
"""
BOOT = """
    - name: insert
      community.general.redfish_command:
        category: Systems
        command: VirtualMediaInsert
        virtual_media: {image_url: "%(image)s", media_types: [CD]}
    - name: boot once
      community.general.redfish_command:
        category: Systems
        command: SetOneTimeBoot
        bootdevice: Cd
    - name: look
      community.general.redfish_info:
        category: Systems
        command:
          - GetSystemInventory
          - GetCpuInventory
          - GetNicInventory
          - GetStorageControllerInventory
          - GetDiskInventory
          - GetVolumeInventory
          - GetBootOverride
    - name: look at the manager
      community.general.redfish_info: {category: Manager, command: GetVirtualMedia}
    - name: switch on
      community.general.redfish_command: {category: Systems, command: PowerOn}
    - name: switch on again
      community.general.redfish_command: {category: Systems, command: PowerOn}
"""
END = """
    - name: switch off
      community.general.redfish_command: {category: Systems, command: PowerForceOff}
    - name: eject
      community.general.redfish_command:
        category: Manager
        command: VirtualMediaEject
        virtual_media: {image_url: "%(image)s"}
    - name: look
      community.general.redfish_info: {category: Systems, command: GetBootOverride}
    - name: begin a session
      community.general.redfish_command: {category: Sessions, command: CreateSession}
      register: login
    - name: end it
      community.general.redfish_command:
        category: Sessions
        command: DeleteSession
        session_uri: "{{ login.session.uri }}"
"""


def test_the_modules_for_redfish(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    """Through https, with a token for one host. Slow: Ansible takes half a second for each task."""
    agent = start_agent(tokens_file=str(tmp_path / "tokens"), trusted_proxy="127.0.0.1")
    full = {"Authorization": f"Bearer {agent_token(agent.config, 'add', 'full')}"}
    body = {"memory": 64, "disks": [1], "networks": [stack.V10], "start": False}
    _, made = (agent.request("POST", f"/hosts/{name}", body, full).body for name in (NS, WEB))
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "disc.iso").write_bytes(disc(says("booted from disc", *HALT)))
    with (
        files.served(folder) as url,
        Nginx(tmp_path / "nginx", agent.address).serving() as nginx,
    ):
        words = {
            "site": f"{PROXY}:{PORT}",
            # Without a name these modules take a system only where there is no other.
            "token": agent_token(agent.config, "add", "web", "--host", WEB),
            "authority": nginx.certificate,
            "image": f"{url}/disc.iso",
        }
        ansible = Ansible(tmp_path / "ansible", {})
        playbook = tmp_path / "bmc.yml"

        def play(tasks: str) -> dict[str, Any]:
            """What was looked at, by its name."""
            playbook.write_text((BMC + tasks) % words)
            told = ansible.play(playbook)
            assert counts(told) == {"localhost": (3 if tasks == BOOT else 4, 0)}
            return told

        told = play(BOOT)
        assert [result["changed"] for result in results(told, "switch on again")] == [False]
        assert _facts(told, "look at the manager")["virtual_media"][0]["Image"] == words["image"]
        _see_inventory(_facts(told, "look"), made)
        stack.wait_for_console(WEB, "booted from disc")
        assert _facts(play(END), "look")["boot_override"]["BootSourceOverrideEnabled"] == "Disabled"
    found = agent.request("GET", f"/hosts/{WEB}", None, full).body
    assert (found["state"], found["media"]) == ("shut off", None)


def _facts(told: dict[str, Any], task: str) -> dict[str, Any]:
    """What `redfish_info` has found, of the only system."""
    (result,) = results(told, task)
    facts = result["redfish_facts"]
    assert all(found["ret"] and len(found["entries"]) == 1 for found in facts.values())
    return {name: found["entries"][0][1] for name, found in facts.items()}


def _see_inventory(facts: dict[str, Any], host: dict[str, Any]) -> None:
    system = facts["system"]
    assert (system["Id"], system["Name"], system["PowerState"]) == (host["id"], WEB, "Off")
    assert system["MemorySummary"] == {"TotalSystemMemoryGiB": 64 / 1024}
    assert [cpu["ProcessorArchitecture"] for cpu in facts["cpu"]] == ["x86"]
    assert [card["MACAddress"] for card in facts["nic"]] == [host["interfaces"][0]["mac"]]
    assert [found["Name"] for found in facts["storage_controller"]] == ["virtio-scsi"]
    for kind, parts in (("disk", "Drives"), ("volume", "Volumes")):
        ((found,),) = (each[parts] for each in facts[kind])
        assert (found["Name"], found["CapacityBytes"]) == ("sda", 1 << 30)
    override = facts["boot_override"]
    assert override["BootSourceOverrideEnabled"] == "Once"
    assert override["BootSourceOverrideTarget"] == "Cd"
