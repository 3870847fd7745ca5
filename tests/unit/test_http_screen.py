"""What a host shows and uses: its screen, its usage, and its console as a terminal shows it."""

import re
from typing import Any

import pytest

from agent.hypervisor import consoles

from .changes import HOST
from .recorded import FIXTURES, Read, virsh, virsh_error
from .web import COUNTERS, LIST, ODD, Agent, details, see_invalid, see_problem, uuid

PNG = (FIXTURES / "virsh-9.0.0.screenshot.out").read_bytes()


def expect_screenshot(agent: Agent, number: int, **more: Any) -> Any:
    """The commands for a picture of the screen of a recorded host."""
    agent.reads(LIST)
    words = ("--quiet", "screenshot", f"--domain={uuid(number)}", "--file=/dev/stdout")
    return agent.virsh(*words, **more)


def test_a_screen(agent: Agent) -> None:
    expect_screenshot(agent, 1, stdout=PNG)
    answer = agent("GET", f"/hosts/{HOST}/screen")
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"


def test_head_of_a_screen(agent: Agent) -> None:
    expect_screenshot(agent, 1, stdout=PNG)
    answer = agent("HEAD", f"/hosts/{HOST}/screen")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(PNG))


@pytest.mark.parametrize("part", ["screen", "usage", "console?screen=true"])
def test_of_a_host_that_is_not_there(agent: Agent, part: str) -> None:
    agent.reads(LIST)
    path, _, query = part.partition("?")
    answer = agent("GET", f"/hosts/nope/{path}", query_string=query)
    see_problem(answer, 404, "there is no host 'nope'")


@pytest.mark.parametrize(
    ("case", "status", "detail"),
    [
        ("off", 409, f"host {ODD!r} is shut off, and has a screen only while it is running"),
        ("gone", 404, f"there is no host {ODD!r}"),
        ("blind", 409, f"host {ODD!r} has no screen"),
    ],
)
def test_a_host_without_a_picture(agent: Agent, case: str, status: int, detail: str) -> None:
    stderr = virsh_error(f"screenshot-{case}")
    expect_screenshot(agent, 3, stdout="\n", stderr=stderr, returncode=1)
    see_problem(agent("GET", f"/hosts/{ODD}/screen"), status, detail)


@pytest.mark.parametrize(
    "why",
    [
        "Kernel does not provide mount namespace: No such file or directory",
        "internal error: End of file from qemu monitor (vm='a')",
        "Unable to read from monitor: Connection reset by peer",
    ],
)
def test_a_screenshot_of_a_host_that_ends_meanwhile(agent: Agent, why: str) -> None:
    """As virsh said of one that was being stopped; by hand, since it is a matter of luck."""
    stderr = f"error: could not take a screenshot of a\nerror: {why}\n"
    expect_screenshot(agent, 1, stdout="\n", stderr=stderr, returncode=1)
    detail = f"host '{HOST}' is shut off, and has a screen only while it is running"
    see_problem(agent("GET", f"/hosts/{HOST}/screen"), 409, detail)


def test_a_screenshot_that_fails(agent: Agent) -> None:
    stderr = "error: could not take a screenshot of a\nerror: internal error: no\n"
    expect_screenshot(agent, 1, stdout="\n", stderr=stderr, returncode=1)
    see_problem(
        agent("GET", f"/hosts/{HOST}/screen"),
        500,
        "virsh failed: could not take a screenshot of a; internal error: no",
        command="virsh --connect=qemu:///system --quiet screenshot"
        f" --domain={uuid(1)} --file=/dev/stdout",
        exit_code=1,
        stderr=stderr.strip(),
    )


@pytest.mark.parametrize("picture", [b"P6\n720 400\n255\n\x00\x01\xff more", b"\n", b""])
def test_a_picture_that_is_no_png(agent: Agent, picture: bytes) -> None:
    expect_screenshot(agent, 1, stdout=picture)
    quoted = picture[:16].decode("latin-1")
    detail = f"virsh screenshot printed what the agent cannot read (not a PNG): {quoted!r}"
    see_problem(agent("GET", f"/hosts/{HOST}/screen"), 500, detail)


def expect_usage(agent: Agent, number: int, stats: str, xml: str) -> None:
    """The reads for the usage of a recorded host."""
    agent.reads(LIST)
    agent.reads(
        Read(f"domstats --state {COUNTERS} {uuid(number)}", stats),
        Read(f"dumpxml {uuid(number)}", xml),
    )


USED = virsh("domstats-usage-running")
FIGURES = dict(re.findall(r"^  (.*?)=(.*)$", USED, re.MULTILINE))


def test_usage(agent: Agent) -> None:
    expect_usage(agent, 1, USED, virsh("dumpxml-running"))
    answer = agent("GET", f"/hosts/{HOST}/usage")
    assert (answer.status_code, answer.json) == (
        200,
        {
            "cpu_seconds": int(FIGURES["cpu.time"]) / 1e9,
            "memory_bytes": int(FIGURES["balloon.rss"]) * 1024,
            "disks": [
                {
                    "target": target,
                    "read_bytes": int(FIGURES[f"block.{index}.rd.bytes"]),
                    "written_bytes": int(FIGURES[f"block.{index}.wr.bytes"]),
                }
                for index, target in enumerate(("sda", "sdb"))
            ],
            "interfaces": [
                {
                    "mac": f"52:54:00:00:01:0{index}",
                    "received_bytes": int(FIGURES[f"net.{index}.rx.bytes"]),
                    "sent_bytes": int(FIGURES[f"net.{index}.tx.bytes"]),
                }
                for index in (0, 1)
            ],
        },
    )


def test_a_card_that_is_not_counted_is_left_out(agent: Agent) -> None:
    """As one that is not on a bridge, which has no port."""
    stats = USED.replace("net.0.name=h0000000000-0", "net.0.name=other")
    expect_usage(agent, 1, stats, virsh("dumpxml-running"))
    found = agent("GET", f"/hosts/{HOST}/usage").json["interfaces"]
    assert [card["mac"] for card in found] == ["52:54:00:00:01:01"]


def test_usage_of_a_host_that_is_off(agent: Agent) -> None:
    expect_usage(agent, 3, virsh("domstats-usage-off"), virsh("dumpxml-off"))
    detail = f"host {ODD!r} is shut off, and has no usage until it is started"
    see_problem(agent("GET", f"/hosts/{ODD}/usage"), 409, detail)


@pytest.mark.parametrize("stderr", [virsh_error("dumpxml-gone"), ""])
def test_usage_of_a_host_that_goes_meanwhile(agent: Agent, stderr: str) -> None:
    """Before virsh has found the domain, and after, when it tells nothing."""
    agent.reads(LIST)
    agent.reads(
        Read(f"domstats --state {COUNTERS} {uuid(1)}", stderr=stderr),
        Read(f"dumpxml {uuid(1)}", stderr=virsh_error("dumpxml-gone")),
    )
    see_problem(agent("GET", f"/hosts/{HOST}/usage"), 404, f"there is no host {HOST!r}")


def test_usage_without_the_processor_time(agent: Agent) -> None:
    stats = "Domain: 'a'\n  state.state=1\n  state.reason=1\n\n"
    expect_usage(agent, 1, stats, virsh("dumpxml-running"))
    detail = (
        f"libvirt cannot report the usage of host {HOST!r} while it is busy, such as with a"
        " snapshot; try again"
    )
    see_problem(agent("GET", f"/hosts/{HOST}/usage"), 409, detail)


@pytest.fixture
def printed(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that a login prompt was drawn on."""
    log = b"\x1b[2J\x1b[3;5Hname: \x1b[4;5H----"
    monkeypatch.setattr(consoles, "tail", lambda path: (log, 1234))
    agent.reads(LIST)
    agent.reads(*details(1, "running"))


LINES = ["", "", "    name:", "    ----", *[""] * 20]


@pytest.mark.usefixtures("printed")
def test_a_console_as_a_terminal_shows_it(agent: Agent) -> None:
    answer = agent("GET", f"/hosts/{HOST}/console", query_string="screen=true")
    assert (answer.status_code, answer.json) == (
        200,
        {
            "columns": 80,
            "rows": 24,
            "lines": LINES,
            "cursor": {"row": 3, "column": 8},
            "next": 1234,
        },
    )


@pytest.mark.usefixtures("printed")
def test_a_console_as_a_terminal_shows_it_in_text(agent: Agent) -> None:
    answer = agent(
        "GET",
        f"/hosts/{HOST}/console",
        query_string="screen=true",
        headers={"Accept": "text/plain"},
    )
    assert (answer.status_code, answer.text) == (200, "".join(f"{line}\n" for line in LINES))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_console_whose_cursor_is_hidden(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consoles, "tail", lambda path: (b"\x1b[?25l", 6))
    agent.reads(LIST)
    agent.reads(*details(1, "running"))
    answer = agent("GET", f"/hosts/{HOST}/console", query_string="screen=true")
    assert answer.json["cursor"] is None


def test_screen_does_not_go_with_what_asks_for_pieces(agent: Agent) -> None:
    query = "screen=true&wait=1&offset=0&follow=false"
    answer = agent("GET", f"/hosts/{HOST}/console", query_string=query)
    why = "cannot be combined with screen"
    see_invalid(answer, ("offset", why), ("wait", why), ("follow", why))


def test_screen_is_true_or_false(agent: Agent) -> None:
    answer = agent("GET", f"/hosts/{HOST}/console", query_string="screen=1")
    see_invalid(answer, ("screen", "'1' is neither true nor false"))
