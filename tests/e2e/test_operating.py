"""What an operator sees of real requests: the log, the metrics, settings that are read again."""

import json
import re
import signal
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from . import stack
from .daemon import Agent
from .faults import Faults
from .stack import V10, own

NAME = own("ns")
BODY = {"memory": 64, "disks": [1], "networks": [V10]}


def lines(agent: Agent) -> list[dict[str, Any]]:
    """The log, each line of which has to be an object; the last may not be written whole yet."""
    return [json.loads(line) for line in agent.log().split("\n")[:-1]]


def metrics(agent: Agent) -> dict[tuple[str, ...], float]:
    """Each sample, by its name and the values of labels in the order of their names."""
    answer = agent.text("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_request_is_followed_to_its_commands(start_agent: Callable[..., Agent]) -> None:
    """By the log alone, whose commands are those of the journal."""
    agent = start_agent(log_format="json", log_level="debug")
    made = agent.request("POST", f"/hosts/{NAME}", BODY, {"X-Request-ID": "mine"})
    operation = made.headers["X-Operation-ID"]
    agent.request("GET", "/hosts", headers={"X-Request-ID": "reader"})

    def answered(request: str) -> list[dict[str, Any]]:
        told = [line for line in lines(agent) if line.get("request_id") == request]
        return told if any(line["logger"] == "agent.http" for line in told) else []

    told = stack.wait_for(lambda: answered("mine"), "a line for the create")
    assert {line["operation"] for line in told} == {operation}
    journal = agent.get("operations", operation).body["commands"]
    commands = [line for line in told if line["logger"] == "agent.command"]
    assert [line["command"] for line in commands if line["level"] == "info"] == [
        command["argv"] for command in journal
    ]
    (request,) = [line for line in told if line["logger"] == "agent.http"]
    assert (request["method"], request["path"], request["status"], request["client"]) == (
        "POST",
        f"/hosts/{NAME}",
        200,
        "127.0.0.1",
    )
    told = stack.wait_for(lambda: answered("reader"), "a line for the read")
    assert {line["level"] for line in told if line["logger"] == "agent.command"} == {"debug"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", line["time"]) for line in told)


def test_metrics_tell_of_hosts_commands_and_operations(start_agent: Callable[..., Agent]) -> None:
    agent = start_agent()
    assert agent.post("hosts", NAME, body=BODY).status == 200
    assert agent.get("hosts", own("nope")).status == 404
    up = ("staging_agent_libvirt_up",)
    # A list that takes longer than a scrape may is not waited for.
    found = stack.wait_for(lambda: (told := metrics(agent))[up] and told, "metrics of libvirt")
    assert found["staging_agent_requests_total", "POST", "/hosts/{name}", "200"] == 1
    assert found["staging_agent_requests_total", "GET", "/hosts/{name}", "404"] == 1
    assert found["staging_agent_commands_total", "ok", "virt-install", ""] == 1
    assert found["staging_agent_commands_total", "ok", "virsh", "vol-create-as"] == 1
    assert found["staging_agent_operations_total", "done"] == 1
    assert (found[up], found["staging_agent_journal_up",]) == (1, 1)
    assert found["staging_agent_hosts", "running"] >= 1
    assert found["process_start_time_seconds",] > 0


def test_metrics_are_answered_while_libvirt_hangs(
    faults: Faults, start_agent: Callable[..., Agent]
) -> None:
    """Without the hosts, which nobody knows then."""
    agent = start_agent(path=faults.path, virsh_seconds=600)
    faults.replace("virsh", "#!/bin/sh\nexec sleep 600\n")
    found = metrics(agent)
    assert found["staging_agent_libvirt_up",] == 0
    assert not [key for key in found if key[0] == "staging_agent_hosts"]
    assert found["staging_agent_journal_up",] == 1
    faults.none()


def test_settings_are_read_again(start_agent: Callable[..., Agent]) -> None:
    """Those that may change at once, and none of a file that is wrong."""
    agent = start_agent(log_format="text")
    text = agent.config.read_text()

    agent.config.write_text(text.replace('"text"', '"json"').replace(stack.POOL, own("other"), 1))
    agent.process.send_signal(signal.SIGHUP)
    agent.logged("changed, but not before a restart: pool")
    assert agent.get("health").body["pool"]["name"] == stack.POOL
    agent.logged('"path": "/health"')
    agent.config.write_text(text + "nope = 1\n")
    agent.process.send_signal(signal.SIGHUP)
    number = len(text.splitlines()) + 1
    agent.logged(
        f"the settings stay as they were: {agent.config}, line {number}: nope: no such setting"
    )
    assert agent.get("hosts").status == 200
