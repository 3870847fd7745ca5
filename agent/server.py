"""The daemon: puts the application together, serves it, and ends cleanly."""

import errno
import fcntl
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import falcon
from waitress.channel import HTTPChannel
from waitress.server import create_server

from agent import leftovers, notify
from agent.app import create_app
from agent.config import Config
from agent.console import Consoles
from agent.door import Door, require_door
from agent.errors import AgentError, ConfigError, JournalFailed
from agent.executor import Executor
from agent.health import Health
from agent.hosts import Hosts
from agent.hypervisor import Hypervisor
from agent.installs import Installs
from agent.journal import Journal
from agent.listening import greeting, listening
from agent.locks import Locks
from agent.logs import Log
from agent.metrics import Metrics
from agent.networks import Networks
from agent.records import Records
from agent.reload import Reloader
from agent.run import Runner
from agent.schemas import HostLimits
from agent.settler import Settler
from agent.steps import Steps
from agent.turns import Turns
from agent.virtualisation import VirtType
from agent.warm import Warm
from agent.wire import SLACK, Channel

_log = logging.getLogger("agent")

# Who asks for health waits for it, and wants to hear of a daemon that hangs.
_HEALTH_SECONDS = 5.0
# How long the start waits for operations to be settled.
_START_SECONDS = 15.0
# How long to wait before a journal that cannot be read is tried again.
_JOURNAL_SECONDS = 2.0
# Threads for requests that wait for no command, and for the two that read each list now and next,
# beside those for the ones that wait for commands.
_FREE_THREADS = 8
# How long the answers to the last changes may take to leave.
_ANSWER_SECONDS = 2.0
# How long the rest of an end may take, such as that of commands which do not heed a signal.
_END_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Agent:
    """The application, and the parts of it that are started and stopped."""

    app: "falcon.App[falcon.Request, falcon.Response]"
    runner: Runner
    executor: Executor
    settler: Settler
    installs: Installs
    consoles: Consoles
    journal: Journal
    virt_type: VirtType
    warm: Warm
    door: Door


def build(config: Config) -> Agent:
    """Put the agent together; nothing is run or read yet."""
    metrics = Metrics()
    runner = Runner(config.limits(), metrics.command)
    journal = Journal(
        Path(config.state_dir) / "journal.sqlite",
        days=config.journal_days,
        count=config.journal_operations,
        on_end=metrics.operation,
    )
    steps = Steps(runner, journal, Records(Path(config.state_dir) / "records"))
    locks = Locks()
    virt_type = VirtType(runner, config)
    warm = Warm(runner, config)
    hypervisor = Hypervisor(runner, config, warm=warm if config.warm_virsh else None)
    hosts = Hosts(hypervisor, config, virt_type, journal)
    installs = Installs(runner, hypervisor, steps, journal, locks, config, hosts.start_plan)
    settler = Settler(steps, journal, locks, installs.wake)
    turns = Turns(config.creates, config.creates_waiting)
    executor = Executor(steps, journal, locks, settler.add, installs.wake, turns)
    consoles = Consoles(hypervisor, config)
    door = Door(config)
    quick = replace(config, virsh_seconds=_HEALTH_SECONDS, ovs_vsctl_seconds=_HEALTH_SECONDS)
    app = create_app(
        hosts,
        Networks(hypervisor, config),
        executor,
        journal,
        # With a virsh of its own: whether libvirt takes a new connection is what is asked.
        Health(Hypervisor(Runner(quick.limits(), metrics.command), quick), journal, settler),
        consoles,
        door,
        config.threads,
        config.body_bytes,
        _host_limits(config),
        metrics,
    )
    return Agent(app, runner, executor, settler, installs, consoles, journal, virt_type, warm, door)


def _host_limits(config: Config) -> HostLimits:
    return HostLimits(
        memory=config.host_memory,
        vcpus=config.host_vcpus,
        disks=config.host_disks,
        disk_gb=config.host_disk_gb,
        total_gb=config.host_total_gb,
    )


def serve(config: Config, log: Log, read_again: Callable[[], Config] | None) -> int:
    """Serve until SIGTERM or SIGINT, then let what runs end; answers the exit status.

    log: changed with its settings. read_again: reads the settings anew on SIGHUP; None for a
    SIGHUP that is a SIGTERM.
    A thread may be left whose command hangs: it must not hold the process up.
    Raises ConfigError when the state folder or the address cannot be had, or everybody could
    come in.
    """
    require_door(config)
    agent = build(config)
    if agent.door.tokens is not None:
        agent.door.tokens.all()  # so that the log says at once when there are none
    with _state(config), listening(config) as listener:
        channels: dict[int, Any] = {}
        server: Any = create_server(
            agent.app,
            map=channels,
            sockets=[listener],
            # Who waits for a console has a thread each, and takes none from the others.
            threads=config.threads + config.console_followers + _FREE_THREADS,
            # So that waitress can tell that a client has gone while nothing is written.
            channel_request_lookahead=1,
            ident=None,
            # Idle clients, too, are connections; select() would end at 1,024 of anything.
            connection_limit=config.connections,
            asyncore_use_poll=True,
            # The application refuses a large body in JSON; this is for what lies about it.
            max_request_body_size=SLACK * config.body_bytes,
            **_proxy(config),
        )
        server.channel_class = Channel
        stopper = _Stopper(agent, channels, config.stop_seconds)
        # Handled, not only by SIGINT's default: a shell starts its background jobs with
        # SIGINT ignored, commands would inherit that, and virt-install has to hear it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stopper.on_signal)
        on_hangup = stopper.on_signal
        if read_again is not None:

            def apply(new: Config) -> None:
                log.configure(new.log_format, new.log_level)
                agent.runner.set_limits(new.limits())
                agent.journal.keep(days=new.journal_days, count=new.journal_operations)
                stopper.seconds = new.stop_seconds

            reloader = Reloader(config, read_again, apply)
            on_hangup = lambda number, frame: reloader.begin()  # noqa: E731
        signal.signal(signal.SIGHUP, on_hangup)
        # The loop ends by itself on the stopper's SystemExit; before the loop nothing does.
        with suppress(SystemExit):
            # The socket is open, so clients wait for this and are not turned away.
            _settle(agent)
            threading.Thread(target=_try_virt_type, args=(agent.virt_type,), daemon=True).start()
            print(greeting(listener, config), flush=True)
            _log.info("ready: answers at %s", config.listen)
            notify.ready()
            server.run()
        agent.settler.close()
        agent.installs.close()
        agent.warm.close()
        agent.journal.close()
    _log.info("stopped; hosts go on running")
    return 0 if stopper.clean else 1


class _Stopper:
    """Ends the server on a signal: changes first, then their answers, then the loop."""

    def __init__(self, agent: Agent, channels: dict[int, Any], seconds: float) -> None:
        self._agent = agent
        self._channels = channels
        self.seconds = seconds
        self._thread: threading.Thread | None = None
        self._done = False
        self.clean = False

    def on_signal(self, number: int, frame: object) -> None:
        """Start to stop; once stopped, leave the server's loop, which runs in this thread."""
        if self._done:
            raise SystemExit
        if self._thread is None:
            self._thread = threading.Thread(target=self._stop, daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        # Once to let operations end, once to take them back.
        notify.stopping(2 * self.seconds + _END_SECONDS)
        self._agent.consoles.close()
        self.clean = self._agent.executor.drain(self.seconds)
        limit = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < limit and any(map(_is_busy, list(self._channels.values()))):
            time.sleep(0.01)
        self._done = True
        main = threading.main_thread().ident
        assert main is not None  # noqa: S101 - it runs
        signal.pthread_kill(main, signal.SIGTERM)


def _is_busy(channel: object) -> bool:
    return isinstance(channel, HTTPChannel) and bool(channel.requests or channel.total_outbufs_len)


def _settle(agent: Agent) -> None:
    """Settle what was cut off, before requests are answered unless that takes too long.

    Names are held at once; with a daemon that hangs, the rest goes on beside the requests.
    """
    leftovers.end(agent.warm.token)
    thread = threading.Thread(target=_settle_all, args=(agent,), name="start", daemon=True)
    thread.start()
    thread.join(_START_SECONDS)


def _settle_all(agent: Agent) -> None:
    while True:
        try:
            agent.settler.start()
            agent.installs.start()
        except JournalFailed as error:
            # While it cannot say what was cut off, nothing may be made of any name.
            _log.error("%s", error.detail)
            agent.executor.suspend(error)
            time.sleep(_JOURNAL_SECONDS)
        else:
            agent.executor.resume()
            return


def _try_virt_type(virt_type: VirtType) -> None:
    try:
        virt_type()
    except AgentError as error:
        _log.warning("virtualisation: not known yet: %s", error.detail)


def _proxy(config: Config) -> dict[str, Any]:
    """What the server believes of a proxy in front of it, and of nobody else."""
    if not config.trusted_proxy:
        return {"clear_untrusted_proxy_headers": True}
    return {
        # Waitress calls everybody who comes by a unix socket localhost.
        "trusted_proxy": "localhost" if config.trusted_proxy == "unix" else config.trusted_proxy,
        # Not X-Forwarded-Host: the proxy passes the client's Host on as it is.
        "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto",
        "clear_untrusted_proxy_headers": True,
    }


@contextmanager
def _state(config: Config) -> Iterator[None]:
    """Hold the state folder: what holds a name is in memory, so one agent has it alone."""
    folder = Path(config.state_dir)
    with ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = stack.enter_context(_lock_file(folder / "lock"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"state_dir: another agent serves from {folder}") from error
        except OSError as error:
            raise ConfigError(f"state_dir: {error.filename}: {error.strerror}") from error
        yield


def _lock_file(path: Path) -> IO[bytes]:
    """The file to lock; on a disk that cannot be written, where reads go on, one that is there."""
    try:
        return open(path, "ab")
    except OSError as error:
        if error.errno != errno.EROFS or not path.exists():
            raise
        _log.error("%s: %s; no change is made", path, error.strerror)
        return open(path, "rb")
