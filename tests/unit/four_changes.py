"""The four changes that a client can ask for: what each reads first, and its whole plan."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.plans.plan import Plan, Step
from agent.tools.command import Command
from agent.tools.commands.virsh import NO_DOMAIN

from .recorded import URI
from .test_http_hosts import (
    BODY,
    HOST,
    LOG,
    VIRT_INSTALL,
    WAIT,
    expect_delete_facts,
    expect_facts,
    vol_create_as,
    vol_delete,
    volume,
)
from .test_http_networks import BODY as NETWORK_BODY
from .test_http_networks import NAME as NETWORK
from .test_http_networks import XML, expect_networks
from .web import EMPTY_LIST, LIST_BR, NET_ROWS, Agent, uuid


@dataclass(frozen=True)
class Case:
    """One change. expect: registers its reads. plan: what comes of them."""

    method: str
    path: str
    body: Any
    expect: Callable[[Agent], None]
    plan: Plan

    def ask(self, agent: Agent, **more: Any) -> Any:
        """Ask for it; answers the response."""
        if self.body is not None:
            more["json"] = self.body
        return agent(self.method, self.path, **more)


def _virsh(*words: str, stdin: str | None = None, tolerates: tuple[str, ...] = ()) -> Command:
    return Command(("virsh", f"--connect={URI}", *words), stdin, tolerates)


def _expect_new_network(agent: Agent) -> None:
    agent.reads(*NET_ROWS)
    agent.runs(*LIST_BR, stdout="fixbr0\n")


def _expect_unused_network(agent: Agent) -> None:
    expect_networks(agent)
    agent.reads(EMPTY_LIST)


def _delete_volume(name: str) -> Command:
    return _virsh(*vol_delete(name), tolerates=("Storage volume not found",))


def _make_volume(index: int) -> Step:
    return Step(
        f"make disk {volume(index)} of 1 GiB",
        _virsh(*vol_create_as(index)),
        (_delete_volume(volume(index)),),
    )


_STOP = _virsh(
    "destroy",
    f"--domain={uuid(1)}",
    tolerates=("domain is not running", *NO_DOMAIN),
)
_UNDEFINE = _virsh(
    *("undefine", f"--domain={uuid(1)}", "--managed-save", "--nvram"),
    *("--snapshots-metadata", "--checkpoints-metadata"),
    tolerates=NO_DOMAIN,
)
_DEL_PORTS = Command(
    (
        *("ovs-vsctl", "--timeout=10"),
        *("--", "--if-exists", "del-port", "h0000000000-0"),
        *("--", "--if-exists", "del-port", "h0000000000-1"),
    )
)
_DELETE_LOG = Command(
    (
        *("find", "/var/log/libvirt/qemu", "-maxdepth", "1", "-type", "f"),
        *("-name", f"{uuid(1)}.console.log*", "-delete"),
    ),
    tolerates=("No such file or directory",),
)
CREATE_HOST = Case(
    "POST",
    f"/hosts/{HOST}",
    BODY,
    expect_facts,
    Plan(
        f"create host {HOST}",
        (
            _make_volume(0),
            _make_volume(1),
            Step(
                f"define and start domain {HOST}",
                Command(VIRT_INSTALL),
                (_STOP, _UNDEFINE, _DEL_PORTS, _DELETE_LOG),
            ),
            Step("see that each access port has its VLAN tag", Command(WAIT)),
        ),
        once=LOG,
    ),
)
DELETE_HOST = Case(
    "DELETE",
    f"/hosts/{HOST}",
    None,
    expect_delete_facts,
    Plan(
        f"delete host {HOST}",
        (
            Step(
                f"see that domain {HOST} is still the one that is meant",
                _virsh("domstate", f"--domain={uuid(1)}"),
            ),
            Step(f"stop domain {HOST}", _STOP),
            Step(f"delete disk {HOST}.0.qcow2", _delete_volume(f"{HOST}.0.qcow2")),
            Step(f"delete disk {HOST}.1.qcow2", _delete_volume(f"{HOST}.1.qcow2")),
            Step("remove what is left of its access ports", _DEL_PORTS),
            Step("delete its console log", _DELETE_LOG),
            Step(f"undefine domain {HOST}", _UNDEFINE),
        ),
    ),
)


def _stop_network(number: int) -> Command:
    gone = ("is not active", "Network not found")
    return _virsh("net-destroy", f"--network={uuid(number)}", tolerates=gone)


def _forget_network(number: int) -> Command:
    return _virsh("net-undefine", f"--network={uuid(number)}", tolerates=("Network not found",))


CREATE_NETWORK = Case(
    "POST",
    f"/networks/{NETWORK}",
    NETWORK_BODY,
    _expect_new_network,
    Plan(
        f"create network {NETWORK}",
        (
            Step(
                f"define network {NETWORK}: VLAN 10 on fixbr0",
                _virsh("net-define", "--file=/dev/stdin", stdin=XML),
                (_forget_network(11),),
            ),
            Step(
                "start it",
                _virsh(
                    "net-start",
                    f"--network={uuid(11)}",
                    tolerates=("network is already active",),
                ),
                (_stop_network(11),),
            ),
            Step(
                "have it started with the hypervisor",
                _virsh("net-autostart", f"--network={uuid(11)}"),
            ),
        ),
    ),
)
DELETE_NETWORK = Case(
    "DELETE",
    "/networks/fixture-transient",
    None,
    _expect_unused_network,
    Plan(
        "delete network fixture-transient",
        (
            Step("stop network fixture-transient", _stop_network(15)),
            Step("undefine network fixture-transient", _forget_network(15)),
        ),
    ),
)
CASES = {
    "create-host": CREATE_HOST,
    "delete-host": DELETE_HOST,
    "create-network": CREATE_NETWORK,
    "delete-network": DELETE_NETWORK,
}
