"""/networks, /networks/{name} and its alias under a host, over recorded output."""

from typing import Any
from urllib.parse import quote

import pytest

from .recorded import URI, Read, batch_argv, recorded, virsh, virsh_error
from .web import (
    EMPTY_LIST,
    INTERFACES,
    LIST,
    LIST_BR,
    NET_ALL,
    NET_ROWS,
    NET_UUIDS,
    NETWORKS,
    NONE_RUNNING,
    ODD,
    RUNNING,
    Agent,
    definitions,
    see_invalid,
    see_problem,
    uuid,
)

# The network itself, and the alias under a host that need not be there.
PATHS = ["/networks/{}", "/hosts/ns.example.com/networks/{}"]
TAGGED = "fixture: żółw"
NAME = "vlan:10"
SHOWN = {
    "name": NAME,
    "state": "active",
    "autostart": "yes",
    "persistent": "yes",
    "id": uuid(11),
    "bridge": "fixbr0",
    "vlan": 10,
    "trunk": None,
    "ports": [],
}


def row(name: str, state: str, autostart: str = "no", persistent: str = "yes") -> dict[str, str]:
    return {"name": name, "state": state, "autostart": autostart, "persistent": persistent}


ROWS = [
    row("fixture-nat", "inactive"),
    row("fixture-transient", "active", persistent="no"),
    row("fixture-untagged", "active"),
    row(ODD, "inactive"),
    row(TAGGED, "active", autostart="yes"),
]


def expect_networks(agent: Agent) -> None:
    """The reads of every network's definition."""
    agent.reads(NET_UUIDS)
    agent.reads(*NETWORKS)


def expect_delete_facts(agent: Agent, hosts: Read = EMPTY_LIST) -> None:
    """The reads before a delete, of hosts that are there or not."""
    expect_networks(agent)
    agent.reads(hosts, RUNNING if hosts is LIST else NONE_RUNNING)
    if hosts is LIST:
        agent.reads(*definitions())


def expect_new_network(agent: Agent, bridges: str = "fixbr0\n") -> None:
    """The reads before a create."""
    agent.reads(*NET_ROWS)
    agent.runs(*LIST_BR, stdout=bridges)


def test_list(agent: Agent) -> None:
    agent.reads(*NET_ROWS)
    answer = agent("GET", "/networks")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == ROWS


def test_empty_list(agent: Agent) -> None:
    cases = ("all", "active", "autostart", "persistent")
    agent.reads(
        *(
            Read(" ".join(read.words), virsh(f"empty-net-list-{case}"))
            for read, case in zip(NET_ROWS, cases, strict=True)
        )
    )
    answer = agent("GET", "/networks")
    assert (answer.status_code, answer.text) == (200, "[]\n")


@pytest.mark.parametrize("path", PATHS)
def test_show(agent: Agent, path: str) -> None:
    agent.reads(*NET_ROWS)
    expect_networks(agent)
    agent.reads(Read(f"net-port-list {uuid(12)}", virsh("net-port-list-one")))
    port = virsh("net-port-list-one").split()[-1]
    agent.reads(Read(f"net-port-dumpxml {uuid(12)} {port}", virsh("net-port-dumpxml")))
    agent.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.interfaces.out"))
    answer = agent("GET", path.format("fixture-untagged"))
    assert (answer.status_code, answer.json) == (
        200,
        {
            **row("fixture-untagged", "active"),
            "id": uuid(12),
            "bridge": "fixbr0",
            "vlan": None,
            "trunk": None,
            "ports": [
                {
                    "host": "fixture.example.com",
                    "mac": "52:54:00:00:01:01",
                    "port": "h0000000000-1",
                }
            ],
        },
    )


def test_show_one_whose_host_leaves_meanwhile(agent: Agent) -> None:
    agent.reads(*NET_ROWS)
    expect_networks(agent)
    agent.reads(Read(f"net-port-list {uuid(12)}", virsh("net-port-list-one")))
    port = virsh("net-port-list-one").split()[-1]
    gone = "error: failed to get port\n"
    agent.reads(Read(f"net-port-dumpxml {uuid(12)} {port}", stderr=gone))
    agent.runs(*INTERFACES, stdout=recorded("ovs-vsctl-3.1.0.empty-interfaces.out"))
    assert agent("GET", "/networks/fixture-untagged").json["ports"] == []


@pytest.mark.parametrize(
    ("name", "number", "bridge", "vlan", "trunk"),
    [
        (TAGGED, 11, "fixbr0", 10, None),
        (ODD, 13, "fixbr0", None, [10, 11]),
        ("fixture-nat", 14, "fixbr9", None, None),
        ("fixture-transient", 15, "fixbr0", 12, None),
    ],
)
def test_show_each_kind(
    agent: Agent, name: str, number: int, bridge: str, vlan: int | None, trunk: list[int] | None
) -> None:
    agent.reads(*NET_ROWS)
    expect_networks(agent)
    (listed,) = [found for found in ROWS if found["name"] == name]
    if listed["state"] == "active":
        ports = Read(f"net-port-list {uuid(number)}", virsh("empty-net-port-list"))
    else:
        ports = Read(f"net-port-list {uuid(number)}", stderr=virsh_error("net-port-list-inactive"))
    agent.reads(ports)
    assert agent("GET", f"/networks/{quote(name)}").json == {
        **listed,
        "id": uuid(number),
        "bridge": bridge,
        "vlan": vlan,
        "trunk": trunk,
        "ports": [],
    }


@pytest.mark.parametrize("path", PATHS)
def test_show_nothing(agent: Agent, path: str) -> None:
    agent.reads(*NET_ROWS)
    answer = agent("GET", path.format("nope"))
    see_problem(answer, 404, "there is no network 'nope'")


def test_show_one_that_goes_meanwhile(agent: Agent) -> None:
    agent.reads(*NET_ROWS)
    agent.reads(NET_UUIDS)
    gone = virsh_error("net-dumpxml-gone")
    agent.reads(*(Read(" ".join(read.words), stderr=gone) for read in NETWORKS))
    answer = agent("GET", "/networks/fixture-nat")
    see_problem(answer, 404, "there is no network 'fixture-nat'")


XML = f"""<network>
  <name>{NAME}</name>
  <uuid>{uuid(11)}</uuid>
  <forward mode="bridge" />
  <bridge name="fixbr0" />
  <virtualport type="openvswitch" />
  <vlan>
    <tag id="10" />
  </vlan>
</network>
"""
BODY = {"bridge": "fixbr0", "vlan": 10}


@pytest.mark.parametrize("path", PATHS)
def test_create(agent: Agent, path: str) -> None:
    given: list[bytes] = []
    expect_new_network(agent)
    agent.virsh("net-define", "--file=/dev/stdin", stdin_callable=given.append)
    agent.virsh("net-start", f"--network={uuid(11)}")
    agent.virsh("net-autostart", f"--network={uuid(11)}")
    named = [Read(" ".join(read.words), read.stdout.replace(TAGGED, NAME)) for read in NET_ROWS]
    agent.reads(*named)
    agent.reads(NET_UUIDS)
    xml = virsh("net-dumpxml-tagged").replace(TAGGED, NAME)
    agent.reads(*NETWORKS[:-1], Read(f"net-dumpxml {uuid(11)}", xml))
    agent.reads(Read(f"net-port-list {uuid(11)}", virsh("empty-net-port-list")))
    answer = agent("POST", path.format(NAME), json=BODY)
    assert (answer.status_code, answer.json) == (200, SHOWN)
    assert given == [XML.encode()]


@pytest.mark.parametrize(
    ("body", "inside", "case", "number", "shown"),
    [
        (
            {"vlan": 10, "trunk": [20, 30]},
            '<tag id="10" nativeMode="untagged" />\n    <tag id="20" />\n    <tag id="30" />',
            *("native", 16),
            {"vlan": 10, "trunk": [20, 30]},
        ),
        (
            {"trunk": [30, 20]},
            '<tag id="30" />\n    <tag id="20" />',
            *("two-tags", 17),
            {"vlan": None, "trunk": [30, 20]},
        ),
    ],
)
def test_create_a_trunk(
    agent: Agent, body: dict[str, Any], inside: str, case: str, number: int, shown: dict[str, Any]
) -> None:
    given: list[bytes] = []
    expect_new_network(agent)
    agent.virsh("net-define", "--file=/dev/stdin", stdin_callable=given.append)
    agent.virsh("net-start", f"--network={uuid(11)}")
    agent.virsh("net-autostart", f"--network={uuid(11)}")
    agent.reads(
        *(Read(" ".join(read.words), read.stdout.replace(TAGGED, NAME)) for read in NET_ROWS)
    )
    agent.reads(NET_UUIDS)
    xml = virsh(f"net-dumpxml-{case}").replace(f"fixture-{case}", NAME)
    made = Read(f"net-dumpxml {uuid(11)}", xml.replace(uuid(number), uuid(11)))
    agent.reads(*NETWORKS[:-1], made)
    agent.reads(Read(f"net-port-list {uuid(11)}", virsh("empty-net-port-list")))
    answer = agent("POST", f"/networks/{NAME}", json={"bridge": "fixbr0", **body})
    assert (answer.status_code, answer.json) == (200, {**SHOWN, **shown})
    expected = XML.replace('<vlan>\n    <tag id="10" />', f'<vlan trunk="yes">\n    {inside}')
    assert given == [expected.encode()]


def test_a_network_that_does_not_start_is_taken_back(agent: Agent) -> None:
    expect_new_network(agent)
    agent.virsh("net-define", "--file=/dev/stdin")
    agent.virsh("net-start", f"--network={uuid(11)}", stderr="error: no\n", returncode=1)
    inactive = virsh_error("net-destroy-inactive")
    agent.virsh("net-destroy", f"--network={uuid(11)}", stderr=inactive, returncode=1)
    agent.virsh("net-undefine", f"--network={uuid(11)}")
    answer = agent("POST", f"/networks/{NAME}", json=BODY)
    see_problem(
        answer,
        500,
        "virsh failed: no",
        command=f"virsh --connect={URI} net-start --network={uuid(11)}",
        exit_code=1,
        stderr="error: no",
    )


def test_a_name_that_is_taken_meanwhile(agent: Agent) -> None:
    expect_new_network(agent)
    taken = virsh_error("net-define-taken")
    agent.virsh("net-define", "--file=/dev/stdin", stderr=taken, returncode=1)
    gone = virsh_error("net-undefine-gone")
    agent.virsh("net-undefine", f"--network={uuid(11)}", stderr=gone, returncode=1)
    answer = agent("POST", f"/networks/{NAME}", json=BODY)
    assert (answer.status_code, answer.json["stderr"]) == (409, taken.strip())
    assert "left_behind" not in answer.json


def test_a_network_that_cannot_be(agent: Agent) -> None:
    expect_new_network(agent)
    answer = agent("POST", "/networks/fixture-nat", json=BODY)
    see_problem(answer, 409, "there is a network 'fixture-nat' already")
    expect_new_network(agent, "fixbr0\nbr-ex\n")
    answer = agent("POST", f"/networks/{NAME}", json={"bridge": "br9", "vlan": 10})
    see_invalid(answer, ("bridge", "Open vSwitch has no bridge 'br9'; it has br-ex, fixbr0"))


@pytest.mark.parametrize("path", PATHS)
def test_delete(agent: Agent, path: str) -> None:
    expect_delete_facts(agent, LIST)
    agent.virsh("net-destroy", f"--network={uuid(15)}")
    gone = virsh_error("net-undefine-gone")
    agent.virsh("net-undefine", f"--network={uuid(15)}", stderr=gone, returncode=1)
    answer = agent("DELETE", path.format("fixture-transient"))
    assert (answer.status_code, answer.json) == (
        200,
        {"id": uuid(15), "name": "fixture-transient"},
    )


@pytest.mark.parametrize(
    ("name", "used"),
    [
        (TAGGED, "hosts fixture-netboot, fixture.example.com; delete them first"),
        ("fixture-untagged", "host fixture.example.com; delete it first"),
        (ODD, f"host {ODD}; delete it first"),
    ],
)
def test_delete_one_in_use(agent: Agent, name: str, used: str) -> None:
    expect_delete_facts(agent, LIST)
    answer = agent("DELETE", f"/networks/{quote(name)}")
    see_problem(answer, 409, f"network {name!r} is used by {used}")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["nope", uuid(11), "FIXTURE-NAT"])
def test_only_the_exact_name_is_deleted(agent: Agent, path: str, name: str) -> None:
    expect_networks(agent)
    answer = agent("DELETE", path.format(name))
    see_problem(answer, 404, f"there is no network {name!r}")


def test_delete_where_there_are_no_hosts(agent: Agent) -> None:
    expect_delete_facts(agent)
    agent.virsh("net-destroy", f"--network={uuid(11)}")
    agent.virsh("net-undefine", f"--network={uuid(11)}")
    assert agent("DELETE", f"/networks/{quote(TAGGED)}").status_code == 200


def test_libvirt_out_of_reach(agent: Agent) -> None:
    agent.out_of_reach(*NET_ROWS)
    answer = agent("GET", "/networks")
    see_problem(
        answer,
        503,
        "virsh cannot reach its daemon: failed to connect to the hypervisor; Failed to"
        " connect socket to '/var/run/libvirt/libvirt-sock': No such file or directory",
        command=f"virsh --connect={URI} net-list --all --name",
        exit_code=1,
        stderr=virsh_error("out-of-reach").strip(),
    )


def test_libvirt_that_is_cut_off(agent: Agent) -> None:
    """The first answer came, the others did not."""
    lost = Read("net-list --name", stderr="error: End of file while reading data\n")
    agent.reads(NET_ALL, lost, *NET_ROWS[2:])
    answer = agent("GET", "/networks")
    assert (answer.status_code, answer.json["detail"]) == (
        503,
        "virsh cannot reach its daemon: End of file while reading data",
    )


def test_an_answer_that_cannot_be_read(agent: Agent) -> None:
    agent.runs(*batch_argv(NET_ROWS), stdout="nonsense\n")
    answer = agent("GET", "/networks")
    see_problem(
        answer,
        500,
        "virsh printed what the agent cannot read (not the 4 answers asked for):"
        r" 'nonsense\n'",
    )
