"""Scripts, run by a real `sh` over small commands, and any argv and stdin through them."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.plans.plan import Plan, Step
from agent.plans.script import script
from agent.tools.command import Command

# What a command line and a text can hold: anything but NUL, and no halves of surrogate pairs.
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))
PRINT_ARGV = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.buffer.read().decode()]))"


def run(text: str) -> subprocess.CompletedProcess[str]:
    """Run a script with `sh`."""
    return subprocess.run(
        ["sh"], input=text, capture_output=True, text=True, check=False, timeout=60
    )


def say(text: str, exit_code: int = 0) -> Command:
    """A command that says something on stderr and ends."""
    return Command(("sh", "-c", f"echo {shlex.quote(text)} >&2; exit {exit_code}"))


def note(file: Path, text: str) -> Command:
    """A command that leaves a line in a file."""
    return Command(("sh", "-c", 'echo "$1" >>"$2"', "sh", text, str(file)))


def noted(file: Path) -> list[str]:
    """The lines that were left."""
    return file.read_text().splitlines() if file.exists() else []


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(argv=st.lists(TEXT, max_size=5), stdin=st.none() | TEXT)
def test_any_argv_and_stdin_survive(argv: list[str], stdin: str | None) -> None:
    """What the script runs gets exactly the words and the text of the plan."""
    command = Command(("python3", "-c", PRINT_ARGV, *argv), stdin)
    done = run(script(Plan("try", (Step("try", command),))) if stdin is not None else "exit 0")
    if stdin is not None:
        assert json.loads(done.stdout) == [argv, stdin]
    assert shlex.split(str(Command(command.argv))) == list(command.argv)
    assert Command.from_json(json.loads(json.dumps(command.to_json()))) == command


@settings(max_examples=50)
@given(does=TEXT, comment=TEXT)
def test_no_comment_breaks_out(does: str, comment: str) -> None:
    step = Step(does, Command(("echo", "ran")))
    assert run(script(Plan(does, (step,)), [comment])).stdout == "ran\n"


def test_a_whole_script() -> None:
    """A plan that only deletes has neither a trap nor what it does not need."""
    plan = Plan("delete a", (Step("stop it", Command(("stop", "it's"))),))
    assert script(plan, ["for the test"]) == (
        "#!/bin/sh\n"
        "# delete a\n"
        "# for the test\n"
        "# Run it as the agent's user on the hypervisor.\n"
        "# shellcheck disable=SC2016\n"
        "set -eu\n"
        "LC_ALL=C.UTF-8\n"
        "export LC_ALL\n"
        "unset LANGUAGE\n"
        "\n"
        "# 1 of 1: stop it\n"
        "stop 'it'\"'\"'s'\n"
    )


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_failure_undoes_what_began(tmp_path: Path, fails: int) -> None:
    """Newest first, the step that failed included, and none that never began."""
    file = tmp_path / "notes"
    steps = [
        Step(
            f"step {number}",
            say("no", 7) if number == fails else note(file, f"do {number}"),
            (note(file, f"undo {number}a"), note(file, f"undo {number}b")),
        )
        for number in (1, 2, 3)
    ]
    done = run(script(Plan("try", tuple(steps))))
    assert done.returncode == 7
    assert done.stderr == f"no\nfailed in step {fails}; taking back what was made\n"
    assert noted(file) == [
        *(f"do {number}" for number in range(1, fails)),
        *(f"undo {number}{part}" for number in range(fails, 0, -1) for part in "ab"),
    ]


def test_an_undo_that_fails_stops_no_other(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    plan = Plan(
        "try",
        (
            Step("one", note(file, "do 1"), (note(file, "undo 1"),)),
            Step("two", say("no", 1), (say("cannot", 1), note(file, "undo 2"))),
        ),
    )
    done = run(script(plan))
    assert done.returncode == 1
    assert noted(file) == ["do 1", "undo 2", "undo 1"]
    assert done.stderr == (
        "no\nfailed in step 2; taking back what was made\ncannot\nan undo failed; see above\n"
    )


@pytest.mark.parametrize("first", [1, 2])
def test_what_is_there_is_not_run_again(tmp_path: Path, first: int) -> None:
    """Its undo would take back what lives, from whichever step on."""
    file, once = tmp_path / "notes", tmp_path / "it's there"
    step = Step("one", note(file, "do"), (note(file, "undo"),))
    text = script(Plan("try", (step, step), once=str(once)), (), first)
    assert run(text).returncode == 0
    once.touch()
    done = run(text)
    assert (done.returncode, done.stderr) == (
        1,
        f"{once} is there: this has been run already; delete what it made first\n",
    )
    assert noted(file) == ["do"] * (3 - first)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (say("error: is not running, sir", 1), (0, "", ["do 2"])),
        (say("error: no", 3), (3, "error: no\n", [])),
    ],
)
def test_only_a_tolerated_failure_goes_on(
    tmp_path: Path, failure: Command, outcome: tuple[int, str, list[str]]
) -> None:
    file = tmp_path / "notes"
    tolerant = Command(failure.argv, None, ("gone", "not running"))
    plan = Plan("try", (Step("one", tolerant), Step("two", note(file, "do 2"))))
    done = run(script(plan))
    assert (done.returncode, done.stderr, noted(file)) == outcome


@pytest.mark.parametrize(
    ("said", "expected", "outcome"),
    [
        ("shut off\n\n", "shut off", (0, "", ["do 1", "do 3"])),
        ("", "", (0, "", ["do 1", "do 3"])),
        ("a\nit's $b\n", "a\nit's $b", (0, "", ["do 1", "do 3"])),
        ("running\n", "shut off", (1, "it printed 'running', not 'shut off'\n", ["do 1"])),
        ("", "shut off", (1, "it printed '', not 'shut off'\n", ["do 1"])),
        ("new\n", "", (1, "it printed 'new', not ''\n", ["do 1"])),
    ],
)
def test_a_command_has_to_print_what_is_expected(
    tmp_path: Path, said: str, expected: str, outcome: tuple[int, str, list[str]]
) -> None:
    """With anything else it has failed, and no step after it is run or taken back."""
    file = tmp_path / "notes"
    plan = Plan(
        "try",
        (
            Step("one", note(file, "do 1")),
            Step("two", Command(("printf", "%s", said), expects=expected)),
            Step("three", note(file, "do 3"), (note(file, "undo 3"),)),
        ),
    )
    exit_code, stderr, notes = outcome
    if exit_code != 0:
        stderr += "failed in step 2; taking back what was made\n"
    done = run(script(plan))
    assert (done.returncode, done.stderr, noted(file)) == (exit_code, stderr, notes)


def test_a_command_that_fails_is_not_asked_what_it_printed(tmp_path: Path) -> None:
    """Its own exit code and message are the script's, and what was made is taken back."""
    file = tmp_path / "notes"
    failing = Command(("sh", "-c", "echo fine; echo no >&2; exit 7"), expects="fine")
    plan = Plan(
        "try", (Step("one", note(file, "do 1"), (note(file, "undo 1"),)), Step("2", failing))
    )
    done = run(script(plan))
    assert (done.returncode, done.stdout, done.stderr, noted(file)) == (
        7,
        "",
        "no\nfailed in step 2; taking back what was made\n",
        ["do 1", "undo 1"],
    )


def test_what_is_expected_in_a_script() -> None:
    plan = Plan("a", (Step("see", Command(("virsh", "domstate", "b"), expects="shut off")),))
    text = script(plan)
    assert text.endswith("# 1 of 1: see\nexpect 'shut off' virsh domstate b\n")
    assert "\nexpect() {\n" in text
    assert "expect" not in script(Plan("a", (Step("see", Command(("virsh",))),)))


def test_stdin_reaches_commands_that_tolerate_and_undo() -> None:
    """A here-document belongs to its command, whatever stands around that."""
    plan = Plan(
        "try",
        (
            Step(
                "one",
                Command(("cat",), "EOF\n$HOME `id`\n", ("nothing",)),
                (Command(("cat",), "undone\n"),),
            ),
            Step("two", Command(("false",))),
        ),
    )
    done = run(script(plan))
    assert (done.returncode, done.stdout) == (1, "EOF\n$HOME `id`\nundone\n")


def test_an_interruption_undoes_too(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    kill = Command(("sh", "-c", "kill -INT $PPID; exit 0"))
    plan = Plan(
        "try", (Step("one", kill, (note(file, "undo 1"),)), Step("two", Command(("true",))))
    )
    done = run(script(plan))
    assert (done.returncode, noted(file)) == (130, ["undo 1"])


# A command as a line for a shell.


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Command(("virsh", "list", "--all")), "virsh list --all"),
        (Command(("virsh", "dominfo", "a b")), "virsh dominfo 'a b'"),
        (Command(("echo", "it's", "$HOME", "")), """echo 'it'"'"'s' '$HOME' ''"""),
        (Command(("cat",), "one\ntwo\n"), "cat <<'EOF'\none\ntwo\nEOF"),
        (Command(("cat",), ""), "printf %s '' | cat"),
        (Command(("cat",), "no newline"), "printf %s 'no newline' | cat"),
        (Command(("cat",), "EOF"), "printf %s EOF | cat"),
        (Command(("cat",), "a\nEOF\nb\n"), "cat <<'EOF_'\na\nEOF\nb\nEOF_"),
        (Command(("cat",), "EOF\nEOF_\n"), "cat <<'EOF__'\nEOF\nEOF_\nEOF__"),
        (Command(("cat",), "an EOF inside\n"), "cat <<'EOF'\nan EOF inside\nEOF"),
    ],
)
def test_a_command_is_a_line_for_a_shell(command: Command, line: str) -> None:
    assert str(command) == line


@pytest.mark.parametrize(
    "text",
    ["", "a", "a\n", "a\nEOF\n", "$HOME `id` \\\n", "\n\n", "'\"\n", "x\u2028EOF\n"],
)
def test_a_shell_gives_the_same_stdin(text: str) -> None:
    line = str(Command(("cat",), text))
    ran = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert ran.stdout.decode() == text
