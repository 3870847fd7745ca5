"""What systemd is told, on a socket of the test's own."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.server import systemd as notify


@pytest.fixture(params=["file", "name of the kernel's"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    path = str(tmp_path / "notify")
    mark, begins = ("", "") if request.param == "file" else ("@", "\0")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(begins + path)
        listener.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", mark + path)
        yield listener


def test_each_message(systemd: socket.socket) -> None:
    notify.ready()
    assert systemd.recv(1024) == b"READY=1"
    notify.reloading()
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d{6,}", systemd.recv(1024))
    notify.stopping(1.5)
    assert systemd.recv(1024) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"


def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready()


def test_a_systemd_that_is_gone_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify.ready()
    assert caplog.messages == [
        f"systemd cannot be told 'READY=1' at {tmp_path / 'gone'}:"
        " [Errno 2] No such file or directory"
    ]
