"""schemathesis asks the agent for whatever its OpenAPI document has, on a real stack of its own.

Whatever it asks for, and under whatever name, is not the machine's: see world.py.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import stack, world
from .daemon import Agent, serving
from .world import World

CONFIG = Path(__file__).with_name("schemathesis.toml")
LEAST_CASES = 2000
# It takes two minutes or so.
MOST_SECONDS = 3600


@pytest.fixture
def own_world(tmp_path: Path) -> Iterator[World]:
    new = World(tmp_path / "world.log")
    try:
        new.make_pool()
        yield new
    finally:
        new.close()


@pytest.fixture
def agent(own_world: World, tmp_path: Path) -> Iterator[Agent]:
    """An agent of that world, which nobody outside of it can reach."""
    new = Agent(
        tmp_path / "agent",
        pool=world.POOL,
        pool_path=world.IMAGES,
        bridge=world.BRIDGE,
        console_dir=world.LOGS,
    )
    new.before = own_world.enter
    with serving(new):
        yield new


def test_the_agent_keeps_its_contract(own_world: World, agent: Agent, tmp_path: Path) -> None:
    report, said = tmp_path / "report.json", tmp_path / "schemathesis.txt"
    with said.open("wb") as output:
        ended = subprocess.run(
            own_world.python(
                *("-m", "schemathesis.cli", f"--config-file={CONFIG}", "run"),
                f"http://{agent.address}/openapi.json",
                *("--checks=all", "--report=json", f"--report-json-path={report}"),
            ),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=MOST_SECONDS,
        )
    assert ended.returncode == 0, said.read_text()
    found = json.loads(report.read_text())
    cases = found["test_cases"]
    print(f"schemathesis: {cases['generated']} cases in {found['running_time']:.0f} s")
    assert (found["complete"], found["failures"], found["errors"]) == (True, [], [])
    assert {name: phase["status"] for name, phase in found["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )
    assert found["operations"]["tested"] == found["operations"]["total"]
    assert cases["generated"] >= LEAST_CASES
    # It came to something: hosts and networks were made, switched and removed.
    done = _done(own_world, agent)
    assert {*done} == {
        "POST hosts",
        "PUT hosts",
        "DELETE hosts",
        "POST networks",
        "DELETE networks",
    }
    assert done["POST hosts"] >= 3
    assert done["DELETE hosts"] >= 1
    assert "Traceback" not in agent.log()


_GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"


def _done(own_world: World, agent: Agent) -> dict[str, int]:
    """How many changes the journal has as done, by method and what they are of."""
    url = f"http://{agent.address}/operations?status=done&limit=500"
    told = stack.tool(*own_world.python("-c", _GET, url))
    operations: list[dict[str, Any]] = json.loads(told)
    counts: dict[str, int] = {}
    for each in operations:
        of = "hosts" if each["host"] is not None else "networks"
        key = f"{each['request']['method']} {of}"
        counts[key] = counts.get(key, 0) + 1
    return counts
