"""Every virsh that the agent may run, whole."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.command import Command
from agent.tools.commands.virsh import NO_DOMAIN, Virsh

URI = "qemu:///system"
UUID = "6f1c1c3e-0000-4000-8000-000000000001"
virsh = Virsh(URI)


def line(*words: str, stdin: str | None = None, tolerates: tuple[str, ...] = ()) -> Command:
    return Command(("virsh", "--connect=qemu:///system", *words), stdin, tolerates)


@pytest.mark.parametrize(
    ("built", "expected"),
    [
        (
            virsh.destroy(UUID),
            line(
                "destroy",
                f"--domain={UUID}",
                tolerates=("domain is not running", *NO_DOMAIN),
            ),
        ),
        (
            virsh.undefine(UUID),
            line(
                "undefine",
                f"--domain={UUID}",
                "--managed-save",
                "--nvram",
                "--snapshots-metadata",
                "--checkpoints-metadata",
                tolerates=NO_DOMAIN,
            ),
        ),
        (
            virsh.vol_create_as("staging", "ns.example.com.0.qcow2", 8),
            line(
                "vol-create-as",
                "--pool=staging",
                "--name=ns.example.com.0.qcow2",
                "--capacity=8GiB",
                "--format=qcow2",
            ),
        ),
        (
            virsh.vol_delete("staging", "ns.example.com.0.qcow2"),
            line(
                "vol-delete",
                "--pool=staging",
                "--vol=ns.example.com.0.qcow2",
                tolerates=("Storage volume not found",),
            ),
        ),
        (
            virsh.net_define("<network/>\n"),
            line("net-define", "--file=/dev/stdin", stdin="<network/>\n"),
        ),
        (
            virsh.net_start(UUID),
            line("net-start", f"--network={UUID}", tolerates=("network is already active",)),
        ),
        (virsh.net_autostart(UUID), line("net-autostart", f"--network={UUID}")),
        (
            virsh.net_destroy(UUID),
            line(
                "net-destroy",
                f"--network={UUID}",
                tolerates=("is not active", "Network not found"),
            ),
        ),
        (
            virsh.net_undefine(UUID),
            line("net-undefine", f"--network={UUID}", tolerates=("Network not found",)),
        ),
        (
            virsh.trial("agent-trial", "<domain/>\n"),
            line(
                "create /dev/stdin --autodestroy; domstate --reason agent-trial",
                stdin="<domain/>\n",
            ),
        ),
        (
            virsh.batch((("list", "--all"), ("dominfo", "a b")), "MARK"),
            line(
                "list --all; echo MARK; echo --err MARK; dominfo 'a b'; echo MARK; echo --err MARK"
            ),
        ),
        (
            Virsh("qemu+ssh://other/system").net_autostart(UUID),
            Command(
                ("virsh", "--connect=qemu+ssh://other/system", "net-autostart", f"--network={UUID}")
            ),
        ),
    ],
)
def test_a_command_is_exactly_this(built: Command, expected: Command) -> None:
    assert built == expected


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1),
        min_size=1,
    )
)
def test_every_word_of_a_batch_stands_for_itself(reads: list[list[str]]) -> None:
    """virsh splits its one argument as POSIX shells do, at semicolons that are not quoted."""
    lexer = shlex.shlex(virsh.batch(reads, "MARK").argv[-1], posix=True, punctuation_chars=";")
    lexer.whitespace_split = True
    lexer.commenters = ""
    expected = [[*words, ";", "echo", "MARK", ";", "echo", "--err", "MARK", ";"] for words in reads]
    assert [*lexer, ";"] == [word for words in expected for word in words]
