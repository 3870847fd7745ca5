"""The daemon: puts the application together, serves it, and ends cleanly."""

import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import falcon
from waitress.server import create_server

from agent.app import create_app
from agent.config import Config
from agent.errors import AgentError, ConfigError
from agent.executor import Executor
from agent.health import Health
from agent.hosts import Hosts
from agent.hypervisor import Hypervisor
from agent.middleware import MOST_BODY_BYTES
from agent.networks import Networks
from agent.run import Runner
from agent.virtualisation import VirtType

_log = logging.getLogger("agent")

# Who asks for health waits for it, and wants to hear of a daemon that hangs.
_HEALTH_SECONDS = 5.0


def build(config: Config) -> tuple["falcon.App[Any, Any]", Executor, VirtType]:
    """Put the application together; nothing is run or read yet."""
    runner = Runner(config.limits())
    executor = Executor(runner)
    virt_type = VirtType(runner, config)
    hypervisor = Hypervisor(runner, config)
    quick = replace(config, virsh_seconds=_HEALTH_SECONDS, ovs_vsctl_seconds=_HEALTH_SECONDS)
    app = create_app(
        Hosts(hypervisor, config, virt_type),
        Networks(hypervisor, config),
        executor,
        Health(Hypervisor(Runner(quick.limits()), quick)),
    )
    return app, executor, virt_type


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT, then let what runs end; answers the exit status.

    Raises ConfigError when the state folder or the address cannot be had.
    """
    app, executor, virt_type = build(config)
    with _state(config):
        server = _listen(app, config)
        # Commands inherit what is ignored but not what is handled, and virt-install has
        # to hear SIGINT: a shell starts its background jobs with it ignored.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _exit)
        try:
            _announce(server, virt_type)
            server.run()
        except SystemExit:
            pass
        finally:
            server.close()
        ended = executor.drain(config.stop_seconds)
    _log.info("stopped; hosts go on running")
    # A thread whose command hangs must not hold the process up.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if ended else 1)


def _exit(number: int, frame: object) -> None:
    raise SystemExit(0)


@contextmanager
def _state(config: Config) -> Iterator[None]:
    """Hold the state folder: what holds a name is in memory, so one agent has it alone."""
    folder = Path(config.state_dir)
    with ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = stack.enter_context(open(folder / "lock", "w"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"state_dir: another agent serves from {folder}") from error
        except OSError as error:
            raise ConfigError(f"state_dir: {error.filename}: {error.strerror}") from error
        yield


def _listen(app: "falcon.App[Any, Any]", config: Config) -> Any:
    host, port = config.address()
    try:
        return create_server(
            app,
            host=host,
            port=port,
            threads=config.threads,
            ident=None,
            # The application refuses a large body in JSON; this is for what lies about it.
            max_request_body_size=4 * MOST_BODY_BYTES,
        )
    except OSError as error:
        raise ConfigError(f"listen: {config.listen}: {error.strerror}") from error


def _announce(server: Any, virt_type: VirtType) -> None:
    try:
        virt_type()
    except AgentError as error:
        _log.warning("libvirt does not answer yet: %s", error.detail)
    host = server.effective_host
    base = f"http://{f'[{host}]' if ':' in host else host}:{server.effective_port}"
    print(
        f"""ready: {base}

Try, in another terminal:
  curl -s {base}/health
  curl -s {base}/networks/vlan10 -d '{{"bridge": "br0", "vlan": 10}}'
  curl -s {base}/hosts/ns.example.com -d '{{"memory": 512, "disks": [8], "networks": ["vlan10"]}}'
  curl -s {base}/hosts/ns.example.com
  curl -s -X DELETE {base}/hosts/ns.example.com
  curl -s -X DELETE {base}/networks/vlan10
""",
        flush=True,
    )
