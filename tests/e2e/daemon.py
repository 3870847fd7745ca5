"""The agent as a process, and a plain client for it."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from . import stack

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Answer:
    """What came back. body: `text` as JSON."""

    status: int
    headers: http.client.HTTPMessage
    text: str
    body: Any = None

    @property
    def fields(self) -> set[str]:
        """The fields that a refusal names."""
        return {error["field"] for error in self.body.get("errors", [])}


class Agent:
    """An agent with settings, and files, of its own. settings: as in its configuration file.

    before: words before its command. python: what runs it, in the folder `project`.
    """

    before: tuple[str, ...] = ()
    python = sys.executable
    project = PROJECT

    def __init__(self, folder: Path, path: str | None = None, **settings: Any) -> None:
        """folder: for its files. path: its PATH, None for that of the tests."""
        folder.mkdir(parents=True, exist_ok=True)
        self._listen = settings.pop("listen", "127.0.0.1:0")
        ours = {
            "pool": stack.POOL,
            "pool_path": str(stack.POOL_PATH),
            "bridge": stack.BRIDGE,
            "virt_type": "qemu",
            "console_dir": str(stack.CONSOLE_DIR),
        }
        self.config = folder / "agent.toml"
        self.config.write_text(
            "".join(f"{key} = {json.dumps(value)}\n" for key, value in {**ours, **settings}.items())
        )
        self.state_dir = folder / "state"
        self._stdout = folder / "stdout"
        self._stderr = folder / "stderr"
        self._path = path or os.environ["PATH"]
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it, ready or not."""
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [
                    *(
                        *self.before,
                        self.python,
                        "-m",
                        "agent",
                        "serve",
                        f"--config={self.config}",
                    ),
                    *(f"--state-dir={self.state_dir}", f"--listen={self._listen}"),
                ],
                cwd=self.project,
                env={**os.environ, "PATH": self._path},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def start(self) -> "Agent":
        """Start it, and wait until it says that it is ready."""
        self.launch()
        stack.wait_for(
            lambda: self._ready() or self.process.poll() is not None, "an agent that is ready"
        )
        if not self._ready():
            pytest.fail(f"the agent ended by itself: {self.log()}", pytrace=False)
        self.address = urlsplit(self._ready()).netloc
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, wait for its end, and answer its exit status.

        One that has ended already only says with which status.
        """
        self.process.send_signal(number)
        return self.process.wait(240)

    def kill(self) -> None:
        """End it for certain, where a test failed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(240)

    def greeting(self) -> str:
        """What it wrote to stdout."""
        return self._stdout.read_text()

    def log(self) -> str:
        """What it wrote to stderr."""
        return self._stderr.read_text(errors="replace")

    def logged(self, text: str) -> str:
        """Wait until it has logged a text, which may be after the answer; answers the log."""
        log: str = stack.wait_for(
            lambda: text in (log := self.log()) and log, f"{text!r} in the log"
        )
        return log

    def get(self, *path: str) -> Answer:
        """GET what is at a path, whose parts may hold anything."""
        return self.request("GET", _path(path))

    def post(self, *path: str, body: Any) -> Answer:
        """POST a body as JSON, or bytes as they are."""
        return self.request("POST", _path(path), body)

    def put(self, *path: str) -> Answer:
        """PUT without a body."""
        return self.request("PUT", _path(path))

    def delete(self, *path: str) -> Answer:
        """DELETE what is at a path."""
        return self.request("DELETE", _path(path))

    def ended(self, operation: str) -> dict[str, Any]:
        """Wait for an operation to end, and return it."""

        def ended() -> Any:
            found = self.get("operations", operation).body
            return found["status"] not in ("waiting", "running", "unsettled") and found

        found: dict[str, Any] = stack.wait_for(ended, "an end to the operation")
        return found

    def installed(self, name: str) -> dict[str, Any]:
        """Wait for a host's install to end, and return it; libvirt may be away meanwhile."""

        def ended() -> Any:
            answer = self.get("hosts", name)
            install = answer.status == 200 and answer.body["install"]
            return install and install["state"] != "running" and install

        install: dict[str, Any] = stack.wait_for(ended, "an end to the install")
        return install

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask, and see that the answer is JSON as this agent promises it.

        target: as it goes over the wire. body: bytes, or what becomes JSON, or None.
        """
        answer = self.text(method, target, body, headers)
        answer = replace(answer, body=json.loads(answer.text))
        if answer.status >= 400 and target != "/health":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.body["status"] == answer.status
        else:
            assert answer.headers["content-type"] == "application/json"
        return answer

    def text(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for what may be no JSON."""
        status, answered, data = self.data(method, target, body, headers)
        return Answer(status, answered, data.decode())

    def data(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Ask for what may be no text: the status, the headers and the body."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=300)
        try:
            connection.request(method, target, data, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def _ready(self) -> str:
        line = self._stdout.read_text().partition("\n")[0]
        return line.removeprefix("ready: ") if line.startswith("ready: ") else ""


@contextmanager
def serving(agent: Agent) -> Iterator[Agent]:
    """Start an agent, and see that it ends with exit status 0."""
    running.append(agent)
    try:
        yield agent.start()
        assert agent.stop() == 0, agent.log()[-4000:]
    finally:
        agent.kill()
        running.remove(agent)


# The agents that run now.
running: list[Agent] = []


def _path(parts: tuple[str, ...]) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)
