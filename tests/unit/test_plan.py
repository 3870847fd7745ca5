"""A command as a line for a shell."""

import subprocess

import pytest

from agent.tools.command import Command


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
