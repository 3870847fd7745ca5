"""Every virsh that the agent may run, whole."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.command import Command
from agent.tools.commands.virsh import Virsh

URI = "qemu:///system"
UUID = "6f1c1c3e-0000-4000-8000-000000000001"
virsh = Virsh(URI)


def line(words: str, *tolerates: str, stdin: str | None = None) -> Command:
    """A virsh of these words, none of which has a space."""
    return Command(("virsh", "--connect=qemu:///system", *words.split()), stdin, tolerates)


VOLUME = "ns.example.com.0.qcow2"
CASES = [
    (
        virsh.destroy(UUID),
        line(f"destroy --domain={UUID}", "domain is not running", "failed to get domain"),
    ),
    (
        virsh.undefine(UUID),
        line(
            f"undefine --domain={UUID} --managed-save --nvram --snapshots-metadata"
            " --checkpoints-metadata",
            "failed to get domain",
        ),
    ),
    (
        virsh.vol_create_as("staging", VOLUME, 8),
        line(f"vol-create-as --pool=staging --name={VOLUME} --capacity=8GiB --format=qcow2"),
    ),
    (
        virsh.vol_delete("staging", VOLUME),
        line(f"vol-delete --pool=staging --vol={VOLUME}", "Storage volume not found"),
    ),
    (virsh.net_define("<network/>\n"), line("net-define --file=/dev/stdin", stdin="<network/>\n")),
    (
        virsh.net_start(UUID),
        line(f"net-start --network={UUID}", "network is already active"),
    ),
    (virsh.net_autostart(UUID), line(f"net-autostart --network={UUID}")),
    (
        virsh.net_destroy(UUID),
        line(f"net-destroy --network={UUID}", "is not active", "Network not found"),
    ),
    (virsh.net_undefine(UUID), line(f"net-undefine --network={UUID}", "Network not found")),
    (
        virsh.trial("agent-trial", "<domain/>\n"),
        Command(
            (
                *("virsh", "--connect=qemu:///system"),
                "create /dev/stdin --autodestroy; domstate --reason agent-trial",
            ),
            "<domain/>\n",
        ),
    ),
    (
        virsh.batch((("list", "--all"), ("dominfo", "a b")), "MARK"),
        Command(
            (
                *("virsh", "--connect=qemu:///system"),
                "list --all; echo MARK; echo --err MARK; dominfo 'a b'; echo MARK; echo --err MARK",
            )
        ),
    ),
    (
        Virsh("qemu+ssh://other/system").net_autostart(UUID),
        Command(
            ("virsh", "--connect=qemu+ssh://other/system", "net-autostart", f"--network={UUID}")
        ),
    ),
]


@pytest.mark.parametrize(("built", "expected"), CASES)
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
