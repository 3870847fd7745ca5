"""Commands as data, those whose words are in no golden file, and how tools read their words back.

Those of plans stand whole in the golden files and in `changes`, the reads in `web`.
"""

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tools.command import Command, Result
from agent.tools.commands.virsh import Virsh
from agent.tools.commands.virt_install import Disk, Installer, Nic, quoted, virt_install

UUID = "6f1c1c3e-0000-4000-8000-000000000001"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
virsh = Virsh("qemu:///system")


@pytest.mark.parametrize(
    ("command", "exit_code", "stdout", "stderr", "succeeded"),
    [
        (Command(("a",)), 0, "whatever", "whatever", True),
        (Command(("a",)), 1, "", "", False),
        (Command(("a",), tolerates=("gone", "is off")), 1, "", "error: it is off\n", True),
        (Command(("a",), tolerates=("gone", "is off")), 1, "gone", "error: no\n", False),
        (Command(("a",), expects="shut off"), 0, "shut off\n\n", "", True),
        (Command(("a",), expects="shut off"), 0, " shut off", "", True),
        (Command(("a",), expects="shut off"), 0, "shut off \nrunning\n", "", False),
        (Command(("a",), expects="shut off"), 0, "", "", False),
        (Command(("a",), expects="shut off"), 1, "shut off\n", "", False),
        (Command(("a",), expects="shut off"), -9, "shut off\n", "", False),
        (Command(("a",), None, ("gone",), "shut off"), 1, "", "gone", True),
        (Command(("a",), None, ("gone",), "shut off"), 0, "on", "gone", False),
        (Command(("a",), expects=""), 0, "\n", "", True),
        (Command(("a",), expects=""), 0, "a\n", "", False),
        (Command(("a",), expects="a\nb"), 0, "a\nb\n\n", "", True),
        (Command(("a",), expects="a\nb"), 0, "b\na\n\n", "", False),
    ],
)
def test_whether_a_command_succeeded(
    command: Command, exit_code: int, stdout: str, stderr: str, succeeded: bool
) -> None:
    assert command.succeeded(Result(("a",), exit_code, stdout, stderr, 0.0)) is succeeded


def test_a_command_as_plain_values() -> None:
    command = Command(("virsh", "domstate", "a b"), None, ("gone",), "shut off")
    values = {
        "argv": ["virsh", "domstate", "a b"],
        "stdin": None,
        "tolerates": ["gone"],
        "expects": "shut off",
        "shell": "virsh domstate 'a b'",
    }
    assert command.to_json() == values
    assert Command.from_json(json.loads(json.dumps(values))) == command
    # A journal of before commands had to print anything.
    del values["expects"]
    assert Command.from_json(values) == Command(("virsh", "domstate", "a b"), None, ("gone",))


def test_a_trial_of_a_domain() -> None:
    line = "create /dev/stdin --autodestroy; domstate --reason agent-trial"
    assert virsh.trial("agent-trial", "<domain/>\n") == Command(
        ("virsh", "--connect=qemu:///system", line), "<domain/>\n"
    )


def test_a_batch() -> None:
    line = "list --all; echo MARK; echo --err MARK; dominfo 'a b'; echo MARK; echo --err MARK"
    assert virsh.batch((("list", "--all"), ("dominfo", "a b")), "MARK") == Command(
        ("virsh", "--connect=qemu:///system", line)
    )


def test_another_libvirt() -> None:
    assert Virsh("qemu+ssh://other/system").net_autostart(UUID) == Command(
        ("virsh", "--connect=qemu+ssh://other/system", "net-autostart", f"--network={UUID}")
    )


@given(
    st.lists(
        st.lists(TEXT, min_size=1),
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


def sub_options(argument: str) -> list[tuple[str, str | None]]:
    """Split an argument's value as virt-install does in `parse_optstr_tuples`."""
    lexer = shlex.shlex(argument.partition("=")[2], posix=True)
    lexer.commenters = ""
    lexer.whitespace = ","
    lexer.whitespace_split = True
    pairs = (word.partition("=") for word in lexer)
    return [(name, value if equals else None) for name, equals, value in pairs]


@given(TEXT)
def test_a_quoted_value_is_read_back(value: str) -> None:
    assert sub_options(f"--any=a={quoted(value)},b=1") == [("a", value), ("b", "1")]


@given(TEXT, TEXT, TEXT, TEXT, TEXT)
def test_every_value_is_read_back(
    pool: str, volume: str, network: str, location: str, log: str
) -> None:
    words = virt_install(
        connect="qemu:///system",
        name="ns.example.com",
        uuid=UUID,
        memory_mib=512,
        vcpus=1,
        autostart=False,
        machine="q35",
        virt_type="kvm",
        disks=[Disk(pool, volume)],
        nics=[Nic(network, "h6f1c1c3e00-0", "02:00:00:00:00:01")],
        boot=("disk", "network"),
        installer=Installer(location=location),
        start=True,
        console_log=log,
    ).argv
    read = {word.partition("=")[0]: sub_options(word) for word in words if "=" in word}
    assert read["--disk"] == [
        ("vol", f"{pool}/{volume}"),
        ("bus", "scsi"),
        ("address.type", "drive"),
        ("address.controller", "0"),
        ("address.bus", "0"),
        ("address.target", "0"),
        ("address.unit", "0"),
    ]
    assert read["--network"] == [
        ("network", network),
        ("mac", "02:00:00:00:00:01"),
        ("model", "virtio"),
        ("target.dev", "h6f1c1c3e00-0"),
    ]
    assert read["--location"] == [("location", location)]
    assert read["--serial"] == [("pty", None), ("log.file", log), ("log.append", "on")]
