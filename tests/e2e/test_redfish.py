"""The BMC of every host, driven by the clients that drive physical machines' as they are."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sushy
from sushy import BootSource, BootSourceOverrideEnabled, BootSourceOverrideMode, ResetType

from . import boot, libvirtd, stack
from .daemon import Agent, serving
from .images import Images
from .libvirtd import Libvirt
from .stack import V10, V20, own, virsh
from .test_access import agent_token, bearer
from .test_power import HEEDS_BUTTON
from .test_replay import _run, _script

NAME = own("bmc")
BODY = {"memory": 64, "disks": [1, 2], "networks": [V10, V20], "start": False}
GIB = 1 << 30
# Where no tokens are wanted every client is let in, whatever it gives.
ANY = "any"
PROFILE = Path(__file__).parent.parent / "fixtures/OpenStackIronicProfile.v1_2_0.json"
# A disc that says so, waits for a byte on the serial port, and resets the machine by itself.
DISC = boot.disc(
    # mov dx, 0x3fd; poll: in al, dx; test al, 1; jz poll
    boot.says("booted", *(0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB), *boot.RESET)
)


@pytest.fixture
def host(agent: Agent, tmp_path: Path) -> dict[str, Any]:
    """A host that is off, whose disk says "booted" and heeds the power button."""
    made: dict[str, Any] = agent.post("hosts", NAME, body=BODY).body
    boot.put_on_disk(NAME, boot.disk(HEEDS_BUTTON), tmp_path)
    return made


@pytest.fixture
def image(images: Images) -> str:
    """The URL of a disc that boots."""
    images.contents["disc.iso"] = DISC
    return images.url("disc.iso")


def _root(agent: Agent, token: str = ANY) -> Any:
    """The service, as sushy has it, which begins a session for the token."""
    url = f"http://{agent.address}/redfish/v1"
    return sushy.Sushy(url, username="anybody", password=token)


def _system(agent: Agent, host: dict[str, Any], token: str = ANY) -> Any:
    """The host's system, as sushy has it."""
    root = _root(agent, token)
    path = f"/redfish/v1/Systems/{host['id']}"
    assert path in root.get_system_collection().members_identities
    return root.get_system(path)


def _refreshed(system: Any) -> Any:
    system.refresh(force=True)
    return system


def _boot(system: Any) -> tuple[Any, Any]:
    found = _refreshed(system).boot
    return found.enabled, found.target


USUAL, FROM_NETWORK = ["hd", "network"], ["network", "hd"]
DISABLED = (BootSourceOverrideEnabled.DISABLED, BootSource.NONE)


def _wait_for_boots(count: int) -> None:
    said = stack.wait_for(
        lambda: (said := stack.console(NAME)).count("booted") >= count and said, f"boot {count}"
    )
    assert said.count("booted") == count


def _order(*options: str) -> list[str | None]:
    return stack.values(stack.definition(NAME, *options).findall("os/boot"), "dev")


def _kept() -> str:
    """The definition that is kept, without notes in it."""
    text = virsh("dumpxml", "--inactive", NAME)
    return re.sub(r" *<metadata(/>|>.*?</metadata>)\n", "", text, flags=re.DOTALL)


def _operations(agent: Agent, host: dict[str, Any]) -> list[dict[str, Any]]:
    """Every change of the host by Redfish, oldest first."""
    listed = agent.request("GET", f"/operations?host={host['name']}").body
    every = [agent.get("operations", each["id"]).body for each in reversed(listed)]
    return [each for each in every if host["id"] in each["request"]["path"]]


def test_what_a_client_finds(agent: Agent) -> None:
    """All that inspection takes from a physical machine."""
    host = agent.post("hosts", NAME, body=BODY).body
    system = _system(agent, host)
    assert (system.uuid, system.name, system.manufacturer) == (
        host["id"],
        NAME,
        "Staging compute agent",
    )
    assert system.power_state is sushy.PowerState.OFF
    assert system.json["MemorySummary"] == {"TotalSystemMemoryGiB": 64 / 1024}
    assert tuple(system.processors.summary) == (1, sushy.ProcessorArchitecture.X86)
    assert system.boot.mode is BootSourceOverrideMode.LEGACY
    assert _boot(system) == DISABLED
    macs = [card["mac"] for card in host["interfaces"]]
    assert system.ethernet_interfaces.summary == dict.fromkeys(macs, sushy.State.ENABLED)
    assert system.simple_storage.disks_sizes_bytes == [GIB, 2 * GIB]
    assert system.storage.drives_sizes_bytes == [GIB, 2 * GIB]
    assert system.storage.volumes_sizes_bytes == [GIB, 2 * GIB]
    (storage,) = system.storage.get_members()
    assert [drive.name for drive in storage.drives] == ["sda", "sdb"]
    assert [found.name for found in storage.controllers.get_members()] == ["virtio-scsi"]
    assert [found.name for found in storage.storage_controllers] == ["virtio-scsi"]
    (manager,) = system.managers
    assert [found.path for found in manager.systems] == [system.path]
    for above in (system, manager):
        (drive,) = above.virtual_media.get_members()
        assert (drive.identity, drive.inserted, drive.image) == ("Cd", False, None)
        assert drive.media_types == [sushy.VirtualMediaType.CD, sushy.VirtualMediaType.DVD]


def test_a_session(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    """Of a client that has a token for one host: it is the only one that it finds."""
    agent = start_agent(tokens_file=str(tmp_path / "tokens"))
    full = agent_token(agent.config, "add", "ci")
    token = agent_token(agent.config, "add", "team", "--host", NAME)
    for name in (NAME, own("other")):
        assert agent.request("POST", f"/hosts/{name}", BODY, bearer(full)).status == 200
    root = _root(agent, token)
    (session,) = root.get_session_service().sessions.get_members()
    assert session.username == "anybody"
    (system,) = root.get_system_collection().get_members()
    assert (system.name, len(root.get_manager_collection().get_members())) == (NAME, 1)
    system.reset_system(ResetType.ON)
    assert stack.state(NAME) == "running"
    (reset,) = agent.request("GET", f"/operations?host={NAME}&limit=1", None, bearer(full)).body
    made = agent.request("GET", f"/operations/{reset['id']}", None, bearer(full)).body
    assert made["request"]["client"] == "team@127.0.0.1"
    session.delete()
    with pytest.raises(sushy.exceptions.AccessError):
        _root(agent, f"{token}x").get_system_collection()


def test_a_host_that_was_made_by_hand(agent: Agent) -> None:
    """It has a BMC like any other, disks whose size nobody knows included."""
    gone = f"<disk type='file'><source file='{stack.POOL_PATH}/nope'/><target dev='vda'/></disk>"
    device = "<disk type='block'><source dev='/dev/nope'/><target dev='vdb'/></disk>"
    stack.define_domain(NAME, gone + device)
    system = _system(agent, {"id": stack.uuid(NAME)})
    assert (system.name, system.power_state) == (NAME, sushy.PowerState.OFF)
    assert system.storage.drives_sizes_bytes == system.storage.volumes_sizes_bytes == []
    assert system.simple_storage.disks_sizes_bytes == []
    (storage,) = system.storage.get_members()
    assert [drive.name for drive in storage.drives] == ["vda", "vdb"]


def test_power(agent: Agent, host: dict[str, Any]) -> None:
    """Each kind of reset, as the guest sees it and as the journal has it."""
    system = _system(agent, host)

    def wait_until_off() -> None:
        off = sushy.PowerState.OFF
        stack.wait_for(lambda: _refreshed(system).power_state is off, "an end by itself")

    system.reset_system(ResetType.ON)
    assert _refreshed(system).power_state is sushy.PowerState.ON
    _wait_for_boots(1)
    system.reset_system(ResetType.FORCE_RESTART)
    _wait_for_boots(2)
    system.reset_system(ResetType.GRACEFUL_RESTART)
    _wait_for_boots(3)
    system.reset_system(ResetType.NMI)
    system.reset_system(ResetType.GRACEFUL_SHUTDOWN)
    wait_until_off()
    system.reset_system(ResetType.PUSH_POWER_BUTTON)
    _wait_for_boots(4)
    system.reset_system(ResetType.PUSH_POWER_BUTTON)
    wait_until_off()
    with pytest.raises(sushy.exceptions.HTTPError) as caught:
        system.reset_system(ResetType.GRACEFUL_SHUTDOWN)
    assert (caught.value.status_code, caught.value.detail) == (
        409,
        f"host {NAME!r} is in state 'shut off', and shutdown takes one that is 'running' or 'idle'"
        " or 'in shutdown'",
    )
    system.reset_system(ResetType.FORCE_RESTART)
    _wait_for_boots(5)
    system.reset_system(ResetType.FORCE_OFF)
    assert _refreshed(system).power_state is sushy.PowerState.OFF
    done = _operations(agent, host)
    assert [each["request"]["body"]["ResetType"] for each in done] == [
        *("On", "ForceRestart", "GracefulRestart", "Nmi", "GracefulShutdown"),
        *("PushPowerButton", "PushPowerButton", "ForceRestart", "ForceOff"),
    ]
    assert {each["status"] for each in done} == {"done"}
    target = f"{system.path}/Actions/ComputerSystem.Reset"
    assert {(each["request"]["method"], each["request"]["path"]) for each in done} == {
        ("POST", target)
    }


def test_once_is_once(agent: Agent, host: dict[str, Any]) -> None:
    """It boots from the network, and after its reboot from disk by itself."""
    system = _system(agent, host)
    kept = _kept()
    system.set_system_boot_options(
        BootSource.PXE, enabled=BootSourceOverrideEnabled.ONCE, mode=BootSourceOverrideMode.LEGACY
    )
    assert _boot(system) == (BootSourceOverrideEnabled.ONCE, BootSource.PXE)
    system.reset_system(ResetType.ON)
    assert _boot(system) == DISABLED
    assert (_order(), stack.definition(NAME).findtext("on_reboot")) == (FROM_NETWORK, "destroy")
    assert stack.tag(host["interfaces"][0]["port"]) == "10"
    assert _kept() == kept
    assert "booted" not in stack.console(NAME)
    # As a guest does that reboots.
    virsh("reset", NAME)
    _wait_for_boots(1)
    assert (_order(), stack.definition(NAME).findtext("on_reboot")) == (USUAL, "restart")
    assert _refreshed(system).power_state is sushy.PowerState.ON
    # And with one that runs: a reset alone would boot its disk.
    system.set_system_boot_options(BootSource.PXE, enabled=BootSourceOverrideEnabled.ONCE)
    system.reset_system(ResetType.FORCE_RESTART)
    assert (_order(), stack.definition(NAME).findtext("on_reboot")) == (FROM_NETWORK, "destroy")
    system.reset_system(ResetType.FORCE_RESTART)
    _wait_for_boots(2)
    # And with the button of the API, which is the same machine's.
    system.reset_system(ResetType.FORCE_OFF)
    system.set_system_boot_options(BootSource.PXE, enabled=BootSourceOverrideEnabled.ONCE)
    assert agent.put("hosts", NAME, "start").body["install"]["state"] == "running"
    assert (_order(), stack.definition(NAME).findtext("on_reboot")) == (FROM_NETWORK, "destroy")
    assert _boot(system) == DISABLED


def test_what_lasts_until_it_is_disabled(agent: Agent, host: dict[str, Any]) -> None:
    system = _system(agent, host)
    always = BootSourceOverrideEnabled.CONTINUOUS
    system.set_system_boot_options(BootSource.PXE, enabled=always)
    assert _boot(system) == (always, BootSource.PXE)
    for _ in range(2):
        system.reset_system(ResetType.ON)
        assert _order() == FROM_NETWORK
        system.reset_system(ResetType.FORCE_OFF)
    assert _boot(system) == (always, BootSource.PXE)
    system.set_system_boot_options(BootSource.CD, enabled=always)
    assert _order() == ["cdrom", "hd", "network"]
    system.set_system_boot_options(enabled=BootSourceOverrideEnabled.DISABLED)
    assert (_boot(system), _order()) == (DISABLED, USUAL)
    # An order that is set natively ends it as well.
    system.set_system_boot_options(BootSource.PXE, enabled=always)
    body = {"boot": ["disk"]}
    assert agent.request("PUT", f"/hosts/{NAME}/boot", body).body["boot"] == ["disk"]
    assert (_boot(system), _order()) == (DISABLED, ["hd"])
    with pytest.raises(sushy.exceptions.BadRequestError) as caught:
        system.set_system_boot_options(BootSource.PXE, mode=BootSourceOverrideMode.UEFI)
    assert caught.value.related_properties == ["#/Boot/BootSourceOverrideMode"]
    assert _boot(system) == DISABLED


def test_media(agent: Agent, host: dict[str, Any], image: str) -> None:
    """In and out, by the system and by its manager; one boots from them once."""
    system = _system(agent, host)
    (manager,) = system.managers
    (drive,), (same) = system.virtual_media.get_members(), manager.virtual_media.get_members()[0]
    drive.insert_media(image)
    for found in (_refreshed(drive), _refreshed(same)):
        assert (found.inserted, found.image, found.image_name) == (True, image, "disc.iso")
        assert (found.connected_via, found.write_protected) == (sushy.ConnectedVia.URI, True)
    assert agent.get("hosts", NAME).body["media"] == {"image": image}
    with pytest.raises(sushy.exceptions.HTTPError) as caught:
        same.insert_media(image)
    assert caught.value.status_code == 409
    system.set_system_boot_options(BootSource.CD, enabled=BootSourceOverrideEnabled.ONCE)
    system.reset_system(ResetType.ON)
    _wait_for_boots(1)
    assert stack.definition(NAME).findtext("on_reboot") == "destroy"
    # The disc resets the machine, which then boots its disk.
    stack.press_enter(stack.definition(NAME), lambda: stack.console(NAME).count("booted") == 2)
    assert stack.definition(NAME).findtext("on_reboot") == "restart"
    assert _boot(system) == DISABLED
    same.eject_media()
    for found in (_refreshed(drive), _refreshed(same)):
        assert (found.inserted, found.image) == (False, None)
    assert agent.get("hosts", NAME).body["media"] is None
    done = [(each["does"], each["status"]) for each in _operations(agent, host)]
    assert done == [
        (f"put media into host {NAME}", "done"),
        (f"set what host {NAME} boots from next", "done"),
        (f"start host {NAME}", "done"),
        (f"finish the install of host {NAME}", "done"),
        (f"take media out of host {NAME}", "done"),
    ]


def test_the_scripts_do_the_same(
    agent: Agent, host: dict[str, Any], image: str, tmp_path: Path
) -> None:
    """What a client would do, done by hand: media in, boot from them once, media out."""
    system = f"/redfish/v1/Systems/{host['id']}"
    media = f"{system}/VirtualMedia/Cd/Actions/VirtualMedia"

    def by_hand(method: str, path: str, body: Any) -> None:
        _run(_script(agent, method, path, body), tmp_path)

    by_hand("POST", f"{media}.InsertMedia", {"Image": image})
    assert agent.get("hosts", NAME).body["media"] == {"image": image}
    once = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "Cd"}
    by_hand("PATCH", system, {"Boot": once})
    assert _boot(_system(agent, host)) == (BootSourceOverrideEnabled.ONCE, BootSource.CD)
    by_hand("POST", f"{system}/Actions/ComputerSystem.Reset", {"ResetType": "On"})
    _wait_for_boots(1)
    assert _boot(_system(agent, host)) == DISABLED
    assert stack.definition(NAME).findtext("on_reboot") == "destroy"
    by_hand("POST", f"{system}/Actions/ComputerSystem.Reset", {"ResetType": "ForceOff"})
    assert stack.state(NAME) == "shut off"
    by_hand("POST", f"{media}.EjectMedia", {})
    assert agent.get("hosts", NAME).body["media"] is None


def test_only_an_id_is_an_identity(agent: Agent, host: dict[str, Any]) -> None:
    """virsh would take a name, a number, and other spellings of the id for the host as well."""
    root = _root(agent)
    virsh("start", NAME)
    for id_ in (NAME, virsh("domid", NAME).strip(), host["id"].replace("-", ""), host["id"][:8]):
        with pytest.raises(sushy.exceptions.ResourceNotFoundError) as caught:
            root.get_system(f"/redfish/v1/Systems/{id_}")
        assert caught.value.detail == f"there is no host {id_!r}"


def test_ironics_interoperability_profile(libvirt: Libvirt, images: Images, tmp_path: Path) -> None:
    """DMTF's validator with the profile that Ironic publishes: no failure, and no warning."""
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as agent:
        vlan = own("vlan")
        made = agent.post("networks", vlan, body={"bridge": stack.BRIDGE, "vlan": 10})
        assert made.status == 200
        runs = {"disks": [1], "networks": [vlan], "start": True}
        for name, more in (("off", {"disks": [1, 2]}), ("bare", {"disks": []}), ("on", runs)):
            body = {"memory": 64, "networks": [], "start": False, **more}
            made = agent.post("hosts", own(name), body=body)
            assert made.status == 200
        put = agent.request("PUT", f"/hosts/{own('on')}/media", {"image": images.url()})
        assert (put.status, put.body["state"]) == (200, "running")
        words = (
            *(str(Path(sys.executable).parent / "rf_interop_validator"), "--authtype=Basic"),
            *("--user=any", "--password=any", f"--rhost=http://{agent.address}"),
            *(f"--logdir={tmp_path / 'logs'}", str(PROFILE)),
        )
        ran = subprocess.run(words, capture_output=True, text=True, timeout=240, check=False)
    counts = re.search(r"\| +(\d+) +\| +(\d+) +\| +(\d+) +\| +\d+ +\|", ran.stdout)
    assert counts is not None, ran.stdout + ran.stderr
    passed, warned, failed = map(int, counts.groups())
    (log,) = tmp_path.glob("logs/*/*.log")
    told = log.read_text().splitlines()
    bad = [line for line in told if re.search(" - (WARNING|ERROR|CRITICAL) - ", line)]
    assert (bad, warned, failed, ran.returncode) == ([], 0, 0, 0)
    assert passed > 100
    assert any("/EthernetInterfaces/0" in line for line in told)
