"""What a machine shows and uses: its screen, its usage, and the same in the metrics."""

import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from . import stack
from .daemon import Agent
from .stack import V10, own
from .test_operating import metrics

NAME = own("ns")
BODY = {"memory": 64, "disks": [1], "networks": [V10]}
HOST = "staging_agent_host_"


def _chunks(png: bytes) -> dict[bytes, bytes]:
    """What each kind of chunk of a PNG holds, all of them whole."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found: dict[bytes, bytes] = {}
    at = 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        assert png[at + 8 + size :][:4] == struct.pack(">I", zlib.crc32(kind + data))
        found[kind] = found.get(kind, b"") + data
        at += size + 12
    return found


def _usage(agent: Agent) -> Any:
    answer = agent.get("hosts", NAME, "usage")
    assert answer.status == 200
    return answer.body


@pytest.fixture
def host(either_agent: Agent) -> Any:
    """A machine that looks for something to boot, on its disk and then on its network."""
    answer = either_agent.post("hosts", NAME, body=BODY)
    assert answer.status == 200
    return answer.body


def test_a_screen(either_agent: Agent, host: Any) -> None:
    """A whole picture, of something that is not all black once the firmware has written."""

    def picture() -> tuple[int, int] | None:
        status, headers, png = either_agent.data("GET", f"/hosts/{NAME}/screen")
        assert (status, headers["content-type"]) == (200, "image/png")
        assert int(headers["content-length"]) == len(png)
        chunks = _chunks(png)
        assert b"IEND" in chunks
        pixels = zlib.decompress(chunks[b"IDAT"])
        return struct.unpack(">II", chunks[b"IHDR"][:8]) if any(pixels) else None

    width, height = stack.wait_for(picture, "anything on the screen")
    assert width >= 640
    assert height >= 400
    status, headers, nothing = either_agent.data("HEAD", f"/hosts/{NAME}/screen")
    assert (status, headers["content-type"], nothing) == (200, "image/png", b"")


def test_a_host_that_is_off_or_not_there(agent: Agent) -> None:
    assert agent.post("hosts", NAME, body=BODY).status == 200
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200
    for part, why in (
        ("screen", "has a screen only while it is running"),
        ("usage", "has no usage until it is started"),
    ):
        answer = agent.get("hosts", NAME, part)
        assert (answer.status, answer.body["detail"]) == (
            409,
            f"host {NAME!r} is shut off, and {why}",
        )
        answer = agent.get("hosts", own("nope"), part)
        assert (answer.status, answer.body["detail"]) == (404, f"there is no host {own('nope')!r}")


def test_a_machine_that_was_made_without_a_display(agent: Agent) -> None:
    stack.virsh("create", "/dev/stdin", stdin=stack.domain_xml(NAME))
    answer = agent.get("hosts", NAME, "screen")
    assert (answer.status, answer.body["detail"]) == (409, f"host {NAME!r} has no screen")
    used = _usage(agent)
    assert (used["disks"], used["interfaces"]) == ([], [])
    assert used["memory_bytes"] > 1 << 20


def test_usage_rises(either_agent: Agent, host: Any) -> None:
    """It runs, reads its disk's first sector, and asks on its network for an address."""
    first = _usage(either_agent)
    (card,) = host["interfaces"]
    assert [disk["target"] for disk in first["disks"]] == ["sda"]
    assert [each["mac"] for each in first["interfaces"]] == [card["mac"]]

    def later() -> Any:
        used = _usage(either_agent)
        return (
            used["cpu_seconds"] > first["cpu_seconds"]
            and used["disks"][0]["read_bytes"] >= 512
            and used["interfaces"][0]["sent_bytes"] > 0
            and used
        )

    used = stack.wait_for(later, "a machine that has read and sent something")
    assert used["disks"][0]["written_bytes"] == 0
    assert used["memory_bytes"] > 1 << 20


def test_metrics_have_a_host_while_it_runs(agent: Agent) -> None:
    made = agent.post("hosts", NAME, body=BODY).body
    (port,) = [card["port"] for card in made["interfaces"]]

    def figures() -> dict[tuple[str, ...], float] | None:
        found = metrics(agent)
        # libvirt may be busy for longer than a scrape waits.
        if not found["staging_agent_libvirt_up",]:
            return None
        own = {key: value for key, value in found.items() if NAME in key}
        return {(key[0].removeprefix(HOST), *key[1:]): value for key, value in own.items()}

    # It may be busy with this host alone, and then nothing is told that QEMU has to be asked for.
    wanted = {
        ("cpu_seconds_total", NAME),
        ("memory_bytes", NAME),
        ("disk_read_bytes_total", "sda", NAME),
        ("disk_written_bytes_total", "sda", NAME),
        ("network_received_bytes_total", NAME, port),
        ("network_sent_bytes_total", NAME, port),
    }

    def rises() -> bool:
        found = figures() or {}
        return {*found} == wanted and (
            found["cpu_seconds_total", NAME] > 0
            and found["disk_read_bytes_total", "sda", NAME] >= 512
            and found["network_sent_bytes_total", NAME, port] > 0
        )

    stack.wait_for(rises, "metrics of the host that rise")
    assert agent.request("PUT", f"/hosts/{NAME}/stop").status == 200
    assert stack.wait_for(lambda: (found := figures()) is not None and [found], "metrics") == [{}]


def test_the_console_of_a_machine_as_a_terminal_shows_it(
    start_agent: Callable[..., Agent], tree: str
) -> None:
    """What its installer and its boot sector have said, with what the firmware has drawn."""
    agent = start_agent()
    body = {**BODY, "memory": 256, "install": True, "location": tree, "console": True}
    assert agent.post("hosts", NAME, body=body).status == 200
    target = f"/hosts/{NAME}/console?screen=true"

    def booted() -> Any:
        answer = agent.request("GET", target)
        assert answer.status == 200
        return any("booted from disk" in line for line in answer.body["lines"]) and answer.body

    shown = stack.wait_for(booted, "a boot sector's line on the screen")
    assert (shown["columns"], shown["rows"], len(shown["lines"])) == (80, 24, 24)
    assert max(map(len, shown["lines"])) <= 80
    text = agent.text("GET", target, None, {"Accept": "text/plain"}).text
    assert text.splitlines() == shown["lines"]
    assert agent.request("GET", f"/hosts/{NAME}/console?offset={shown['next']}").body["text"] == ""
