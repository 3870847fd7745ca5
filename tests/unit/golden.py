"""Golden files: a request and the facts that it meets, and the plan or the error that follows.

A file of tests/golden is an object of

    kind     the change, one of those in `_BUILD`
    request  name, and the body or the snapshot of a change that has one
    facts    what the plan is built from, and `settings` that are not the defaults; the builders
             below fill in what is left out
    plan     what comes out; or
    error    the class and the text of what is raised
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.errors import AgentError
from agent.http.contract.hosts import (
    boot_request,
    host_request,
    install_request,
    media_request,
)
from agent.http.contract.networks import network_request
from agent.hypervisor.facts import DomainDetails, NewHostFacts, PoolFacts, StartFacts
from agent.plans import hosts as host_plans
from agent.plans import media as media_plans
from agent.plans import networks as network_plans
from agent.plans import snapshots as snapshot_plans
from agent.plans.disks import disks_to_delete
from agent.plans.installs import install_again
from agent.plans.plan import Plan
from agent.plans.power import set_boot
from agent.tools.command import Command
from agent.tools.parsers.libvirt_xml import Disk, Domain, Interface, Network, Snapshot, Vlan

FOLDER = Path(__file__).parent.parent / "golden"
UUID = "6f1c1c3e-0000-4000-8000-000000000001"
CONFIG = Config()
POOL = PoolFacts(CONFIG.pool, CONFIG.pool_path, {})


def load(name: str) -> dict[str, Any]:
    """Read a golden file, named without its folder and suffix."""
    case: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return case


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """What comes of a golden file's request and facts, as the file has it."""
    try:
        disks, found = _BUILD[case["kind"]](case["request"], case["facts"])
    except AgentError as error:
        return {"error": {"class": type(error).__name__, "detail": error.detail}}
    shown = {"disks": [asdict(disk) for disk in disks]} if disks else {}
    return {**shown, "plan": _shown(found)}


def plan(name: str) -> Plan:
    """The plan of a golden file."""
    case = load(name)
    return _BUILD[case["kind"]](case["request"], case["facts"])[1]


def _create_host(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    found = NewHostFacts(
        domains=frozenset(facts.get("domains", ())),
        macs=frozenset(facts.get("macs", ())),
        networks=_by_name(facts),
        active_networks=frozenset(facts["active_networks"]),
        bridges=frozenset(facts["bridges"]),
        memory_mib=facts["memory_mib"],
    )
    wanted, config = host_request(request["name"], request["body"]), _config(facts)
    return [], host_plans.create(wanted, found, config, UUID, facts.get("virt_type", "kvm"))


def _delete_host(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    own = [_domain(row) for row in facts["own"]]
    others = [_domain(row) for row in facts.get("others", ())]
    backing = {name: tuple(paths) for name, paths in facts.get("backing", {}).items()}
    pool = PoolFacts(CONFIG.pool, CONFIG.pool_path, backing)
    disks = disks_to_delete(own, others, pool)
    return disks, host_plans.delete(own, disks, CONFIG)


def _create_network(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    wanted = network_request(request["name"], request["body"])
    return [], network_plans.create(wanted, facts["names"], facts["bridges"], CONFIG, UUID)


def _delete_network(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    domains = [_domain(row) for row in facts["domains"]]
    return [], network_plans.delete(_network({"name": request["name"]}), domains, CONFIG)


def _install_host(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    wanted = install_request(request["body"])
    return [], install_again(wanted, _start_facts(facts), _config(facts))


def _insert_media(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    found = _details(facts)
    return [], media_plans.insert(media_request(request["body"]), found, POOL, CONFIG)


def _eject_media(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    return [], media_plans.eject(_details(facts), CONFIG)


def _create_snapshot(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    host, names = _domain(facts["host"]), facts.get("names", ())
    return [], snapshot_plans.create(request["snapshot"], names, host, POOL, CONFIG)


def _revert_snapshot(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    found = _snapshot(request, facts)
    return [], snapshot_plans.revert(found, _start_facts(facts), POOL, CONFIG)


def _delete_snapshot(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    found = _snapshot(request, facts)
    return [], snapshot_plans.delete(found, _domain(facts["host"]), CONFIG)


def _snapshot(request: dict[str, Any], facts: dict[str, Any]) -> Snapshot:
    row = {"state": "shut off", "created": 1000, "external": False, **facts["snapshot"]}
    then = _domain(row.get("domain", facts["host"]))
    return Snapshot(**{**row, "name": request["snapshot"], "domain": then})


def _set_boot(request: dict[str, Any], facts: dict[str, Any]) -> tuple[list[Any], Plan]:
    return [], set_boot(boot_request(request["body"]), _domain(facts["host"]), CONFIG)


_BUILD = {
    "create host": _create_host,
    "delete host": _delete_host,
    "create network": _create_network,
    "delete network": _delete_network,
    "install host": _install_host,
    "insert media": _insert_media,
    "eject media": _eject_media,
    "create snapshot": _create_snapshot,
    "revert snapshot": _revert_snapshot,
    "delete snapshot": _delete_snapshot,
    "set boot": _set_boot,
}


def _config(facts: dict[str, Any]) -> Config:
    return Config(**facts.get("settings", {}))


def _by_name(facts: dict[str, Any]) -> dict[str, Network]:
    return {network.name: network for network in map(_network, facts.get("networks", ()))}


def _details(facts: dict[str, Any]) -> DomainDetails:
    """A host, whose running definition is the one that is kept unless `running` is another."""
    kept = _domain(facts["host"])
    running = _domain(facts["running"]) if "running" in facts else kept
    state, saved = facts.get("state", "running"), facts.get("saved", False)
    return DomainDetails(state, False, running, kept, {}, POOL, saved)


def _start_facts(facts: dict[str, Any]) -> StartFacts:
    return StartFacts(_details(facts), _by_name(facts), facts.get("stale_ports", ()))


def _network(row: dict[str, Any]) -> Network:
    values: dict[str, Any] = {
        "uuid": "0a11c0de-0000-4000-8000-000000000010",
        "bridge": "br0",
        "openvswitch": True,
        **row,
    }
    vlan = Vlan(
        tuple(values.pop("tags", (10,))),
        values.pop("trunk", False),
        values.pop("native", None),
        values.pop("native_mode", None),
    )
    return Network(**values, vlan=vlan)


def _domain(row: dict[str, Any]) -> Domain:
    disks = [
        {"device": "disk", "path": None, "pool": None, "volume": None, **disk}
        for disk in row.get("disks", ())
    ]
    cards = [
        {"mac": "52:54:00:00:00:01", "bridge": None, "vlan": None, "port": None, **card}
        for card in row.get("interfaces", ())
    ]
    return Domain(
        name=row["name"],
        uuid=row.get("uuid", UUID),
        memory_mib=512,
        vcpus=1,
        kernel=False,
        on_reboot="restart",
        boot=("disk", "network"),
        device_boot=row.get("device_boot", False),
        media=row.get("media"),
        disks=tuple(Disk(**{**disk, "backing": tuple(disk.get("backing", ()))}) for disk in disks),
        interfaces=tuple(Interface(**card) for card in cards),
        console_log=row.get("console_log"),
    )


def _shown(found: Plan) -> dict[str, Any]:
    steps = []
    for step in found.steps:
        row: dict[str, Any] = {"does": step.does, "command": _shown_command(step.command)}
        if step.undo:
            row["undo"] = [_shown_command(command) for command in step.undo]
        steps.append(row)
    more: dict[str, Any] = {} if found.once is None else {"once": found.once}
    if found.install is not None:
        more["install"] = asdict(found.install)
    if found.leave:
        more["leave"] = True
    return {"does": found.does, **more, "steps": steps}


def _shown_command(command: Command) -> dict[str, Any]:
    row: dict[str, Any] = {"argv": list(command.argv)}
    if command.stdin is not None:
        row["stdin"] = command.stdin
    if command.tolerates:
        row["tolerates"] = list(command.tolerates)
    if command.expects is not None:
        row["expects"] = command.expects
    return row
