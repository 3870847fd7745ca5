"""Clients that others have written, as they come from PyPI: Ansible, and OpenStack Ironic.

They have a virtual environment of their own, which scripts/setup makes.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import stack
from .daemon import PROJECT

BIN = PROJECT / ".venv-clients/bin"
PLAYBOOK = PROJECT / "etc/ansible/platform.yml"


def _environment(folder: Path) -> dict[str, str]:
    """Without the settings of who runs the tests. folder: for what a program keeps at home."""
    return {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "LC_ALL": "C.UTF-8",
        "HOME": str(folder),
    }


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a client to its end, in a folder."""
    if not BIN.is_dir():
        pytest.fail(f"{BIN} is missing: run scripts/setup --with-test-tools", pytrace=False)
    return subprocess.run(
        words,
        cwd=folder,
        env=_environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class Ansible:
    """Ansible with an inventory. folder: for its files, nodes.json among them."""

    def __init__(self, folder: Path, inventory: dict[str, Any]) -> None:
        self._folder = folder
        folder.mkdir()
        # In place of any other.
        (folder / "ansible.cfg").write_text("[defaults]\nstdout_callback = ansible.posix.json\n")
        self.nodes = folder / "nodes.json"
        self._inventory = folder / "inventory.json"
        self.write(inventory)

    def write(self, inventory: dict[str, Any]) -> None:
        """Write the inventory anew."""
        self._inventory.write_text(json.dumps(inventory))

    def play(self, playbook: Path = PLAYBOOK) -> dict[str, Any]:
        """Run a playbook, and return what Ansible's JSON tells of it."""
        words = ("ansible-playbook", "-i", str(self._inventory), str(playbook))
        ended = run(*words, folder=self._folder)
        try:
            told: dict[str, Any] = json.loads(ended.stdout)
        except ValueError:
            pytest.fail(f"{ended.stdout}\n{ended.stderr}")
        return told


def counts(told: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """How many tasks changed something, and how many failed, by the hosts of an inventory."""
    return {
        name: (found["changed"], found["failures"] + found["unreachable"])
        for name, found in told["stats"].items()
    }


def results(told: dict[str, Any], task: str) -> list[dict[str, Any]]:
    """What the tasks of a name have returned, on every host and for every item."""
    found = [
        result
        for play in told["plays"]
        for each in play["tasks"]
        if each["task"]["name"] == task
        for result in each["hosts"].values()
    ]
    return [item for result in found for item in result.get("results", [result])]


class Ironic:
    """An OpenStack Ironic by itself, with the sample configuration.

    folder: for its files. published: the folder of the images that it publishes, and url: where
    that is served.
    """

    def __init__(self, folder: Path, published: Path, url: str) -> None:
        self._folder = folder
        folder.mkdir()
        with socket.socket() as trial:
            trial.bind(("127.0.0.1", 0))
            self._port = trial.getsockname()[1]
        config = (PROJECT / "etc/ironic/ironic.conf").read_text()
        for old, new in (
            ("http_root = /var/lib/ironic/http\n", f"http_root = {published}\n"),
            ("http_url = http://192.0.2.1:8088\n", f"http_url = {url}\n"),
            ("port = 6385\n", f"port = {self._port}\n"),
        ):
            assert config.count(old) == 1
            config = config.replace(old, new)
        self._config = folder / "ironic.conf"
        self._config.write_text(config.replace("/var/lib/ironic", str(folder)))
        self._log = folder / "log"

    @contextmanager
    def serving(self) -> Iterator["Ironic"]:
        """Serve from some time on until the end of the `with` block."""
        options = f"--config-file={self._config}"
        script = f"ironic-dbsync {options} create_schema && exec ironic {options}"
        with (
            self._log.open("wb") as log,
            subprocess.Popen(
                ["sh", "-c", script],
                cwd=self._folder,
                env=_environment(self._folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as self._process,
        ):
            try:
                yield self
            finally:
                # At once, its workers too: it keeps nothing that matters any more.
                os.killpg(self._process.pid, signal.SIGKILL)

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(errors="replace")

    def wait(self) -> None:
        """Wait until its conductor can drive nodes."""

        def ready() -> bool:
            assert self._process.poll() is None, self.log()[-4000:]
            try:
                status, found = self._ask("GET", "/v1/drivers")
            except OSError:
                return False
            return status == 200 and [each["name"] for each in found["drivers"]] == ["redfish"]

        stack.wait_for(ready, "an Ironic that answers")

    def enrol(self, nodes: Path) -> None:
        """Enrol the nodes of a file, as a person does."""
        words = ("--os-auth-type=none", f"--os-endpoint=http://127.0.0.1:{self._port}")
        ended = run("baremetal", *words, "create", str(nodes), folder=self._folder)
        assert (ended.returncode, ended.stderr) == (0, "")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask its API, again while its conductor has a node to itself; return the answer."""
        status, found = stack.wait_for(
            lambda: (answer := self._ask(method, path, body))[0] != 409 and answer,
            f"an answer to {method} {path}",
        )
        assert status in (200, 202, 204), found
        return found

    def node(self, name: str) -> dict[str, Any]:
        """A node as it is."""
        found: dict[str, Any] = self.ask("GET", f"/v1/nodes/{name}")
        return found

    def provision(self, name: str, verb: str, state: str) -> None:
        """Have a node do something, and wait until it is in a provision state by that."""
        self.ask("PUT", f"/v1/nodes/{name}/states/provision", {"target": verb})
        self._wait_for(name, provision_state=state)

    def power(self, name: str, target: str, state: str) -> None:
        """Change a node's power, and wait until it is in a state."""
        self.ask("PUT", f"/v1/nodes/{name}/states/power", {"target": target})
        self._wait_for(name, power_state=state, target_power_state=None)

    def change(self, name: str, **values: str) -> None:
        """Set parts of a node, such as instance_info__boot_iso."""
        self.ask(
            "PATCH",
            f"/v1/nodes/{name}",
            [
                {"op": "add", "path": f"/{path.replace('__', '/')}", "value": value}
                for path, value in values.items()
            ],
        )

    def _wait_for(self, name: str, **state: str | None) -> None:
        def there() -> bool:
            node = self.node(name)
            assert node["last_error"] is None, self.log()[-8000:]
            return {key: node[key] for key in state} == state and node["reservation"] is None

        stack.wait_for(there, f"node {name} with {state}")

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        headers = {
            "X-OpenStack-Ironic-API-Version": "latest",
            "Content-Type": "application/json",
        }
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if text else None
        finally:
            connection.close()
