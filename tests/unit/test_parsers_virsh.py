"""What virsh prints as lines and tables, from its recorded output."""

import doctest
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import InvalidOutput
from agent.tools.parsers import virsh as read

from .recorded import Read, batch_outputs, recorded, virsh, virsh_error
from .web import ODD, uuid

UUID = "6f1c1c3e-0000-4000-8000-000000000001"


WHOLE: list[tuple[Callable[[str], Any], str, Any]] = [
    (
        read.uuid_names,
        "list",
        {
            uuid(1): "fixture.example.com",
            uuid(2): "fixture-netboot",
            uuid(4): "  fixture  spaces ",
            uuid(3): ODD,
        },
    ),
    (
        read.domain_states,
        "domstats-state",
        {
            "  fixture  spaces ": "shut off",
            ODD: "shut off",
            "fixture.example.com": "running",
            "fixture-netboot": "running",
        },
    ),
    (
        read.uuids,
        "net-list-uuid",
        [
            uuid(14),
            uuid(15),
            uuid(12),
            uuid(13),
            uuid(11),
        ],
    ),
    (
        read.volumes,
        "vol-list",
        [
            "  fixture  spaces ",
            "a.iso",
            "fixture.example.com.0.qcow2",
            "fixture.example.com.1.qcow2",
            f"{ODD}.qcow2",
            "overlay.qcow2",
            "漢字.img",
        ],
    ),
    (
        read.key_values,
        "dominfo-off",
        {
            "Id": "-",
            "Name": ODD,
            "UUID": uuid(3),
            "OS Type": "hvm",
            "State": "shut off",
            "CPU(s)": "2",
            "Max memory": "16384 KiB",
            "Used memory": "16384 KiB",
            "Persistent": "yes",
            "Autostart": "enable",
            "Managed save": "no",
            "Security model": "none",
            "Security DOI": "0",
        },
    ),
    (
        read.names,
        "net-list-all",
        ["fixture-nat", "fixture-transient", "fixture-untagged", ODD, "fixture: żółw"],
    ),
    (read.names, "net-list-active", ["fixture-transient", "fixture-untagged", "fixture: żółw"]),
    (read.names, "net-list-autostart", ["fixture: żółw"]),
    (read.names, "net-list-persistent", ["fixture-nat", "fixture-untagged", ODD, "fixture: żółw"]),
    (read.disk_capacities, "domstats-block-running", {"sda": 1 << 30, "sdb": 1 << 30}),
    (read.disk_capacities, "domstats-block-netboot", {}),
    (read.disk_capacities, "domstats-block-off", {"sda": 1 << 30, "sdc": 2048}),
    (read.disk_capacities, "domstats-block-spaces", {}),
]


@pytest.mark.parametrize(("parse", "case", "value"), WHOLE)
def test_recorded_output(parse: Callable[[str], Any], case: str, value: Any) -> None:
    assert parse(virsh(case)) == value


def figure(case: str, key: str) -> int:
    """The first figure of that name in a recorded output: they differ at each recording."""
    return int(re.search(rf"^  {re.escape(key)}=(\d+)$", virsh(case), re.MULTILINE)[1])  # type: ignore[index]


def test_what_domains_use() -> None:
    case = "domstats-active"
    netboot = virsh(case).partition("Domain: 'fixture-netboot'")[2]
    found = read.usages(virsh(case))
    assert list(found) == ["fixture.example.com", "fixture-netboot"]
    assert found["fixture.example.com"] == read.Usage(
        cpu_ns=figure(case, "cpu.time"),
        rss_kib=figure(case, "balloon.rss"),
        read_bytes={f"sd{'ab'[n]}": figure(case, f"block.{n}.rd.bytes") for n in (0, 1)},
        written_bytes={f"sd{'ab'[n]}": figure(case, f"block.{n}.wr.bytes") for n in (0, 1)},
        received_bytes={f"h0000000000-{n}": figure(case, f"net.{n}.rx.bytes") for n in (0, 1)},
        sent_bytes={f"h0000000000-{n}": figure(case, f"net.{n}.tx.bytes") for n in (0, 1)},
    )
    assert f"  cpu.time={found['fixture-netboot'].cpu_ns}\n" in netboot
    assert found["fixture-netboot"].read_bytes == {}
    assert list(found["fixture-netboot"].sent_bytes) == ["h0000000002-0"]


def test_what_a_domain_uses_that_is_off() -> None:
    """libvirt counts its processor time as if it ran."""
    found = read.usages(virsh("domstats-usage-off"))
    assert found == {
        ODD: read.Usage(figure("domstats-usage-off", "cpu.time"), None, {}, {}, {}, {})
    }


def test_what_libvirt_does_not_tell_is_missing() -> None:
    """As of a domain that QEMU is busy with; and figures that nobody asked for."""
    text = (
        "Domain: ' a'b '\n  state.state=1\n  net.count=2\n  net.0.name=one\n  net.0.rx.bytes=3\n"
        "  net.1.rx.bytes=4\n  net.1.tx.bytes=5\n  block.0.name=sda\n  block.0.wr.bytes=6\n"
        "  block.0.wr.bytes.more=7\n\nDomain: 'c'\n\n"
    )
    assert read.usages(text) == {
        " a'b ": read.Usage(None, None, {}, {"sda": 6}, {"one": 3}, {}),
        "c": read.Usage(None, None, {}, {}, {}, {}),
    }


@pytest.mark.parametrize(("number", "word"), list(enumerate(read.STATES)))
def test_each_state_has_its_word(number: int, word: str) -> None:
    assert read.domain_states(f"Domain: 'a'\n  state.state={number}\n") == {"a": word}


def test_a_domain_without_a_state_has_none() -> None:
    assert read.domain_states("Domain: 'a'\n\nDomain: 'b'\n  state.state=1\n") == {"b": "running"}


def test_ports_of_a_network() -> None:
    heading, rule, *ports = virsh("net-port-list").split()
    assert (heading, set(rule), len(ports)) == ("UUID", {"-"}, 2)
    assert read.port_uuids(virsh("net-port-list")) == ports


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (" a      /pool/a", "a"),
        (" a b    /pool/a b", "a b"),
        (" a      /my pool/a", "a"),
        (" a      /b /a", "a"),
        (" a      /b  a/a", "a"),
        (" x.img x.img   /pool/x.img x.img", "x.img x.img"),
    ],
)
def test_a_volume_is_told_from_its_path(row: str, name: str) -> None:
    assert read.volumes(f" Name   Path\n-----\n{row}\n\n") == [name]


def test_a_volume_that_has_gone_while_they_were_listed_is_left_out() -> None:
    text = " Name   Path\n-----\n a      /pool/a\n b      unknown\n unknown   /pool/unknown\n\n"
    assert read.volumes(text) == ["a", "unknown"]


def test_memory_of_the_hypervisor() -> None:
    assert read.memory_mib("total  :   24684092 KiB\nfree   :   23346072 KiB\n") == 24105
    total = virsh("nodememstats").split()[2]
    assert read.memory_mib(virsh("nodememstats")) == int(total) // 1024


EMPTY: list[tuple[Callable[[str], Any], str, Any]] = [
    (read.uuid_names, "empty-list", {}),
    (read.domain_states, "empty-domstats-state", {}),
    (read.usages, "empty-domstats-active", {}),
    (read.names, "empty-net-list-all", []),
    (read.names, "empty-net-list-active", []),
    (read.names, "empty-net-list-autostart", []),
    (read.names, "empty-net-list-persistent", []),
    (read.uuids, "empty-net-list-uuid", []),
    (read.port_uuids, "empty-net-port-list", []),
    (read.volumes, "empty-vol-list", []),
]


@pytest.mark.parametrize(("parse", "case", "nothing"), EMPTY)
def test_empty_output(parse: Callable[[str], Any], case: str, nothing: Any) -> None:
    assert parse(virsh(case)) == nothing
    assert parse("") == nothing


@pytest.mark.parametrize(
    ("parse", "text", "tool", "why", "quoted"),
    [
        (
            read.uuid_names,
            f"{UUID} a\nnonsense\n",
            "virsh list",
            "not a UUID and a name",
            "nonsense",
        ),
        (read.uuid_names, f"{UUID} \n", "virsh list", "not a UUID and a name", f"{UUID} "),
        (read.uuids, "vlan:10\n", "virsh", "not a UUID", "vlan:10"),
        (read.port_uuids, " UUID\n----\n x\n", "virsh", "not a UUID", "x"),
        (
            read.domain_states,
            "Domain: 'a'\n  state.state=8\n",
            "virsh domstats",
            "an unknown state",
            "  state.state=8",
        ),
        (
            read.domain_states,
            "Domain: 'a'\n  state.state=x\n",
            "virsh domstats",
            "an unknown state",
            "  state.state=x",
        ),
        (
            read.domain_states,
            "nonsense\n",
            "virsh domstats",
            "not a domain and not a figure",
            "nonsense",
        ),
        (
            read.usages,
            "Domain: 'a'\n  cpu.time=1\nnonsense\n",
            "virsh domstats",
            "not a domain and not a figure",
            "nonsense",
        ),
        (
            read.usages,
            "Domain: 'a'\n  cpu.time=x\n",
            "virsh domstats",
            "not a figure",
            "invalid literal for int() with base 10: 'x'",
        ),
        (
            read.disk_capacities,
            "  block.0.capacity=1\n",
            "virsh domstats",
            "no 'name' in it",
            "  block.0.capacity=1\n",
        ),
        (read.key_values, "State running\n", "virsh", "not a key and a value", "State running"),
        (
            read.memory_mib,
            "total: 1 MiB\n",
            "virsh nodememstats",
            "no total in KiB",
            "total: 1 MiB\n",
        ),
        (read.memory_mib, "", "virsh nodememstats", "no total in KiB", ""),
        (
            read.volumes,
            " Name   Path\n-----\n sda   pool/target\n",
            "virsh vol-list",
            "not a volume and its path",
            " sda   pool/target",
        ),
    ],
)
def test_output_that_cannot_be_read(
    parse: Callable[[str], Any], text: str, tool: str, why: str, quoted: str
) -> None:
    with pytest.raises(InvalidOutput) as caught:
        parse(text)
    assert caught.value.detail == f"{tool} printed what the agent cannot read ({why}): {quoted!r}"


def test_a_batch_is_cut_into_its_answers() -> None:
    gone = "error: failed to get domain '00000000-0000-4000-8000-00000000dead'\n"
    no_pool = (
        "error: failed to get pool 'gone'\n"
        "error: Storage pool not found: no storage pool with matching name 'gone'\n"
    )
    out, err = recorded("virsh-9.0.0.batch.out"), recorded("virsh-9.0.0.batch.err")
    assert read.replies(out, err, "MARK", 5) == [
        (virsh("list"), ""),
        ("\n\n", gone),
        (f"\n{virsh('net-list-all')}", ""),
        ("\n\n", no_pool),
        (f"\n{virsh('net-list-autostart')}", ""),
    ]


def test_the_tests_make_batches_as_virsh_does() -> None:
    reads = [
        Read("list", virsh("list")),
        Read("dumpxml", stderr=virsh_error("dumpxml-gone")),
        Read("net-list --all", virsh("net-list-all")),
        Read("vol-list", stderr=virsh_error("pool-not-found").replace("fixture-pool", "gone")),
        Read("net-list --autostart", virsh("net-list-autostart")),
    ]
    assert batch_outputs(reads) == (
        recorded("virsh-9.0.0.batch.out"),
        recorded("virsh-9.0.0.batch.err"),
    )


TEXT = st.text(st.characters(exclude_characters="\n")).filter(lambda line: line != "MARK")


@given(st.lists(st.lists(TEXT)))
def test_a_batch_holds_any_text(answers: list[list[str]]) -> None:
    texts = ["".join(f"{line}\n" for line in lines) for lines in answers]
    out = "".join(f"{text}MARK\n" for text in texts)
    err = "error: MARK\n" * len(texts)
    assert read.replies(out, err, "MARK", len(texts)) == [(text, "") for text in texts]


@pytest.mark.parametrize(
    ("stdout", "stderr"),
    [
        ("a\nMARK\n", "error: MARK\nerror: MARK\n"),
        ("a\nMARK\nMARK\n", "error: MARK\n"),
        ("a\nMARK\nb", "error: MARK\n"),
    ],
)
def test_a_batch_that_was_cut_off(stdout: str, stderr: str) -> None:
    with pytest.raises(InvalidOutput) as caught:
        read.replies(stdout, stderr, "MARK", 2)
    assert caught.value.detail == (
        "virsh printed what the agent cannot read (not the 2 answers asked for): "
        f"{stdout + stderr!r}"
    )


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(read) == (0, 7)
