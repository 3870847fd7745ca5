"""Reads the hypervisor: the facts that plans are built from and answers are made of."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from agent.config import Config
from agent.errors import NotFound, PoolOff
from agent.hypervisor.facts import (
    DomainDetails,
    DomainRow,
    DomainUsage,
    HostFigures,
    InstallLook,
    NewHostFacts,
    PoolFacts,
    PowerFacts,
    SnapshotFacts,
)
from agent.hypervisor.kept_virsh import KeptVirsh
from agent.hypervisor.networks import NetworkReads
from agent.hypervisor.openvswitch import OpenVswitch
from agent.hypervisor.reads import Reads, Reply
from agent.tools.command import RunsCommands
from agent.tools.commands import qemu_img
from agent.tools.commands.virsh import NO_DOMAIN, NO_SNAPSHOT, NO_VOLUME
from agent.tools.parsers import libvirt_xml
from agent.tools.parsers import qemu_img as read_image
from agent.tools.parsers import virsh as read

# Every domain, running or not: its UUID and its name. And the UUIDs of those that run.
_LIST = ("list", "--all", "--uuid", "--name")
_RUNNING = ("list", "--uuid")
_COUNTERS = ("--cpu-total", "--balloon", "--interface", "--block")


class Hypervisor:
    """Reads libvirt and Open vSwitch. Every method asks anew; what was seen is only a hint.

    Raises OutOfReach when a daemon does not answer, CommandTimeout past a limit,
    InvalidOutput for what it cannot read.
    mark: makes the text that delimits the answers of a batch. kept: runs the batches; without
    it the runner does, with a virsh of its own for each.
    `networks` and `openvswitch` read what is theirs; the rest is read here.
    """

    def __init__(
        self,
        runner: RunsCommands,
        config: Config,
        mark: Callable[[], str] | None = None,
        kept: KeptVirsh | None = None,
    ) -> None:
        self._runner = runner
        self._config = config
        self._reads = Reads(runner, config.libvirt_uri, kept, mark)
        self.openvswitch = OpenVswitch(runner, config)
        self.networks = NetworkReads(self._reads, self.openvswitch)
        # The domains' UUIDs by name when they were last listed: replaced whole, never changed.
        self._seen: dict[str, str] = {}

    def domains(self) -> list[DomainRow]:
        """All domains, running or not, in libvirt's order."""
        # virsh sorts a list, and formats two UUIDs at every comparison: that takes the longest.
        by_name, found = self._reads.together(
            ([("domstats", "--state")], lambda replies: read.domain_states(replies[0].text)),
            ([_LIST], lambda replies: read.uuid_names(replies[0].text)),
        )
        self._seen = {name: uuid for uuid, name in found.items()}
        return [
            DomainRow(uuid, name, by_name[name])
            for uuid, name in found.items()
            # Gone, or new, between the two reads.
            if name in by_name
        ]

    def domain_uuid(self, name: str) -> str:
        """The UUID of the domain of exactly that name; raises NotFound when there is none."""
        found = read.uuid_names(self._reads.one(*_LIST))
        uuids = self._seen = {name: uuid for uuid, name in found.items()}
        if name not in uuids:
            raise no_host(name)
        return uuids[name]

    def domain_named(self, name: str) -> DomainDetails:
        """All that is shown of the domain of exactly that name; raises NotFound.

        One round trip where the name had the same UUID when last seen: a listing of all
        domains is for when it had not, or the domain of that UUID now has another name.
        """
        seen = self._seen.get(name)
        details = None if seen is None else self.domain(seen)
        if details is None or details.definition.name != name:
            details = self.domain(self.domain_uuid(name))
        if details is None:
            raise no_host(name)
        return details

    def domain(self, uuid: str) -> DomainDetails | None:
        """All that is shown of one domain, None when it is gone."""
        # dominfo takes as long as the others.
        (info,), (xml, kept, block, pool) = self._reads.together(
            ([("dominfo", uuid)], list),
            (
                [
                    ("dumpxml", uuid),
                    ("dumpxml", "--inactive", uuid),
                    ("domstats", "--block", uuid),
                    ("pool-dumpxml", self._config.pool),
                ],
                list,
            ),
        )
        if any(text in reply.stderr for text in NO_DOMAIN for reply in (info, xml, kept, block)):
            return None
        told = read.key_values(info.text)
        return DomainDetails(
            state=told["State"],
            saved=told.get("Managed save") == "yes",
            autostart=told["Autostart"] == "enable",
            definition=libvirt_xml.domain(xml.text),
            kept=libvirt_xml.domain(kept.text),
            capacities=read.disk_capacities(block.stdout),
            pool=None if pool.stderr else self._pool_facts(pool),
        )

    def usage(self, name: str) -> DomainUsage:
        """What the domain of exactly that name uses; raises NotFound."""
        uuid = self.domain_uuid(name)
        stats, xml = self._reads.texts_unless(
            NO_DOMAIN, (("domstats", "--state", *_COUNTERS, uuid), ("dumpxml", uuid))
        )
        states, usages = read.domain_states(stats or ""), read.usages(stats or "")
        if xml is None or not states:
            raise no_host(name)
        (state,), (usage,) = states.values(), usages.values()
        return DomainUsage(state, libvirt_xml.domain(xml), usage)

    def figures(self) -> HostFigures:
        """What is measured of all domains.

        Nothing of one that QEMU or libvirt is busy with is waited for: it would keep back the rest.
        """
        states, usages = self._reads.batch(
            ("domstats", "--state"), ("domstats", "--list-active", "--nowait", *_COUNTERS)
        )
        return HostFigures([*read.domain_states(states.text).values()], read.usages(usages.text))

    def power_facts(self, uuid: str) -> PowerFacts | None:
        """What a power change has to know of a domain, None when it is gone."""
        details = self.domain(uuid)
        if details is None:
            return None
        networks = {network.name: network for network in self.networks.definitions()}
        stale = self.networks.stale_ports()
        return PowerFacts(details.state, details.definition, networks, stale, details.saved)

    def snapshots(self, uuid: str) -> list[libvirt_xml.Snapshot]:
        """The snapshots of a domain, oldest first; raises NotFound when it is gone."""
        words = ("snapshot-dumpxml", uuid, "--snapshotname")
        texts = self._reads.texts_unless(
            (NO_SNAPSHOT, *NO_DOMAIN), ((*words, name) for name in self._snapshot_names(uuid))
        )
        found = [libvirt_xml.snapshot(text) for text in texts if text is not None]
        return sorted(found, key=lambda snapshot: snapshot.created)

    def snapshot_facts(self, uuid: str) -> SnapshotFacts:
        """What a change of a domain's snapshots has to know; raises NotFound, PoolOff."""
        facts = self.power_facts(uuid)
        if facts is None:
            raise no_host(uuid)
        return SnapshotFacts(
            definition=facts.definition,
            networks=facts.networks,
            stale_ports=facts.stale_ports,
            names=self._snapshot_names(uuid),
            pool=self.pool_without_volumes(),
            saved=facts.saved,
        )

    def _snapshot_names(self, uuid: str) -> list[str]:
        (reply,) = self._reads.batch(("snapshot-list", uuid, "--name"))
        text = reply.text_unless(*NO_DOMAIN)
        if text is None:
            raise no_host(uuid)
        return read.names(text)

    def _pool_facts(self, reply: Reply) -> PoolFacts:
        """The agent's pool without its volumes, from its `pool-dumpxml`."""
        return PoolFacts(self._config.pool, libvirt_xml.pool_path(reply.text), {})

    def installs(self, uuids: Sequence[str]) -> dict[str, InstallLook]:
        """How domains that are being installed are, by UUID; those that are gone are missing."""
        state = ("domstate", "--reason")
        reads = (state, ("dumpxml",), ("dominfo",), state)
        texts = iter(
            self._reads.texts_unless(
                NO_DOMAIN, ((*words, uuid) for uuid in uuids for words in reads)
            )
        )
        found = {}
        for uuid in uuids:
            told = [text for _ in reads if (text := next(texts)) is not None]
            if len(told) == len(reads):
                found[uuid] = _install_look(*told)
        return found

    def new_host_facts(self) -> NewHostFacts:
        """What a new host's plan has to know, in two virsh and one ovs-vsctl.

        Raises PoolOff when the agent's pool is off.
        """
        domains, running, networks, active, pool, memory = self._reads.batch(
            _LIST,
            _RUNNING,
            ("net-list", "--all", "--uuid"),
            ("net-list", "--name"),
            ("pool-info", "--bytes", self._config.pool),
            ("nodememstats",),
        )
        self._pool_info(pool)
        names = read.uuid_names(domains.text)
        definitions = self._reads.joined_unless(
            NO_DOMAIN, _every_definition(names, read.uuids(running.text))
        )
        return NewHostFacts(
            domains=frozenset(names.values()),
            macs=libvirt_xml.macs(definitions),
            networks=self.networks.defined(read.uuids(networks.text)),
            active_networks=frozenset(read.names(active.text)),
            bridges=frozenset(self.openvswitch.bridges()),
            memory_mib=read.memory_mib(memory.text),
        )

    def memory_mib(self) -> int:
        """The memory that the hypervisor itself has, in MiB."""
        return read.memory_mib(self._reads.one("nodememstats"))

    def definitions_now(self, uuids: Sequence[str]) -> dict[str, libvirt_xml.Domain]:
        """The definition of each domain by its UUID: the one that runs, where it does.

        Those that are gone are missing.
        """
        reads = [("dumpxml", uuid) for uuid in uuids]
        texts = self._reads.texts_unless(NO_DOMAIN, reads)
        found = zip(uuids, texts, strict=True)
        return {uuid: libvirt_xml.domain(text) for uuid, text in found if text is not None}

    def domain_definitions(self) -> tuple[libvirt_xml.Domain, ...]:
        """Every definition of every domain: the one that is kept, and the one that runs."""
        everything, running = self._reads.batch(_LIST, _RUNNING)
        texts = self._reads.texts_unless(
            NO_DOMAIN,
            _every_definition(read.uuid_names(everything.text), read.uuids(running.text)),
        )
        return tuple(libvirt_xml.domain(text) for text in texts if text is not None)

    def pool_without_volumes(self) -> PoolFacts:
        """The agent's pool: its name and its folder. Raises PoolOff when it is off."""
        info, xml = self._reads.batch(
            ("pool-info", "--bytes", self._config.pool), ("pool-dumpxml", self._config.pool)
        )
        self._pool_info(info)
        return self._pool_facts(xml)

    def pool(self, bare: Callable[[str], bool] = lambda name: False) -> PoolFacts:
        """The agent's pool with all its volumes; reads each of them.

        bare: whether the volume of that name is known to be laid over nothing, and need not be
        read.
        """
        pool, listed = self._reads.batch(
            ("pool-dumpxml", self._config.pool), ("vol-list", self._config.pool)
        )
        volumes = read.volumes(listed.text)
        words = ("vol-dumpxml", "--pool", self._config.pool, "--vol")
        laid = [name for name in volumes if not bare(name)]
        texts = self._reads.texts_unless((NO_VOLUME,), ((*words, name) for name in laid))
        return PoolFacts(
            name=self._config.pool,
            path=libvirt_xml.pool_path(pool.text),
            backing={
                **{name: () for name in volumes if bare(name)},
                **{
                    name: libvirt_xml.volume_backing(text)
                    for name, text in zip(laid, texts, strict=True)
                    if text is not None
                },
            },
        )

    def image_backing(self, images: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """The images that each image is laid over.

        One that is not there is left out, and so is one that qemu-img cannot read: no machine
        can use it, and it must not keep every other host from being deleted.
        """
        found = {}
        for image in images:
            if os.path.isfile(image):
                command = qemu_img.backing_chain(image)
                result = self._runner.run(command.argv)
                if result.exit_code == 0:
                    found[image] = read_image.backing_chain(result.stdout)
        return found

    def libvirt_version(self) -> dict[str, Any]:
        """The version of the libvirt daemon that answers."""
        told = read.key_values(self._reads.one("version", "--daemon"))
        return {"version": told.get("Running against daemon")}

    def pool_state(self) -> dict[str, Any]:
        """The agent's pool: its name, and its room in bytes. Raises PoolOff when it is off."""
        (reply,) = self._reads.batch(("pool-info", "--bytes", self._config.pool))
        told = self._pool_info(reply)
        return {
            "name": self._config.pool,
            "capacity_bytes": int(told["Capacity"]),
            "available_bytes": int(told["Available"]),
        }

    def _pool_info(self, reply: Reply) -> dict[str, str]:
        """What `pool-info` told of the agent's pool. Raises PoolOff when it is off."""
        told = read.key_values(reply.text)
        if told.get("State") != "running":
            off = f"error: storage pool '{self._config.pool}' is not active"
            raise PoolOff(reply.command, 0, off)
        return told


def _every_definition(uuids: Iterable[str], running: Iterable[str]) -> list[tuple[str, ...]]:
    """The reads of all definitions of domains. One that is off has but the one that is kept."""
    return [
        *(("dumpxml", uuid) for uuid in uuids),
        *(("dumpxml", "--inactive", uuid) for uuid in running),
    ]


def _install_look(before: str, xml: str, info: str, after: str) -> InstallLook:
    """What the reads of one domain tell, of which the state is read first and last."""
    state, reason = read.state_reason(after)
    # When it changed in between, the definition may be that of either state: as long as it is
    # not certain that the installer is over, it is not.
    installing = libvirt_xml.domain(xml).installs or read.state_reason(before)[0] != state
    # A libvirtd that was restarted does not know any more why a domain is off.
    if reason == "unknown" and read.key_values(info).get("Managed save") == "yes":
        reason = "saved"
    return InstallLook(state, reason, installing)


def no_host(name: str) -> NotFound:
    """The error for a host that is not there."""
    return NotFound(f"there is no host {name!r}")
