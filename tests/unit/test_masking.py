"""Passwords in texts and documents, and what is left of them when they are hidden."""

import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import BadLocation, InvalidOutput
from agent.plans.plan import Plan, Step
from agent.tools.command import Command
from agent.tools.commands import curl
from agent.tools.commands.virsh import Virsh
from agent.tools.commands.virt_install import Installer, reinstall
from agent.tools.masking import masked, masked_error, masked_text, may_have_passwords

CMDLINE = 'auto=true root/password=s3cret it\'s "x"'
URL = "http://user:s3c'r\"et@mirror.example.com:8080/debian?a=b@c"
SHOWN = "http://user:***@mirror.example.com:8080/debian?a=b@c"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, SHOWN),
        ("ftp://u:p:q@x@h/a", "ftp://u:***@h/a"),
        ("https://u:p@[2001:db8::1]:80/", "https://u:***@[2001:db8::1]:80/"),
        ("http://u:@h", "http://u:***@h"),
        # As tokens are given, where there is no user.
        ("https://t0ken@h/", "https://***@h/"),
        ("https://:p@h/", "https://***@h/"),
        ("http://h/a@b", "http://h/a@b"),
        ("http://h:80/", "http://h:80/"),
        ("http://[::1]/u:p@x", "http://[::1]/u:p@x"),
        ("http://h?u:p@x", "http://h?u:p@x"),
        ("http://h and u:p@x", "http://h and u:p@x"),
        ("u:p@h", "u:p@h"),
        ("", ""),
    ],
)
def test_the_password_of_a_url(url: str, shown: str) -> None:
    assert masked_text(url) == shown
    assert masked_text(f"cannot fetch {url}, and {url}\n") == f"cannot fetch {shown}, and {shown}\n"


CMDLINES = [
    "a",
    "a=b c=d",
    CMDLINE,
    "'",
    "\\",
    "a\\ b",
    'x="a, b"',
    "a 'b' \"c\" \\d e",
    "$(x) `y` ;",
]


@pytest.mark.parametrize("cmdline", CMDLINES)
def test_a_command_line_in_a_line_of_a_shell(cmdline: str) -> None:
    text, shown = (
        shlex.join(["virt-install", f"--extra-args={each}", "--boot=hd"])
        for each in (cmdline, "***")
    )
    # One that needs no quotes gets none.
    assert masked_text(f"killed: {text}").replace("'", "") == f"killed: {shown}".replace("'", "")


@pytest.mark.parametrize("cmdline", [each for each in CMDLINES if each != "\\"])
def test_a_command_line_in_a_list_of_python(cmdline: str) -> None:
    text, shown = (
        str(["virt-install", f"--extra-args={each}", "--boot=hd"]) for each in (cmdline, "***")
    )
    assert masked_text(f"killed: {text}").replace('"', "'") == f"killed: {shown}"


@given(st.text("ab'\"\\ =&<", min_size=1, max_size=12), st.sampled_from([shlex.join, str]))
def test_nothing_of_a_command_line_is_left(cmdline: str, quoted: Any) -> None:
    text = quoted(["virt-install", f"--extra-args=S3{cmdline}3S", "--boot=hd"])
    shown = masked_text(text)
    assert "S3" not in shown
    assert "3S" not in shown


def test_a_word_of_a_command() -> None:
    assert masked_text("--extra-args=a b 'c'") == "--extra-args=***"


def operation(url: str, cmdline: str, shown_url: str, shown_cmdline: str) -> dict[str, Any]:
    """An operation that installs a host from media, as the journal has it, or as it is shown.

    The shown ones are the same commands of other texts.
    """
    virsh = Virsh("qemu:///system")
    commands = (
        curl.fetch(url, "/f", 10),
        virsh.note_media("uuid", url),
        reinstall("qemu:///system", "uuid", Installer(url, cmdline)),
        Command(("cat",), f"from {url}\n"),
    )
    plan = Plan("install host a", tuple(Step(f"fetch {url}", each, (each,)) for each in commands))
    run = [
        {
            "argv": list(each.argv),
            "stdin": each.stdin,
            "shell": str(each),
            "stdout": f"opening {url}",
            "stderr": f"error: <cmdline>{shown_cmdline} console=ttyS0</cmdline> at {url}",
            "error": f"killed: {each}",
        }
        for each in commands
    ]
    return {
        "does": "install host a",
        "host": "a",
        "number": 3,
        "request": {
            "path": "/hosts/a",
            "body": {"memory": 1, "location": url, "cmdline": cmdline, "disks": [1]},
        },
        "plan": plan.to_json(),
        "commands": run,
        "error": {
            "detail": f"virt-install failed: {shown_cmdline}",
            "command": str(commands[2]),
            "stderr": f"cannot open {url!r}",
        },
        "phase": f"Retrieving {url}",
    }


def test_an_operation() -> None:
    """Hidden in argv first: the line to paste has the quotes that are right for what is shown."""
    plain = 'quiet root/password=s3cret x="a, b"'
    found = masked(operation(URL, plain, URL, plain))
    assert found == masked(found)
    assert "s3" not in json.dumps(found)
    assert found["request"]["body"] == {
        "memory": 1,
        "location": SHOWN,
        "cmdline": "***",
        "disks": [1],
    }
    virt_install = found["plan"]["steps"][2]["command"]
    assert virt_install["argv"][-2:] == [
        f'--location=location="{SHOWN}"',
        "--extra-args=***",
    ]
    for each in (*(step["command"] for step in found["plan"]["steps"]), *found["commands"]):
        assert each["shell"] == str(Command(tuple(each["argv"]), each["stdin"]))
    assert found["commands"][3]["stdin"] == f"from {SHOWN}\n"
    assert [run["stdout"] for run in found["commands"]] == [f"opening {SHOWN}"] * 4
    assert found["commands"][0]["stderr"] == (
        f"error: <cmdline>*** console=ttyS0</cmdline> at {SHOWN}"
    )
    assert found["plan"]["steps"][0]["does"] == f"fetch {SHOWN}"
    assert found["plan"]["steps"][0]["undo"] == [found["plan"]["steps"][0]["command"]]
    assert found["phase"] == f"Retrieving {SHOWN}"
    assert found["error"]["detail"] == "virt-install failed: ***"
    assert (found["does"], found["host"], found["number"]) == ("install host a", "a", 3)
    # What a masked plan becomes is the masked script.
    assert Plan.from_json(found["plan"]).to_json() == found["plan"]


@pytest.mark.parametrize("text", [URL, "a 'b'"])
def test_a_document_that_may_have_passwords(text: str) -> None:
    """Nothing is hidden in any other."""
    for document in (
        {"location": URL},
        {"cmdline": text},
        {"Password": text},
        [f"--extra-args={text}"],
    ):
        assert masked(document) != document
        assert may_have_passwords(json.dumps(document).encode())
    assert not may_have_passwords(b'[{"name": "ns.example.com", "state": "running"}]')


def test_what_has_no_passwords_stays_as_it_is() -> None:
    url = "http://mirror.example.com/debian"
    document = operation(url, "", url, "")
    assert masked(document) == document


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("bad option a=s3cret here", "bad option *** here"),
        ("quiet a=s3cret b='s3'", "***"),
        ("<cmdline>quiet a=s3cret b=&apos;s3&apos;</cmdline>", "<cmdline>***</cmdline>"),
        # A word without a value, and what only looks alike.
        ("quiet", "quiet"),
        ("data=s3cretary", "data=s3cretary"),
    ],
)
def test_what_a_tool_prints_of_a_command_line(printed: str, shown: str) -> None:
    body = {"cmdline": "quiet a=s3cret b='s3'"}
    assert masked({"body": body, "stderr": printed})["stderr"] == shown


@pytest.mark.parametrize(
    ("cmdline", "printed", "shown"),
    [
        ('quiet pw="a b" c', "bad option pw=a b here", "bad option *** here"),
        ('quiet pw="a b" c', 'bad option pw="a b" here', "bad option *** here"),
        ("'pw=a b'", "bad option pw=a b here", "bad option *** here"),
        ("pw=a\\ b", "bad option pw=a b here", "bad option *** here"),
        # A quote without its end is a letter as any other.
        ("it's pw=a b", "it's pw=a b", "***"),
        ("it's pw=a b", "bad option pw=a here", "bad option *** here"),
    ],
)
def test_what_a_tool_prints_of_a_quoted_word(cmdline: str, printed: str, shown: str) -> None:
    assert masked({"cmdline": cmdline, "stderr": printed})["stderr"] == shown


def test_one_of_many_is_hidden_by_its_own() -> None:
    rows = [{"body": {"cmdline": "a=1 b=2"}, "text": "a=1"}, {"body": None, "text": "a=1"}]
    assert masked(rows) == [
        {"body": {"cmdline": "***"}, "text": "***"},
        {"body": None, "text": "a=1"},
    ]


def test_fields_that_are_passwords() -> None:
    given = {"Password": "s3cret", "cmdline": 1, "a": [{"password": "x", "UserName": "u"}, 1, None]}
    assert masked(given) == {
        "Password": "***",
        "cmdline": 1,
        "a": [{"password": "***", "UserName": "u"}, 1, None],
    }


def test_an_error() -> None:
    argv = reinstall("qemu:///system", "uuid", Installer(URL, "quiet a=s3cret")).argv
    error = BadLocation(argv, 1, f"ERROR    no a=s3cret at {URL}")
    assert masked_error(error) == f"virt-install cannot install from location: no *** at {SHOWN}"
    assert masked_error(InvalidOutput("virsh", URL, "odd")) == (
        f"virsh printed what the agent cannot read (odd): {SHOWN!r}"
    )
