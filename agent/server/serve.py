"""The daemon: serves the application, and ends cleanly."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import create_server

from agent.access.control import require_authentication
from agent.config import Config
from agent.errors import AgentError, JournalFailed
from agent.hypervisor.virtualisation import VirtType
from agent.operations import leftovers
from agent.server import systemd
from agent.server.build import Agent, build
from agent.server.listening import greeting, listening
from agent.server.logs import Log
from agent.server.refusals import SLACK, Channel
from agent.server.reload import Reloader
from agent.server.state_folder import state_folder

_log = logging.getLogger("agent")

# How long the start waits for operations to be settled.
_START_SECONDS = 15.0
# How long to wait before a journal that cannot be read is tried again.
_JOURNAL_SECONDS = 2.0
# Threads for requests that wait for no command, and for the two that read each list, and the hosts
# of a scrape, now and next, beside those for the ones that wait for commands.
_FREE_THREADS = 10
# How long the answers to the last changes may take to leave.
_ANSWER_SECONDS = 2.0
# How long the rest of an end may take, such as that of commands which do not heed a signal.
_END_SECONDS = 20.0


def serve(config: Config, log: Log, read_again: Callable[[], Config] | None) -> int:
    """Serve until SIGTERM or SIGINT, then let what runs end; returns the exit status.

    log: changed with its settings. read_again: reads the settings anew on SIGHUP; None for a
    SIGHUP that is a SIGTERM.
    A thread may be left whose command hangs: it must not hold the process up.
    Raises ConfigError when the state folder or the address cannot be had, or when anybody on the
    network could use the agent.
    """
    require_authentication(config)
    agent = build(config)
    if agent.access.tokens is not None:
        agent.access.tokens.all()  # so that the log says at once when there are none
    with state_folder(config), listening(config) as listener:
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

            on_hangup = Reloader(config, read_again, apply).on_signal
        signal.signal(signal.SIGHUP, on_hangup)
        # The loop ends by itself on the stopper's SystemExit; before the loop nothing does.
        with suppress(SystemExit):
            # The socket is open, so clients wait for this and are not turned away.
            _settle(agent)
            threading.Thread(target=_try_virt_type, args=(agent.virt_type,), daemon=True).start()
            print(greeting(listener, config), flush=True)
            _log.info("ready: answers at %s", config.listen)
            systemd.ready()
            server.run()
        agent.recovery.close()
        agent.installs.close()
        agent.kept_virsh.close()
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
            # Once: who is impatient must not cut short what comes after the loop.
            self._done = False
            raise SystemExit
        if self._thread is None:
            self._thread = threading.Thread(target=self._stop, daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        # Once to let operations end, once to take them back.
        systemd.stopping(2 * self.seconds + _END_SECONDS)
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
    leftovers.end(agent.kept_virsh.token)
    thread = threading.Thread(target=_settle_all, args=(agent,), name="start", daemon=True)
    thread.start()
    thread.join(_START_SECONDS)


def _settle_all(agent: Agent) -> None:
    while True:
        try:
            agent.recovery.start()
            agent.installs.start()
        except JournalFailed as error:
            # While it cannot say what was cut off, nothing may be made of any name.
            _log.error("%s", error.detail)
            agent.admission.suspend(error)
            time.sleep(_JOURNAL_SECONDS)
        else:
            agent.admission.resume()
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
