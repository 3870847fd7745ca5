"""Whether KVM works is found by a trial, once."""

import threading
from typing import Any

import pytest
from pytest_subprocess import FakeProcess

from agent.config import Config
from agent.errors import OutOfReach
from agent.hypervisor import virtualisation
from agent.hypervisor.virtualisation import VirtType, trial_xml
from agent.tools.run import Runner

from .recorded import URI, recorded, virsh, virsh_error

TRIAL = (
    *("virsh", f"--connect={URI}"),
    "create /dev/stdin --autodestroy; domstate --reason agent-trial",
)
XML = """<domain type="kvm">
  <name>agent-trial</name>
  <memory unit="MiB">16</memory>
  <os>
    <type machine="q35">hvm</type>
  </os>
  <cpu mode="host-passthrough" />
</domain>
"""
TAKEN = (
    "error: Failed to create domain from /dev/stdin\n"
    "error: operation failed: domain 'agent-trial' already exists with uuid 6f1c1c3e\n"
)


@pytest.fixture
def auto(monkeypatch: pytest.MonkeyPatch) -> VirtType:
    monkeypatch.setattr(virtualisation.time, "sleep", lambda seconds: None)
    return VirtType(Runner({"": 10.0}), Config(virt_type="auto"))


def expect(fp: FakeProcess, case: str = "", **more: Any) -> Any:
    """Expect a trial, of which a recorded case is the outcome."""
    if case:
        more = {"stdout": virsh(case), "stderr": virsh_error(case), **more}
    return fp.register(list(TRIAL), **more)


def test_the_machine_of_a_trial() -> None:
    assert trial_xml("agent-trial", "q35") == XML


@pytest.mark.parametrize("setting", ["kvm", "qemu"])
def test_a_setting_is_taken_without_a_trial(fp: FakeProcess, setting: str) -> None:
    assert VirtType(Runner({"": 10.0}), Config(virt_type=setting))() == setting


def test_a_trial_that_runs(fp: FakeProcess, auto: VirtType) -> None:
    given: list[bytes] = []
    expect(fp, "trial-runs", stdin_callable=given.append)
    assert [auto(), auto()] == ["kvm", "kvm"]
    assert given == [XML.encode()]


CREATED = "Domain 'agent-trial' created from /dev/stdin\n\n"


@pytest.mark.parametrize(
    "outcome",
    [
        {"case": "trial-fails", "returncode": 1},
        {"stdout": f"{CREATED}shut off (crashed)\n\n"},
        {"stdout": f"{CREATED}paused (starting up)\n\n"},
        {"stdout": ""},
    ],
)
def test_a_machine_that_does_not_run(
    fp: FakeProcess, auto: VirtType, outcome: dict[str, Any]
) -> None:
    expect(fp, **outcome)
    assert [auto(), auto()] == ["qemu", "qemu"]


def test_libvirt_out_of_reach_settles_nothing(fp: FakeProcess, auto: VirtType) -> None:
    expect(fp, stderr=virsh_error("out-of-reach"), returncode=1)
    expect(fp, "trial-runs")
    with pytest.raises(OutOfReach) as caught:
        auto()
    assert caught.value.detail == (
        "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to connect"
        " socket to '/var/run/libvirt/libvirt-sock': No such file or directory"
    )
    assert auto() == "kvm"


def test_a_trial_of_another_agent_is_waited_for(fp: FakeProcess, auto: VirtType) -> None:
    expect(fp, stderr=TAKEN, returncode=1)
    expect(fp, "trial-runs")
    assert auto() == "kvm"


def test_another_trial_is_not_waited_for_without_end(fp: FakeProcess, auto: VirtType) -> None:
    expect(fp, stderr=TAKEN, returncode=1, occurrences=5)
    assert auto() == "qemu"


def test_threads_that_ask_at_once_share_one_trial(fp: FakeProcess, auto: VirtType) -> None:
    expect(fp, "trial-runs")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(auto())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == ["kvm"] * 8


def test_the_recorded_trials_are_what_they_are_taken_for() -> None:
    assert virsh("trial-runs").endswith("\n\nrunning (booted)\n\n")
    assert recorded("virsh-9.0.0.trial-runs.err") == ""


def test_a_trial_without_room_says_nothing_of_the_hardware(fp: FakeProcess, auto: VirtType) -> None:
    """It is emulation for now, and tried again for the next host."""
    expect(fp, stderr="error: Cannot allocate memory\n", returncode=1)
    expect(fp, "trial-runs")
    assert [auto(), auto(), auto()] == ["qemu", "kvm", "kvm"]
