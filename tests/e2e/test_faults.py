"""What is left when a command fails, hangs, or does the wrong thing: nothing."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import stack
from .daemon import Agent, serving
from .faults import Faults
from .stack import BRIDGE, POOL_PATH, V10, V20, own, tool, virsh

NAME = own("ns")
NETWORK = own("vlan:100")
BODY = {"memory": 64, "disks": [1, 1, 1], "networks": [V10, V20]}


@pytest.fixture(scope="module")
def faulty(
    whole_stack: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Agent, Faults]]:
    """An agent whose tools go wrong when they are told to."""
    folder = tmp_path_factory.mktemp("faulty")
    faults = Faults(folder / "tools")
    with serving(Agent(folder, path=faults.path)) as agent:
        yield agent, faults


def test_what_could_not_be_taken_back_is_told(
    start_agent: Callable[..., Agent], faults: Faults
) -> None:
    """When the undo fails as well, the answer says what is left, and the agent tries again."""
    agent = start_agent(path=faults.path)
    faults.replace("virt-install", "#!/bin/sh\nexit 1\n")
    faults.at("vol-delete", 1, "before")
    with stack.unchanged():
        answer = agent.post("hosts", NAME, body=BODY)
        assert answer.status == 500
        (line,) = answer.body["left_behind"]
        assert f" --vol={NAME}." in line
        assert line.endswith(".2.qcow2")
        stack.wait_for(lambda: agent.get("health").status == 200, "an end to what was unsettled")
    operation = agent.get("operations", answer.body["operation"]).body
    assert operation["status"] == "undone"


def test_a_host_that_somebody_else_makes_meanwhile_is_theirs(
    faulty: tuple[Agent, Faults],
) -> None:
    """Its name is taken; it runs on, and the disks that were made for the agent's are gone."""
    agent, faults = faulty
    xml = (
        f"<domain type='qemu'><name>{NAME}</name><memory unit='MiB'>64</memory>"
        "<os><type machine='q35'>hvm</type></os></domain>"
    )
    faults.meanwhile("virt-install", f'echo "{xml}" >"$0.xml" && virsh define "$0.xml"')
    answer = agent.post("hosts", NAME, body=BODY)
    assert (answer.status, "left_behind" in answer.body) == (409, False)
    assert (stack.domains(), stack.volumes(), stack.ports()) == ({NAME}, set(), set())
    assert stack.definition(NAME).findall("devices/disk") == []


def test_a_network_that_somebody_else_makes_meanwhile_is_theirs(
    faulty: tuple[Agent, Faults],
) -> None:
    """Its name is taken, and its definition stays as it was."""
    agent, faults = faulty
    xml = f"<network><name>{NETWORK}</name><forward mode='bridge'/><bridge name='br-x'/></network>"
    faults.meanwhile("net-define", f'echo "{xml}" >"$0.xml" && virsh net-define "$0.xml"')
    answer = agent.post("networks", NETWORK, body={"bridge": BRIDGE, "vlan": 100})
    assert (answer.status, "left_behind" in answer.body) == (409, False)
    assert "br-x" in virsh("net-dumpxml", NETWORK)


def test_a_command_that_hangs_is_ended(faults: Faults, start_agent: Callable[..., Agent]) -> None:
    """Also one that is deaf: all is taken back, and meanwhile everything else is answered."""
    agent = start_agent(path=faults.path, virt_install_seconds=5)
    with stack.unchanged(), ThreadPoolExecutor(1) as pool:
        faults.at("virt-install", 1, "hang-deaf")
        hanging = pool.submit(agent.post, "hosts", NAME, body=BODY)
        stack.wait_for(faults.hangs, "a virt-install that hangs")
        # First what asks nobody else: a list may have to wait for another test's machine.
        held = agent.post("hosts", NAME, body=BODY)
        kept = agent.delete("networks", V10)
        assert agent.get("hosts").status == 200
        assert agent.get("health").status == 200
        answer = hanging.result(240)
        assert answer.status == 504
        assert "ran past its limit of 5 s" in answer.body["detail"]
        assert [(busy.status, busy.body["held_by"]) for busy in (held, kept)] == [
            (409, answer.body["operation"])
        ] * 2
        assert agent.get("networks", V10).status == 200


def test_an_installer_that_stops_coming_is_given_up(
    start_agent: Callable[..., Agent], stalling_tree: str
) -> None:
    """Nor is what had come of it left in libvirt's folder."""
    # It has to have begun to fetch by then, on a busy machine too.
    agent = start_agent(virt_install_seconds=20)
    with stack.unchanged(), ThreadPoolExecutor(1) as pool:
        fetched = stack.fetched_files()
        body = {**BODY, "install": True, "location": stalling_tree}
        hanging = pool.submit(agent.post, "hosts", NAME, body=body)
        stack.wait_for(lambda: stack.fetched_files() - fetched, "a kernel that is fetched")
        assert hanging.result(240).status == 504


def test_a_host_on_the_wrong_vlan_is_no_host(
    faults: Faults, start_agent: Callable[..., Agent]
) -> None:
    """Its ports come up with another tag: the create fails, and the host is gone."""
    agent = start_agent(path=faults.path, ovs_vsctl_seconds=5)
    faults.replace(
        "virt-install",
        f"""#!/bin/sh
PATH=${{PATH#*:}}
virt-install "$@" || exit
for port in $(ovs-vsctl --timeout=10 list-ports {BRIDGE}); do
    case $port in h*-1) ovs-vsctl --timeout=10 set Port "$port" tag=99 ;; esac
done
""",
    )
    with stack.unchanged():
        answer = agent.post("hosts", NAME, body=BODY)
        assert answer.status == 503
        assert "on its bridge with its VLANs" in answer.body["detail"]
        assert "wait-until" in answer.body["command"]


@pytest.fixture
def tiny_pool(whole_stack: None) -> Iterator[str]:
    """A pool with room for one empty qcow2 image, but not for two."""
    path = Path(f"{POOL_PATH}-tiny")
    path.mkdir()
    try:
        tool("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(path))
        virsh("pool-create-as", path.name, "dir", "--target", str(path))
        yield path.name
    finally:
        # A host that a failed test left would hold the file system.
        stack.sweep()
        stack.tolerant(virsh, "pool-destroy", path.name)
        stack.tolerant(tool, "umount", str(path))
        path.rmdir()


def test_a_pool_that_is_full(tiny_pool: str, start_agent: Callable[..., Agent]) -> None:
    """The first disk had been made when there was no room for the second."""
    path = POOL_PATH.with_name(tiny_pool)
    agent = start_agent(pool=tiny_pool, pool_path=str(path))
    with stack.unchanged():
        answer = agent.post("hosts", NAME, body=BODY)
        assert answer.status == 507
        assert re.search(rf"--name={NAME}\.\S+\.1\.qcow2", answer.body["command"])
        assert "No space left on device" in answer.body["stderr"]
        assert list(path.iterdir()) == []
    assert agent.post("hosts", NAME, body={**BODY, "disks": [1]}).status == 200
    volume = stack.volume(NAME, 0)
    assert agent.delete("hosts", NAME).body["deleted"] == [volume]
    assert list(path.iterdir()) == []
