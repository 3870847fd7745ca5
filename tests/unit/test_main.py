"""`python -m agent serve`: what a person gets wrong, without a traceback and with status 2."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No tool is to be found, so that libvirt is not asked anything."""
    modules = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    return {"PATH": str(tmp_path / "nowhere"), "PYTHONPATH": modules}


def serve(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "serve", *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refuses(environment: dict[str, str], message: str, *arguments: str) -> None:
    """See that the agent ends with a message and nothing else."""
    ended = serve(environment, *arguments)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--listen=0.0.0.0:8420"],
            "agent: listen: 0.0.0.0:8420 is not loopback, and anyone who can reach the agent"
            " controls the hypervisor; set tokens_file (or no_authentication = true)\n",
        ),
        (
            ["--listen=8420"],
            "agent: listen: '8420' is neither ADDRESS:PORT nor unix:/PATH\n",
        ),
        (["--state-dir=here"], "agent: state_dir: 'here' is not an absolute path\n"),
        (
            ["--config=/nowhere/agent.toml"],
            "agent: /nowhere/agent.toml: cannot be read: No such file or directory\n",
        ),
        (
            ["--state-dir=/proc/nowhere"],
            "agent: state_dir: /proc/nowhere: No such file or directory\n",
        ),
        (["--state-dir=/dev/null/a"], "agent: state_dir: /dev/null/a: Not a directory\n"),
        (["--state-dir=/dev/null"], "agent: state_dir: /dev/null: File exists\n"),
    ],
)
def test_a_setting_that_cannot_be(
    environment: dict[str, str], arguments: list[str], message: str
) -> None:
    refuses(environment, message, *arguments)


@pytest.mark.parametrize("arguments", [["--nope"], ["--listen"], ["extra"]])
def test_arguments_that_are_not_known(environment: dict[str, str], arguments: list[str]) -> None:
    ended = serve(environment, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("usage: python -m agent")
    assert "Traceback" not in ended.stderr


def test_a_second_agent_on_the_same_folder(environment: dict[str, str], tmp_path: Path) -> None:
    message = f"agent: state_dir: another agent serves from {tmp_path}\n"
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refuses(environment, message, f"--state-dir={tmp_path}", "--listen=127.0.0.1:0")


def test_an_address_in_use(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = (
            f"agent: listen: 127.0.0.1:{port}: Address already in use"
            f" (while attempting to bind on address ('127.0.0.1', {port}))\n"
        )
        refuses(environment, message, f"--state-dir={tmp_path}", f"--listen=127.0.0.1:{port}")


def test_an_address_of_no_machine_here(environment: dict[str, str], tmp_path: Path) -> None:
    settings = tmp_path / "agent.toml"
    settings.write_text('listen = "192.0.2.1:8420"\nno_authentication = true\n')
    message = (
        "agent: listen: 192.0.2.1:8420: Cannot assign requested address"
        " (while attempting to bind on address ('192.0.2.1', 8420))\n"
    )
    refuses(environment, message, f"--state-dir={tmp_path}", f"--config={settings}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    agent = subprocess.Popen(
        [
            *(sys.executable, "-m", "agent", "serve"),
            *(f"--state-dir={tmp_path / 'state'}", "--listen=127.0.0.1:0"),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert agent.stdout is not None
    try:
        ready = agent.stdout.readline()
        assert ready.startswith("ready: http://127.0.0.1:")
        agent.send_signal(number)
        _, log = agent.communicate(timeout=60)
    finally:
        agent.kill()
    assert agent.returncode == 0
    assert "INFO agent: stopped; hosts go on running\n" in log
    assert os.stat(tmp_path / "state").st_mode & 0o777 == 0o700


class Systemd:
    """An agent, and the messages that it sends to systemd."""

    def __init__(self, environment: dict[str, str], folder: Path, *arguments: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(folder / "notify"))
        self._listener.settimeout(60)
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "agent", "serve", *arguments),
                *(f"--state-dir={folder / 'state'}", "--listen=127.0.0.1:0"),
            ],
            env={**environment, "NOTIFY_SOCKET": str(folder / "notify")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self) -> str:
        """The next message."""
        return self._listener.recv(1024).decode()

    def end(self) -> list[str]:
        """What it logged of itself, once it has ended, without the times."""
        _, log = self.process.communicate(timeout=60)
        lines = [line.split(" ", 2)[2] for line in log.splitlines()]
        return [line for line in lines if " agent: " in line]

    def close(self) -> None:
        self.process.kill()
        self.process.wait(60)
        self._listener.close()


def test_systemd_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    """And settings that are read again are in force before it is told that they are."""
    config = tmp_path / "agent.toml"
    config.write_text("stop_seconds = 5\nvirt_type = 'qemu'\n")
    systemd = Systemd(environment, tmp_path, f"--config={config}")
    try:
        assert systemd.told() == "READY=1"
        config.write_text("stop_seconds = 7\nvirt_type = 'qemu'\nthreads = 3\n")
        systemd.process.send_signal(signal.SIGHUP)
        assert systemd.told().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.told() == "READY=1"
        config.write_text("stop_seconds = 7\nvirt_type = 'xen'\n")
        systemd.process.send_signal(signal.SIGHUP)
        assert systemd.told().startswith("RELOADING=1\n")
        assert systemd.told() == "READY=1"
        systemd.process.terminate()
        assert systemd.told() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=34000000"
        log = systemd.end()
    finally:
        systemd.close()
    assert systemd.process.returncode == 0
    assert log == [
        "INFO agent: ready: answers at 127.0.0.1:0",
        "INFO agent: the settings were read again: stop_seconds is 7.0",
        "WARNING agent: changed, but not before a restart: threads",
        f"ERROR agent: the settings stay as they were: {config}, line 2:"
        " virt_type: 'xen' is not one of auto, kvm, qemu",
        "INFO agent: stopped; hosts go on running",
    ]


def test_without_a_file_a_hangup_is_the_end(environment: dict[str, str], tmp_path: Path) -> None:
    systemd = Systemd(environment, tmp_path)
    try:
        assert systemd.told() == "READY=1"
        systemd.process.send_signal(signal.SIGHUP)
        assert systemd.told().startswith("STOPPING=1\n")
        log = systemd.end()
    finally:
        systemd.close()
    assert (systemd.process.returncode, log[-1]) == (0, "INFO agent: stopped; hosts go on running")


def test_a_wrong_setting_ends_the_start(environment: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("# mine\nthreads = 0\n")
    message = f"agent: {config}, line 2: threads: 0 is not more than 0\n"
    refuses(environment, message, f"--config={config}")
