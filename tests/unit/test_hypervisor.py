"""Reads of the hypervisor that no route shows whole."""

import pytest
from pytest_subprocess import FakeProcess

from agent.errors import CommandFailed, OutOfReach
from agent.hypervisor.facts import PoolFacts
from agent.hypervisor.hypervisor import Hypervisor
from agent.tools.run import Runner

from .recorded import Read, batch_argv, batch_outputs, virsh, virsh_error
from .web import CONFIG, ODD, POOL, POOL_XML, uuid


@pytest.fixture
def hypervisor() -> Hypervisor:
    return Hypervisor(Runner(CONFIG.limits()), CONFIG, mark=lambda: "MARK")


def expect(fp: FakeProcess, *reads: Read, returncode: int = 0) -> None:
    stdout, stderr = batch_outputs(reads)
    fp.register(batch_argv(reads), stdout=stdout, stderr=stderr, returncode=returncode)


def test_many_reads_are_more_than_one_virsh(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    """One argument of a process has its limit."""
    domains = [uuid(number) for number in range(300)]
    listed = "".join(f"{domain} host{number}\n" for number, domain in enumerate(domains))
    running = "".join(f"{domain}\n" for domain in domains)
    expect(fp, Read("list --all --uuid --name", listed), Read("list --uuid", running))
    xml = virsh("dumpxml-spaces")
    reads = [
        Read(f"dumpxml {flag}{domain}", xml.replace(uuid(4), domain))
        for flag in ("--inactive ", "")
        for domain in domains
    ]
    expect(fp, *reads[:400])
    expect(fp, *reads[400:])
    found = hypervisor.domain_definitions()
    assert [domain.uuid for domain in found] == domains * 2


def test_the_mark_is_another_one_each_time(fp: FakeProcess) -> None:
    hypervisor = Hypervisor(Runner(CONFIG.limits()), CONFIG)
    commands: list[list[str]] = []
    fp.register(
        [fp.any()],
        callback=lambda process: commands.append(process.args),
        stderr=virsh_error("out-of-reach"),
        returncode=1,
        occurrences=2,
    )
    for _ in range(2):
        with pytest.raises(OutOfReach):
            hypervisor.domains()
    marks = {argv[-1].rpartition(" ")[2] for argv in commands}
    assert len(marks) == 2
    assert {len(mark) for mark in marks} == {10}


def test_domains_that_go_meanwhile_have_no_definition(
    fp: FakeProcess, hypervisor: Hypervisor
) -> None:
    """Before virsh has found the domain, and after."""
    listed = Read("list --all --uuid --name", f"{uuid(4)} a\n")
    expect(fp, listed, Read("list --uuid", f"{uuid(4)}\n"))
    later = f"error: Domain not found: no domain with matching uuid '{uuid(4)}' (a)\n"
    expect(
        fp,
        Read(f"dumpxml --inactive {uuid(4)}", stderr=virsh_error("dumpxml-gone")),
        Read(f"dumpxml {uuid(4)}", stderr=later),
    )
    assert hypervisor.domain_definitions() == ()


def test_the_pool(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    names = ("a b.qcow2", "gone", "overlay.qcow2")
    rows = "".join(f" {name}   {POOL}/{name}\n" for name in names)
    expect(fp, POOL_XML, Read("vol-list fixture-pool", f" Name   Path\n----\n{rows}\n"))
    expect(
        fp,
        Read("vol-dumpxml --pool fixture-pool --vol 'a b.qcow2'", virsh("vol-dumpxml-base")),
        Read("vol-dumpxml --pool fixture-pool --vol gone", stderr=virsh_error("vol-dumpxml-gone")),
        Read("vol-dumpxml --pool fixture-pool --vol overlay.qcow2", virsh("vol-dumpxml-overlay")),
    )
    assert hypervisor.pool() == PoolFacts(
        "fixture-pool",
        POOL,
        {"a b.qcow2": (), "overlay.qcow2": (f"{POOL}/{ODD}.qcow2",)},
    )


def test_an_empty_pool(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, POOL_XML, Read("vol-list fixture-pool", virsh("empty-vol-list")))
    assert hypervisor.pool() == PoolFacts("fixture-pool", POOL, {})


def test_a_virsh_that_was_killed_is_a_failure(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, Read("list --all --uuid --name", virsh("list")), returncode=-9)
    with pytest.raises(CommandFailed) as caught:
        hypervisor.domain_uuid("a")
    assert caught.value.detail == "virsh failed"
    assert caught.value.exit_code == -9
