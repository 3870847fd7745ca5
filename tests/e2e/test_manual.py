"""Every shell command of README and of the manual, run as they are read, from top to bottom."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import pytest

from . import stack
from .daemon import PROJECT, Agent
from .stack import BRIDGE, own

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "agent" / "manual").glob("*.md"))]

# The commands that are not run, or the first words of such, and why.
NOT_RUN = {
    "scripts/serve": "sets up the machine and serves until Ctrl-C; the test has its own agent",
    "scripts/test": "runs this test",
    "ssh -L 8420:127.0.0.1:8420 root@hypervisor.example.com": "goes to another machine",
    "ssh -L 8420:/run/staging-agent.sock root@hypervisor.example.com": "goes to another machine",
    "scripts/bench": "takes five minutes",
    "scripts/install": "installs on the machine; test_service.py does so in a folder",
    "scripts/install --user": "installs on the machine; test_service.py does so in a folder",
    "editor /etc/staging-agent/agent.toml": "waits for a person",
    "journalctl -u staging-agent -o cat | grep 51c4f8a0-9c0e-4b53-8a35-2b0b2f0f2d11": (
        "needs the installed service, under systemd"
    ),
    "pip install openapi-python-client": "downloads from another site",
    "openapi-python-client generate --path openapi.json": "needs that download",
    "pip install ansible": "downloads from another site",
    "ansible-playbook": "test_ansible.py runs it, on agents of its own",
    "python3 -m venv /opt/ironic": "test_ironic.py has another one",
    "/opt/ironic/bin/pip": "downloads from another site",
    "mkdir -p /var/lib/ironic/http": "test_ironic.py has another folder",
    "/opt/ironic/bin/ironic-dbsync": "test_ironic.py runs it, in a folder of its own",
    "/opt/ironic/bin/ironic": "test_ironic.py runs it, in a folder of its own",
    "python3 -m http.server --bind 192.0.2.1 --directory /var/lib/ironic/http 8088": (
        "test_ironic.py serves a folder of its own"
    ),
    "export OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:6385 PATH=$PATH:/opt/ironic/bin": (
        "is for what follows"
    ),
    "baremetal": "test_ironic.py has Ironic do the same",
}
# Those that go on until Ctrl-C, and what shows that one has done its work, with its output in
# the file $out.
IN_ANOTHER_TERMINAL = {
    "python3 -m http.server --bind 127.0.0.1 --directory /tmp/tree 8099": (
        "curl -s -o served http://127.0.0.1:8099/"
    ),
    "python3 -m http.server --bind 127.0.0.1 --directory /tmp/images 8098": (
        "curl -s -o served http://127.0.0.1:8098/"
    ),
    "curl -sN -H 'Accept: text/plain' "
    "'http://127.0.0.1:8420/hosts/web.example.com/console?follow=true'": (
        "grep -q 'booted from disk' $out &&"
        ' curl -s http://127.0.0.1:8420/hosts/web.example.com | grep -q \'"state": "done"\''
    ),
    ".venv/bin/python -m agent journal list --host ns.example.com --follow": (
        "grep -q 'delete host ns.example.com' $out"
    ),
}
NAMES = ("ns.example.com", "web.example.com", "vlan10", "vlan20", "management-network", "uplink")
# An error of the agent is an error of curl; {files} are those of the test's agent.
PRELUDE = """
curl() {{ command curl --fail-with-body "$@"; }}
agent() {{ {python} -m agent "$@" {files}; }}
"""


def _commands(page: Path) -> Iterator[str]:
    """The shell commands of a page: what is indented, or fenced as `sh`."""
    blocks = re.sub(
        r"^```(\w*)\n(.*?)^```$",
        lambda block: indent(block[2], " " * 4) if block[1] == "sh" else "",
        page.read_text(),
        flags=re.DOTALL | re.MULTILINE,
    )
    command = ""
    for line in re.findall(r"^ {4}(.*)$", blocks, re.MULTILINE):
        command += line
        if _is_whole(command):
            yield command
            command = ""
        else:
            command += "\n"
    assert command == ""


def _is_whole(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:
        # A quote that is not closed, or a backslash at the end.
        return False
    return True


def _not_run(command: str) -> str | None:
    """What of NOT_RUN a command is, None for one that is run."""
    return next((known for known in (command, command.partition(" ")[0]) if known in NOT_RUN), None)


def _script(commands: Iterator[str]) -> Iterator[str]:
    """Lines that run the commands, with each printed before it."""
    for number, command in enumerate(commands):
        if _not_run(command):
            continue
        yield f"printf '\\n$ %s\\n' {shlex.quote(command)}\n"
        condition = IN_ANOTHER_TERMINAL.get(command)
        if condition is None:
            yield f"{command}\n"
        else:
            yield f"out={number}.out\n{command} > $out 2>&1 &\n"
            yield f"until {condition}; do sleep 0.1; done\n"


def _run(script: str, folder: Path) -> tuple[int, str]:
    """The exit status of a script, and its output; what it left running is ended."""
    with subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            # `replay` asks whether to run the commands.
            output, _ = process.communicate("y\n", timeout=240)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output


def _replaced(text: str, replacements: Mapping[str, str]) -> str:
    """A text with the tests' own addresses, names and files for those of the pages."""
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if not all(map(_not_run, _commands(page)))],
    ids=lambda page: page.stem,
)
def test_every_command_of_a_page(
    start_agent: Callable[..., Agent], tmp_path: Path, page: Path
) -> None:
    """Each does what the page says, as far as its exit status tells, and all leave nothing."""
    agent = start_agent(**({"tokens_file": f"{tmp_path}/tokens"} if page.stem == "access" else {}))
    start_agent(listen=f"unix:{tmp_path}/s")
    replacements = {
        "8099": str(_free_port()),
        "8098": str(_free_port()),
        "http://127.0.0.1:8420": f"http://{agent.address}",
        "/run/staging-agent.sock": f"{tmp_path}/s",
        "/tmp/tree": f"{tmp_path}/tree",  # noqa: S108
        "/tmp/images": f"{tmp_path}/images",  # noqa: S108
        "/etc/staging-agent.toml": str(agent.config),
        "/etc/staging-agent/agent.toml": str(agent.config),
        ".venv/bin/python -m agent": "agent",
        "staging-agent check": "agent check",
        "scripts/": f"{PROJECT}/scripts/",
        "br0": BRIDGE,
        **{name: own(name) for name in NAMES},
    }
    prelude = PRELUDE.format(
        python=sys.executable, files=f"--config={agent.config} --state-dir={agent.state_dir}"
    )
    script = _replaced("".join(_script(_commands(page))), replacements)
    with stack.unchanged():
        status, output = _run(prelude + script, tmp_path)
        assert status == 0, output


def test_the_tables_are_of_commands_that_are_there() -> None:
    commands = [command for page in PAGES for command in _commands(page)]
    assert set(map(_not_run, commands)) - {None} == set(NOT_RUN)
    assert set(IN_ANOTHER_TERMINAL) <= set(commands)
    assert len(commands) > 50
