"""schemathesis asks the agent for whatever its OpenAPI document has, on a real stack of its own.

Whatever it asks for, and under whatever name, is not the machine's: see libvirtd.py.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from . import libvirtd
from .daemon import PROJECT, serving
from .libvirtd import Libvirt
from .stack import BRIDGE

HERE = Path(__file__).parent
LEAST_CASES = 2000
# It takes two minutes or so.
MOST_SECONDS = 3600


def test_the_agent_keeps_its_contract(libvirt: Libvirt, tmp_path: Path) -> None:
    report, said = tmp_path / "report.json", tmp_path / "schemathesis.txt"
    with serving(libvirtd.agent(libvirt, tmp_path / "agent")) as agent:
        with said.open("wb") as output:
            ended = subprocess.run(
                [
                    *(sys.executable, "-m", "schemathesis.cli"),
                    *(f"--config-file={HERE / 'schemathesis.toml'}", "run"),
                    f"http://{agent.address}/openapi.json",
                    *("--checks=all", "--report=json", f"--report-json-path={report}"),
                ],
                check=False,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": f"{PROJECT}:{HERE}", "BRIDGE": BRIDGE},
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
        operations = agent.request("GET", "/operations?status=done&limit=500").body
        done = Counter(
            f"{each['request']['method']} {'networks' if each['host'] is None else 'hosts'}"
            for each in operations
        )
        assert {*done} == {
            *("POST hosts", "PUT hosts", "DELETE hosts"),
            *("POST networks", "DELETE networks"),
        }
        assert done["POST hosts"] >= 3
        assert done["DELETE hosts"] >= 1
        assert "Traceback" not in agent.log()
