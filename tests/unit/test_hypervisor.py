"""Reads of the hypervisor that no route shows whole."""

import re
import shlex

import pytest
from pytest_subprocess import FakeProcess

from agent.errors import CommandFailed, NotFound, OutOfReach, PoolOff
from agent.hypervisor.facts import NewHostFacts, PoolFacts, SnapshotFacts
from agent.hypervisor.hypervisor import Hypervisor
from agent.hypervisor.reads import Reads
from agent.tools.commands.virsh import NO_DOMAIN
from agent.tools.parsers import libvirt_xml
from agent.tools.run import Runner

from .recorded import (
    URI,
    Read,
    batch_argv,
    batch_outputs,
    joined_argv,
    recorded,
    virsh,
    virsh_error,
)
from .web import (
    CONFIG,
    INTERFACES,
    LIST,
    LIST_BR,
    MEMORY,
    NET_ACTIVE,
    NET_UUIDS,
    NETWORKS,
    ODD,
    POOL,
    POOL_INFO,
    POOL_XML,
    RUNNING,
    definitions,
    details,
    uuid,
)


@pytest.fixture
def hypervisor() -> Hypervisor:
    return Hypervisor(Runner(CONFIG.limits()), CONFIG, mark=lambda: "MARK")


GONE_LATER = f"error: Domain not found: no domain with matching uuid '{uuid(4)}' (a)\n"


def expect(fp: FakeProcess, *reads: Read, returncode: int = 0) -> None:
    stdout, stderr = batch_outputs(reads)
    fp.register(batch_argv(reads), stdout=stdout, stderr=stderr, returncode=returncode)


def expect_joined(fp: FakeProcess, *reads: Read, returncode: int = 0) -> None:
    stdout, stderr = (
        "".join(printed) for printed in zip(*((r.stdout, r.stderr) for r in reads), strict=True)
    )
    fp.register(joined_argv(reads), stdout=stdout, stderr=stderr, returncode=returncode)


def test_many_reads_are_more_than_one_virsh(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    """One argument of a process has its limit."""
    domains = [uuid(number) for number in range(300)]
    listed = "".join(f"{domain} host{number}\n" for number, domain in enumerate(domains))
    running = "".join(f"{domain}\n" for domain in domains)
    expect(fp, Read("list --all --uuid --name", listed), Read("list --uuid", running))
    xml = virsh("dumpxml-spaces")
    reads = [
        Read(f"dumpxml {flag}{domain}", xml.replace(uuid(4), domain))
        for flag in ("", "--inactive ")
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
    expect(
        fp,
        Read(f"dumpxml {uuid(4)}", stderr=virsh_error("dumpxml-gone")),
        Read(f"dumpxml --inactive {uuid(4)}", stderr=GONE_LATER),
    )
    assert hypervisor.domain_definitions() == ()


@pytest.fixture
def reads() -> Reads:
    return Reads(Runner(CONFIG.limits()), URI, mark=lambda: "MARK")


def test_what_is_gone_has_no_part_in_what_is_joined(fp: FakeProcess, reads: Reads) -> None:
    """The reads are made again, and told apart."""
    asked = (
        Read(f"dumpxml {uuid(3)}", virsh("dumpxml-off")),
        Read(f"dumpxml {uuid(4)}", stderr=virsh_error("dumpxml-gone")),
        Read(f"dumpxml {uuid(4)}", stderr=GONE_LATER),
        Read(f"dumpxml {uuid(1)}", virsh("dumpxml-running")),
    )
    expect_joined(fp, *asked)
    expect(fp, *asked)
    joined = reads.joined_unless(NO_DOMAIN, [tuple(read.words) for read in asked])
    # An answer of a batch begins with the end of the `echo --err` before.
    assert joined == f"{virsh('dumpxml-off')}\n{virsh('dumpxml-running')}"


def test_what_fails_otherwise_is_not_taken_for_gone(fp: FakeProcess, reads: Reads) -> None:
    odd = Read(f"dumpxml {uuid(4)}", stderr="error: internal error: cannot format the domain\n")
    expect_joined(fp, odd, returncode=1)
    expect(fp, odd, returncode=1)
    with pytest.raises(CommandFailed, match="cannot format the domain"):
        reads.joined_unless(NO_DOMAIN, [tuple(odd.words)])


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


def test_the_pool_without_its_volumes(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, POOL_INFO, POOL_XML)
    assert hypervisor.pool_without_volumes() == PoolFacts("fixture-pool", POOL, {})


@pytest.mark.parametrize(
    ("info", "xml"),
    [
        (Read("pool-info --bytes fixture-pool", virsh("inactive-pool-info")), POOL_XML),
        (
            Read("pool-info --bytes fixture-pool", stderr=virsh_error("pool-not-found")),
            Read("pool-dumpxml fixture-pool", stderr=virsh_error("pool-not-found")),
        ),
    ],
    ids=["off", "gone"],
)
def test_a_pool_that_cannot_be_used(
    fp: FakeProcess, hypervisor: Hypervisor, info: Read, xml: Read
) -> None:
    expect(fp, info, xml)
    with pytest.raises(PoolOff):
        hypervisor.pool_without_volumes()


def test_what_a_new_host_has_to_know(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    """The MACs of every domain, as it runs and as it is kept, in lower case."""
    expect(fp, LIST, RUNNING, NET_UUIDS, NET_ACTIVE, POOL_INFO, MEMORY)
    expect(fp, *NETWORKS)
    others = definitions()
    upper = Read("dumpxml", re.sub("52:54:00:00:02:00", "52:54:00:AB:CD:EF", others[-1].stdout))
    upper.words = others[-1].words
    expect_joined(fp, *others[:-1], upper)
    fp.register(list(LIST_BR), stdout="fixbr0\n")
    assert hypervisor.new_host_facts() == NewHostFacts(
        domains=frozenset({"fixture.example.com", "fixture-netboot", "  fixture  spaces ", ODD}),
        macs=frozenset(
            {
                *("52:54:00:00:01:00", "52:54:00:00:01:01", "52:54:00:00:02:00"),
                *("52:54:00:ab:cd:ef", "52:54:00:00:03:00", "52:54:00:00:03:01"),
            }
        ),
        networks=tuple(libvirt_xml.network(network.stdout) for network in NETWORKS),
        active_networks=frozenset({"fixture-transient", "fixture-untagged", "fixture: żółw"}),
        bridges=frozenset({"fixbr0"}),
        memory_mib=hypervisor_memory(),
    )


def hypervisor_memory() -> int:
    """What is recorded of this machine, in MiB."""
    (total,) = re.findall(r"total\s*:\s*(\d+) KiB", MEMORY.stdout)
    return int(total) // 1024


NAMES = Read(f"snapshot-list {uuid(1)} --name", virsh("snapshot-list"))


def snapshot_xml(case: str, name: str) -> Read:
    """The read of a snapshot of the recorded host."""
    words = shlex.join(("snapshot-dumpxml", uuid(1), "--snapshotname", name))
    return Read(words, virsh(f"snapshot-dumpxml-{case}") if case else "\n")


def test_the_snapshots_of_a_domain_oldest_first(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    """Not by name, as virsh has them; one that goes meanwhile is not among them."""
    expect(fp, Read(" ".join(NAMES.words), f"a\nb\n-c d\n{ODD}\n\n"))
    created = re.compile("<creationTime>\\d+<")
    off, running = virsh("snapshot-dumpxml-off"), virsh("snapshot-dumpxml-running")
    texts = (
        Read(f"snapshot-dumpxml {uuid(1)} --snapshotname a", created.sub("<creationTime>2<", off)),
        Read(
            f"snapshot-dumpxml {uuid(1)} --snapshotname b",
            stderr=virsh_error("snapshot-dumpxml-gone"),
        ),
        Read(
            f"snapshot-dumpxml {uuid(1)} --snapshotname '-c d'",
            created.sub("<creationTime>1<", running),
        ),
        snapshot_xml("off", ODD),
    )
    expect(fp, *texts)
    assert hypervisor.snapshots(uuid(1)) == [
        libvirt_xml.snapshot(read.stdout) for read in (texts[2], texts[0], texts[3])
    ]


def test_a_domain_without_snapshots(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, Read(f"snapshot-list {uuid(1)} --name", virsh("empty-snapshot-list")))
    assert hypervisor.snapshots(uuid(1)) == []


def test_snapshots_of_a_domain_that_goes(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    gone = Read(f"snapshot-list {uuid(1)} --name", stderr=virsh_error("snapshot-list-gone"))
    expect(fp, gone)
    with pytest.raises(NotFound):
        hypervisor.snapshots(uuid(1))
    # Between the two reads.
    expect(fp, NAMES)
    no_domain = virsh_error("snapshot-list-gone")
    reads = (snapshot_xml("", "clean"), snapshot_xml("", ODD))
    for read in reads:
        read.stderr = no_domain
    expect(fp, *reads)
    assert hypervisor.snapshots(uuid(1)) == []


def test_what_a_change_of_snapshots_has_to_know(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, *details(1, "running"))
    expect(fp, NET_UUIDS)
    expect(fp, *NETWORKS)
    fp.register(list(INTERFACES), stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    expect(fp, RUNNING)
    expect(fp, NAMES)
    expect(fp, POOL_INFO, POOL_XML)
    networks = [libvirt_xml.network(network.stdout) for network in NETWORKS]
    assert hypervisor.snapshot_facts(uuid(1)) == SnapshotFacts(
        definition=libvirt_xml.domain(virsh("dumpxml-running")),
        networks={network.name: network for network in networks},
        stale_ports=[],
        names=["clean", ODD],
        pool=PoolFacts("fixture-pool", POOL, {}),
    )


def test_a_virsh_that_was_killed_is_a_failure(fp: FakeProcess, hypervisor: Hypervisor) -> None:
    expect(fp, Read("list --all --uuid --name", virsh("list")), returncode=-9)
    with pytest.raises(CommandFailed) as caught:
        hypervisor.domain_uuid("a")
    assert caught.value.detail == "virsh failed"
    assert caught.value.exit_code == -9
