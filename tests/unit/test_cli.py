"""`python -m agent journal` and `replay`, over a journal of small commands, and `check`."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.operations.journal import Journal
from agent.operations.operation import DONE, UNDONE, Outcome, Request
from agent.plans.plan import Plan, Step
from agent.tools.command import Command

ID = "11111111-2222-4333-8444-555555555555"


def sh(line: str) -> Command:
    """A small command."""
    return Command(("sh", "-c", line))


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """The file in which the journal's commands leave notes."""
    return tmp_path / "notes"


@pytest.fixture
def state(tmp_path: Path, notes: Path) -> list[str]:
    """The option that names a state folder with a journal of two operations."""
    journal = Journal(tmp_path / "journal.sqlite", days=1e6, clock=lambda: 1e9)
    asked = Request("POST", "/hosts/a", {"memory": 1}, "req", "127.0.0.1", host="a")
    where = shlex.quote(str(notes))
    plan = Plan(
        "create host a",
        (
            Step("first", sh(f"echo one; echo 1 >>{where}"), (sh(f"echo undo 1 >>{where}"),)),
            Step("second", sh(f"cat {where} >&2; test ! -e {where}.no")),
        ),
    )
    journal.begin(ID, asked, plan)
    number = journal.begin_step(ID, 0, plan.steps[0].command, undo=False)
    journal.end_step(ID, number, Outcome(0.5, 0, True, "one\n", ""))
    number = journal.begin_step(ID, 1, plan.steps[1].command, undo=False)
    journal.end_step(ID, number, Outcome(0.25, None, False, "", "", "it was killed"))
    number = journal.begin_step(ID, 0, plan.steps[0].undo[0], undo=True)
    journal.end(ID, UNDONE, {"detail": "sh was killed"})
    other = Request("DELETE", "/networks/n", None, "req2", None, network="n")
    journal.begin("other", other, Plan("delete network n", ()))
    journal.end("other", DONE)
    journal.close()
    return ["--state-dir", str(tmp_path)]


def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
    )


def test_the_list(state: list[str]) -> None:
    expected = (
        f"     1  2001-09-09 01:46:40  undone     1/2  create host a  {ID}\n"
        "     2  2001-09-09 01:46:40  done       0/0  delete network n  other\n"
    )
    assert run("journal", *state).stdout == expected
    assert run("journal", "list", *state).stdout == expected
    first, second = expected.splitlines(keepends=True)
    assert run("journal", *state, "--host", "a").stdout == first
    assert run("journal", *state, "--network", "n").stdout == second
    assert run("journal", *state, "--status", "undone").stdout == first
    assert run("journal", *state, "--limit", "1").stdout == second
    assert run("journal", *state, "--host", "b").stdout == "no operations\n"
    rows = [json.loads(line) for line in run("journal", *state, "--json").stdout.splitlines()]
    assert [row["id"] for row in rows] == [ID, "other"]


@pytest.mark.parametrize("operation", [ID, "1"])
def test_one_operation(state: list[str], notes: Path, operation: str) -> None:
    where = str(notes)
    assert run("journal", "show", operation, *state).stdout == (
        f"operation  {ID} (number 1)\n"
        "does       create host a\n"
        "status     undone, 1 of 2 steps done\n"
        "began      2001-09-09 01:46:40\n"
        "ended      2001-09-09 01:46:40\n"
        "asked by   127.0.0.1, request req\n"
        'asked for  POST /hosts/a {"memory": 1}\n'
        "error      sh was killed\n"
        "\n"
        "# step 1: exit 0 after 0.500 s\n"
        f"sh -c 'echo one; echo 1 >>{where}'\n"
        "#   stdout: one\n"
        "\n"
        "# step 2: it was killed\n"
        f"sh -c 'cat {where} >&2; test ! -e {where}.no'\n"
        "\n"
        "# undo of step 1: it is running, or was interrupted\n"
        f"sh -c 'echo undo 1 >>{where}'\n"
    )


def test_its_script_and_its_json(state: list[str]) -> None:
    script = run("journal", "show", ID, "--script", *state).stdout
    assert script.startswith(
        "#!/bin/sh\n# create host a\n"
        f"# operation {ID}, which is undone\n"
        "# asked for by 127.0.0.1 with POST /hosts/a (request req)\n"
    )
    assert run("replay", "--print", ID, *state).stdout == script
    assert json.loads(run("journal", "show", ID, "--json", *state).stdout)["id"] == ID


def test_following(state: list[str], tmp_path: Path) -> None:
    """A new operation is printed when it begins and when it ends; Ctrl-C ends that with 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", "journal", *state, "--limit", "1", "--follow"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().split()[2:4] == ["01:46:40", "done"]
        journal = Journal(tmp_path / "journal.sqlite", days=1e6)
        asked = Request("DELETE", "/hosts/b", None, "req3", None, host="b")
        journal.begin("third", asked, Plan("delete host b", ()))
        row = ["0/0", "delete", "host", "b", "third"]
        assert process.stdout.readline().split()[3:] == ["running", *row]
        journal.end("third", DONE)
        assert process.stdout.readline().split()[3:] == ["done", *row]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(60)


def test_replay_shows_asks_and_runs(state: list[str], notes: Path) -> None:
    refused = run("replay", ID, *state, stdin="\n")
    assert (refused.returncode, notes.exists()) == (1, False)
    assert refused.stdout.endswith("Run 2 commands? [y/N] nothing was run\n")
    done = run("replay", ID, *state, stdin="y\n")
    assert (done.returncode, notes.read_text(), done.stderr) == (0, "1\n", "1\n")
    assert "\none\n" in done.stdout
    assert done.stdout.endswith("\ndone\n")


def test_replay_from_a_step(state: list[str], notes: Path) -> None:
    notes.write_text("there\n")
    done = run("replay", ID, "--yes", "--from", "2", *state)
    assert (done.returncode, notes.read_text(), done.stderr) == (0, "there\n", "there\n")
    wrong = run("replay", ID, "--from", "3", *state)
    assert (wrong.returncode, wrong.stderr) == (1, "agent: --from: the steps are 1 to 2\n")


def test_the_script_of_a_replay_from_a_step(state: list[str], notes: Path) -> None:
    """It runs what `replay` would, and takes back no more."""
    notes.write_text("there\n")
    printed = run("replay", ID, "--print", "--from", "2", *state)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert ("# 1 of 2: first" in printed.stdout, "# 2 of 2: second" in printed.stdout) == (
        False,
        True,
    )
    for fails, exit_code in ((False, 0), (True, 1)):
        if fails:
            notes.with_name("notes.no").touch()
        done = subprocess.run(
            ["sh"], input=printed.stdout, capture_output=True, text=True, check=False
        )
        assert (done.returncode, notes.read_text(), done.stderr) == (
            exit_code,
            "there\n",
            "there\n",
        )


@pytest.mark.parametrize(
    ("answers", "words", "left"),
    [("y\ny\n", [], "1\nundo 1\n"), ("y\nn\n", [], "1\n"), ("", ["--yes"], "1\nundo 1\n")],
)
def test_replay_takes_back_what_it_made(
    state: list[str], notes: Path, answers: str, words: list[str], left: str
) -> None:
    notes.with_name("notes.no").touch()
    done = run("replay", ID, *words, *state, stdin=answers)
    assert (done.returncode, notes.read_text()) == (1, left)
    assert "\nstep 2 failed\n" in done.stdout


@pytest.mark.parametrize(
    ("said", "exit_code", "ran", "left"),
    [("off", 0, True, "3\n"), ("running", 1, False, "")],
)
def test_replay_stops_where_something_else_is_printed(
    tmp_path: Path, said: str, exit_code: int, ran: bool, left: str
) -> None:
    """Before it runs, or takes back, what it expected to begin with."""
    notes = tmp_path / "notes"
    notes.touch()
    where = shlex.quote(str(notes))
    plan = Plan(
        "install host a",
        (
            Step("see that it is off", Command(("echo", said), expects="off")),
            Step("install", sh(f"echo 3 >>{where}"), (sh(f"echo undo 3 >>{where}"),)),
        ),
    )
    journal = Journal(tmp_path / "journal.sqlite", days=1e6)
    journal.begin(ID, Request("PUT", "/hosts/a/install", {}, "req", None, host="a"), plan)
    journal.end(ID, DONE)
    journal.close()
    done = run("replay", ID, "--yes", "--state-dir", str(tmp_path))
    assert (done.returncode, notes.read_text()) == (exit_code, left)
    assert ("\nstep 1 failed\n" in done.stdout) is not ran


@pytest.mark.parametrize("words", [("journal", "show", "9"), ("replay", "no")])
def test_an_operation_that_is_not_there(state: list[str], words: tuple[str, ...]) -> None:
    done = run(*words, *state)
    said = f"agent: there is no operation {words[-1]!r}; `journal list` has them\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_folder_without_a_journal(tmp_path: Path) -> None:
    done = run("journal", "--state-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        2,
        f"agent: state_dir: {tmp_path}/journal.sqlite: No such file or directory; pass the"
        " agent's own --config or --state-dir\n",
    )


def test_a_damaged_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"x" * 5000)
    done = run("journal", "--state-dir", str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        f"agent: the journal {path} cannot be used: file is not a database;"
        " no change is made without it\n",
    )


def test_check_names_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a machine with none of the tools each is named, and nothing is a traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = tmp_path / "agent.toml"
    settings.write_text(f'state_dir = "{tmp_path}"\nconsole_dir = "{tmp_path}/no"\n')
    assert main(["check", "--json", "--config", str(settings)]) == 1
    found = {
        row["what"]: (row["status"], row["detail"]) for row in json.loads(capsys.readouterr().out)
    }
    missing = "virsh cannot be run: virsh: no such command"
    no_switch = "ovs-vsctl cannot be run: ovs-vsctl: no such command"
    user = found.pop("user")
    assert user[0] in ("ok", "warning")
    assert found == {
        "configuration": ("ok", "all settings are valid"),
        "access": ("ok", "anyone who can reach 127.0.0.1:8420, without authentication"),
        "virsh": ("failed", "it is not installed"),
        "virt-install": ("failed", "it is not installed"),
        "virt-xml": ("failed", "it is not installed"),
        "ovs-vsctl": ("failed", "it is not installed"),
        "ovs-appctl": ("failed", "it is not installed"),
        "qemu-img": ("failed", "it is not installed"),
        "curl": ("failed", "it is not installed"),
        "prlimit": ("failed", "it is not installed"),
        "libvirt": ("failed", missing),
        "pool": ("failed", missing),
        "Open vSwitch": ("failed", no_switch),
        "bridge": ("failed", no_switch),
        "virtualisation": ("failed", missing),
        "stale ports": ("failed", no_switch),
        "state folder": ("ok", str(tmp_path)),
        "console folder": (
            "warning",
            f"{tmp_path}/no does not exist; libvirt's package creates it",
        ),
    }


@pytest.mark.parametrize("words", [["--json"], []])
def test_check_of_settings_that_are_wrong(tmp_path: Path, words: list[str]) -> None:
    """A program that reads the findings is told as well."""
    file = tmp_path / "agent.toml"
    file.write_text("threads = 0\n")
    done = run("check", *words, "--config", str(file))
    detail = done.stderr.removeprefix("agent: ").removesuffix("\n")
    assert (done.returncode, detail) == (
        2,
        f"{file}, line 1: threads: 0 is not more than 0",
    )
    if words:
        assert json.loads(done.stdout) == [
            {"what": "configuration", "status": "failed", "detail": detail}
        ]
    else:
        assert done.stdout == ""
