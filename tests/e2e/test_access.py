"""Who may come in: tokens and unix sockets of a real agent, and nginx with the manual's block."""

import json
import os
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import stack
from .daemon import PROJECT, Agent, Answer
from .stack import V10, own

NAME = own("n")
NETWORK = {"bridge": stack.BRIDGE, "vlan": 30}
SITE = "hv1.example.com"


def agent_token(config: Path, *words: str) -> str:
    """Run `agent token` as a person does, and answer what it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "agent", "token", *words, f"--config={config}"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    return ended.stdout.removesuffix("\n")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def curl(*words: str) -> tuple[int, Any]:
    """The status and the JSON that curl is answered."""
    ended = subprocess.run(
        ["curl", "-sS", "--max-time", "240", "-w", "\n%{http_code}", *words],
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    body, _, status = ended.stdout.rpartition("\n")
    return int(status), json.loads(body)


@pytest.fixture
def closed(start_agent: Callable[..., Agent], tmp_path: Path) -> Agent:
    """An agent that wants tokens, and has none yet."""
    return start_agent(tokens_file=str(tmp_path / "tokens"))


def test_tokens(closed: Agent, tmp_path: Path) -> None:
    """Made, used, read-only, revoked, each at the next request; and written down nowhere."""

    def ask(method: str, token: str = "", body: Any = None) -> Answer:
        return closed.request(method, f"/networks/{NAME}", body, bearer(token) if token else None)

    closed.logged("holds no tokens, so every request is refused")
    assert closed.get("operations").status == 401
    assert closed.text("GET", "/health").status == 401
    full = agent_token(closed.config, "add", "ci")
    read_only = agent_token(closed.config, "add", "grafana", "--read-only")
    with stack.unchanged():
        assert ask("POST", body=NETWORK).status == 401
        assert ask("POST", read_only, NETWORK).status == 403
        assert ask("POST", full + "x", NETWORK).status == 401
    made = ask("POST", full, NETWORK)
    assert (made.status, made.body["vlan"]) == (200, 30)
    assert ask("GET", read_only).body == made.body
    assert ask("DELETE", read_only).status == 403
    agent_token(closed.config, "revoke", "grafana")
    assert ask("GET", read_only).status == 401
    assert ask("DELETE", full).status == 200
    found = closed.request("GET", f"/operations?network={NAME}", None, bearer(full)).body
    assert [row["request"]["client"] for row in found] == ["ci@127.0.0.1"] * 2
    closed.logged(f"ci@127.0.0.1 DELETE /networks/{NAME}: 200 OK")
    agent_token(closed.config, "revoke", "ci")
    assert ask("GET", full).status == 401
    _assert_nowhere(tmp_path, full, read_only)


MACHINE = {"memory": 64, "disks": [], "networks": [V10], "start": False}


def test_a_token_for_some_hosts(closed: Agent) -> None:
    """Another team's hosts do not exist for it: it neither sees, changes, makes nor removes any."""
    mine, other = own("web1"), own("db1")
    full = bearer(agent_token(closed.config, "add", "ci"))
    team = bearer(agent_token(closed.config, "add", "team", "--host", own("web*")))
    with stack.unchanged():
        body = {**MACHINE, "start": True}
        assert closed.request("POST", f"/hosts/{mine}", body, team).status == 200
        theirs = closed.request("POST", f"/hosts/{other}", body, full).body
        with stack.unchanged():
            refused = closed.request("POST", f"/hosts/{own('db2')}", MACHINE, team)
            assert refused.status == 403
            for method, path in (
                ("GET", ""),
                ("DELETE", ""),
                ("PUT", "/stop"),
                ("PUT", "/boot"),
                ("GET", "/console"),
                ("GET", "/snapshots"),
            ):
                answer = closed.request(method, f"/hosts/{other}{path}", {"boot": ["disk"]}, team)
                assert (answer.status, answer.body["detail"]) == (
                    404,
                    f"there is no host {other!r}",
                )
            assert closed.request("DELETE", f"/networks/{V10}", None, team).status == 403
            assert closed.request("POST", f"/networks/{NAME}", NETWORK, team).status == 403
            assert closed.request("GET", "/metrics", None, team).status == 403
        listed = closed.request("GET", "/hosts", None, team).body
        assert [(row["name"], row["state"]) for row in listed] == [(mine, "running")]
        for headers, hosts in ((team, {mine}), (full, {mine, other})):
            ports = closed.request("GET", f"/networks/{V10}", None, headers).body["ports"]
            # Those of other tests may be there as well.
            assert {port["host"] for port in ports} & {mine, other} == hosts
            found = closed.request("GET", "/operations?limit=500", None, headers).body
            assert {row["host"] for row in found} == hosts
        contract = closed.request("GET", "/openapi.json", None, full).body
        for path in (*contract["paths"], "/redfish/v1/Systems", "/redfish/v1/Managers"):
            if "{" not in path:
                shown = closed.text("GET", path, None, team).text
                assert not any(text in shown for text in (other, theirs["id"])), path
        assert closed.request("DELETE", f"/hosts/{mine}", None, team).status == 200
        assert closed.request("DELETE", f"/hosts/{other}", None, full).status == 200


SESSIONS = "/redfish/v1/SessionService/Sessions"


def test_a_client_of_redfish(closed: Agent, tmp_path: Path) -> None:
    """By HTTP Basic, and by a session, which has the rights of its token and ends with it."""
    token = agent_token(closed.config, "add", "team", "--host", own("web1"), "--read-only")
    full = agent_token(closed.config, "add", "ci")
    made = closed.request("POST", f"/hosts/{own('web1')}", MACHINE, bearer(full)).body
    assert closed.request("POST", f"/hosts/{own('db1')}", MACHINE, bearer(full)).status == 200

    def ask(method: str, path: str, headers: Any = None, body: Any = None) -> Any:
        answer = closed.text(method, path, body, headers)
        return answer.status, json.loads(answer.text or "null"), answer.headers

    assert ask("GET", "/redfish/v1/")[:1] == (200,)
    status, _, headers = ask("GET", "/redfish/v1/Systems")
    assert (status, headers["www-authenticate"]) == (
        401,
        'Bearer realm="staging-agent", Basic realm="staging-agent", charset="UTF-8"',
    )
    wrong = {"UserName": "admin", "Password": f"{token}x"}
    assert ask("POST", SESSIONS, body=wrong)[0] == 401
    status, session, headers = ask("POST", SESSIONS, body={**wrong, "Password": token})
    assert (status, session["UserName"]) == (201, "admin")
    mine = {"X-Auth-Token": headers["x-auth-token"]}
    systems = [{"@odata.id": f"/redfish/v1/Systems/{made['id']}"}]
    assert ask("GET", "/redfish/v1/Systems", mine)[1]["Members"] == systems
    reset = f"{systems[0]['@odata.id']}/Actions/ComputerSystem.Reset"
    assert ask("POST", reset, mine, {"ResetType": "On"})[0] == 403
    url = f"http://{closed.address}/redfish/v1/Systems"
    assert curl("-u", f"anybody:{token}", url)[1]["Members"] == systems
    assert ask("DELETE", headers["location"], mine)[0] == 204
    assert ask("GET", "/redfish/v1/Systems", mine)[0] == 401
    _, _, headers = ask("POST", SESSIONS, body={**wrong, "Password": token})
    again = {"X-Auth-Token": headers["x-auth-token"]}
    assert ask("GET", headers["location"], again)[0] == 200
    agent_token(closed.config, "revoke", "team")
    assert ask("GET", headers["location"], again)[0] == 401
    closed.logged(f"team@127.0.0.1 DELETE {SESSIONS}/")
    _assert_nowhere(tmp_path, token, full, mine["X-Auth-Token"], again["X-Auth-Token"])


def test_passwords(closed: Agent, tree: str) -> None:
    """In commands that succeed and in one that fails; no log has them, nor who may only read."""
    secrets = ("s3cret", "pass=w0rd")
    url, name = tree.replace("http://", "http://user:s3cret@"), own("ns")
    full = bearer(agent_token(closed.config, "add", "ci"))
    read_only = bearer(agent_token(closed.config, "add", "grafana", "--read-only"))
    install = {
        "install": True,
        "location": url,
        "cmdline": "tree.hold pass=w0rd it's",
        "memory": 256,
    }
    body = {**MACHINE, **install}
    del body["start"]

    def ask(method: str, path: str, body: Any = None) -> Answer:
        return closed.request(method, path, body, full)

    with stack.unchanged():
        nowhere = url.replace("/dists/", "/nowhere/")
        failed = ask("POST", f"/hosts/{name}", {**body, "location": nowhere})
        assert failed.status == 400
        assert "user:s3cret@" in failed.text
        assert ask("POST", f"/hosts/{name}", body).status == 200
        assert stack.kernel_parameters(name) == "tree.hold pass=w0rd it's"
        missing = ask("PUT", f"/hosts/{name}/media", {"image": f"{url}/nowhere"})
        assert missing.status == 400
        rows = ask("GET", "/operations").body
        paths = ["/overview", f"/hosts/{name}", "/operations"]
        paths += [f"/operations/{row['id']}" for row in rows]
        assert len(rows) == 4
        for path in paths:
            every, shown = ask("GET", path), closed.request("GET", path, None, read_only)
            assert "s3cret" in every.text, path
            assert not any(secret in shown.text for secret in secrets), path
            assert "http://user:***@" in shown.text
        for row in rows:
            script = {**read_only, "Accept": "text/x-shellscript"}
            text = closed.text("GET", f"/operations/{row['id']}", None, script).text
            assert text.startswith("#!/bin/sh\n")
            assert not any(secret in text for secret in secrets)
        assert ask("DELETE", f"/hosts/{name}").status == 200
    log = closed.logged(f"delete host {name}")
    assert "http://user:***@" in log
    assert "--extra-args=***" in log
    assert not any(secret in log for secret in secrets)


def _assert_nowhere(folder: Path, *secrets: str) -> None:
    """In no file: not the log, the journal with its write-ahead log, nor the file of hashes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {"stderr", "stdout", "journal.sqlite", "tokens"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path


def _refused(*words: str) -> tuple[int, str, str]:
    """How a start ends that is refused."""
    ended = subprocess.run(
        [sys.executable, "-m", "agent", "serve", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_proxy_that_is_not_trusted_names_nobody(agent: Agent) -> None:
    forged = {"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9"}
    assert agent.request("GET", f"/networks/{own('forged')}", None, forged).status == 404
    log = agent.logged(f"127.0.0.1 GET /networks/{own('forged')}: 404")
    assert "192.0.2.9" not in log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a unix socket may be."""
    return tmp_path / "s"


def test_a_unix_socket(start_agent: Callable[..., Agent], path: Path) -> None:
    """The very lines that the agent prints make and remove a network and a host over it."""
    agent = start_agent(listen=f"unix:{path}", socket_mode="0600")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first, _, _, *lines = agent.greeting().rstrip().splitlines()
    assert first == f"ready: unix:{path}"
    answers = []
    with stack.unchanged():
        for line in lines:
            ours = line.replace("vlan10", NAME).replace("ns.example.com", own("ns"))
            ended = subprocess.run(
                shlex.split(ours.replace("512", "64")),
                stdout=subprocess.PIPE,
                timeout=300,
                check=True,
            )
            answers.append(json.loads(ended.stdout))
    health, network, made, shown, *gone = answers
    assert health["status"] == "ok"
    assert (network["bridge"], network["vlan"]) == (stack.BRIDGE, 10)
    assert shown == made
    assert (made["name"], made["memory"]) == (own("ns"), 64)
    assert [row["name"] for row in gone] == [own("ns"), NAME]
    rows = curl("--unix-socket", str(path), "http://localhost/operations")[1]
    assert {row["request"]["client"] for row in rows} == {"unix"}
    log = agent.logged("unix GET /operations: 200")
    assert log.count("agent.http: unix ") == len(lines) + 1
    assert agent.stop() == 0
    assert not path.exists()


def test_the_socket_of_an_agent_that_was_killed(
    start_agent: Callable[..., Agent], path: Path
) -> None:
    """The next one replaces it, and a third, while that one lives, does not."""
    first = Agent(path.parent / "first", listen=f"unix:{path}")
    try:
        first.start()
    finally:
        first.kill()
    assert path.is_socket()
    start_agent(listen=f"unix:{path}")
    third = _refused(f"--listen=unix:{path}", f"--state-dir={path.parent / 'third'}")
    assert third == (2, "", f"agent: listen: unix:{path}: another server listens there\n")
    assert curl("--unix-socket", str(path), "http://localhost/networks")[0] == 200


# An address that no other process of the tests has, since the port cannot be left to the kernel.
_PROCESS = os.getpid()
PROXY = f"127.{1 + (_PROCESS >> 16)}.{_PROCESS >> 8 & 255}.{_PROCESS & 255}"
PORT = 8443
CLIENT = "127.0.0.9"


def _manual_block() -> str:
    page = (PROJECT / "agent/manual/access.md").read_text()
    (block,) = re.findall(r"```nginx\n(.*?)```", page, re.DOTALL)
    return str(block)


class Nginx:
    """Nginx with the manual's block, but for its paths and its address, in front of an agent."""

    def __init__(self, folder: Path, target: str) -> None:
        folder.mkdir()
        self.certificate = folder / "certificate.pem"
        key = folder / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE},IP:{PROXY}"),
                *("-keyout", str(key), "-out", str(self.certificate)),
            ],
            check=True,
            capture_output=True,
            timeout=300,
        )
        block = _manual_block()
        for old, new in (
            ("listen 443 ssl;", f"listen {PROXY}:{PORT} ssl;"),
            ("/etc/ssl/certs/hv1.example.com.pem", str(self.certificate)),
            ("/etc/ssl/private/hv1.example.com.key", str(key)),
            ("proxy_pass http://unix:/run/staging-agent.sock;", f"proxy_pass http://{target};"),
        ):
            assert block.count(old) == 1
            block = block.replace(old, new)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        self._config = folder / "nginx.conf"
        self._config.write_text(
            f"daemon off;\nuser root;\nworker_processes 1;\npid {folder}/pid;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{paths}{block}}}\n"
        )
        self._words = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(self._config)]

    @contextmanager
    def serving(self) -> Iterator["Nginx"]:
        """Serve until the end of the `with` block."""
        with subprocess.Popen(self._words) as process:
            try:
                stack.wait_for(lambda: self._answers() or process.poll() is not None, "nginx")
                assert process.poll() is None
                yield self
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(240) == 0

    def _answers(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex((PROXY, PORT)) == 0

    def curl_words(self, path: str, *words: str) -> tuple[str, ...]:
        """The words of a curl that asks as a client elsewhere does."""
        return (
            *("--resolve", f"{SITE}:{PORT}:{PROXY}", "--cacert", str(self.certificate)),
            *("--interface", CLIENT, *words, f"https://{SITE}:{PORT}{path}"),
        )

    def ask(self, path: str, *words: str) -> tuple[int, Any]:
        """The status and the JSON of an answer."""
        return curl(*self.curl_words(path, *words))


def test_nginx_in_front_of_a_unix_socket(
    start_agent: Callable[..., Agent], tmp_path: Path, path: Path
) -> None:
    """TLS, tokens, the client's own address, its own pages, large bodies, and a live console."""
    agent = start_agent(
        listen=f"unix:{path}",
        tokens_file=str(tmp_path / "tokens"),
        server_names=[SITE],
        trusted_proxy="unix",
    )
    token = ("-H", f"Authorization: Bearer {agent_token(agent.config, 'add', 'ci')}")
    forged = ("-H", "X-Forwarded-For: 192.0.2.9", "-H", "X-Forwarded-Host: evil.example.com")
    network = (*token, *forged, "-d", json.dumps(NETWORK))
    with Nginx(tmp_path / "nginx", f"unix:{path}").serving() as nginx:
        assert nginx.ask("/networks")[0] == 401
        with stack.unchanged():
            other = ("-H", f"Origin: https://{SITE}")
            assert nginx.ask(f"/networks/{NAME}", *network, *other)[0] == 403
            status, said = nginx.ask("/networks/a", *token, "-d", "x" * (70 << 10))
            assert (status, said["title"]) == (413, "Request Entity Too Large")
        ours = ("-H", f"Origin: https://{SITE}:{PORT}", "-H", "Sec-Fetch-Site: same-origin")
        assert nginx.ask(f"/networks/{NAME}", *network, *ours)[0] == 200
        status, rows = nginx.ask(f"/operations?network={NAME}", *token)
        assert (status, [row["request"]["client"] for row in rows]) == (200, [f"ci@{CLIENT}"])
        assert nginx.ask(f"/networks/{NAME}", *token, "-X", "DELETE")[0] == 200
        host = {"memory": 64, "disks": [], "networks": [V10]}
        status, made = nginx.ask(f"/hosts/{own('ns')}", *token, "-d", json.dumps(host))
        assert status == 200
        console = f"/hosts/{own('ns')}/console?follow=true"
        words = nginx.curl_words(console, *token, "-sSN", "-H", "Accept: text/plain")
        with subprocess.Popen(["curl", *words], stdout=subprocess.PIPE) as follower:
            try:
                log = stack.CONSOLE_DIR / f"{made['id']}.console.log"
                with log.open("ab") as file:
                    file.write(b"one line\n")
                assert follower.stdout is not None
                # It comes while the stream goes on.
                assert b"one line\n" in iter(follower.stdout.readline, b"")
                assert nginx.ask(f"/hosts/{own('ns')}", *token, "-X", "DELETE")[0] == 200
                assert follower.wait(240) == 0
            finally:
                follower.kill()
    log = agent.logged(f"ci@{CLIENT} GET /hosts/{own('ns')}/console: 200 OK")
    assert "192.0.2.9" not in log


def test_nginx_in_front_of_loopback(start_agent: Callable[..., Agent], tmp_path: Path) -> None:
    """And who comes past it is named by where they come from, whatever they say."""
    agent = start_agent(server_names=[SITE], trusted_proxy="127.0.0.1")
    with Nginx(tmp_path / "nginx", agent.address).serving() as nginx:
        assert nginx.ask("/networks/through")[0] == 404
    forged = ("-H", "X-Forwarded-For: 192.0.2.9", "--interface", CLIENT)
    assert curl(*forged, f"http://{agent.address}/networks/past")[0] == 404
    lines = re.findall(r"agent\.http: (\S+) GET (\S+):", agent.logged("/networks/past: 404"))
    assert lines == [(CLIENT, "/networks/through"), (CLIENT, "/networks/past")]
