"""Listening on a unix socket: its file, whom it is for, and what is found in its place."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from agent.config import Config
from agent.errors import ConfigError
from agent.server import listening as module
from agent.server.listening import greeting, listening


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


def config(path: Path, **more: str) -> Config:
    return Config(listen=f"unix:{path}", **more)


def refusal(settings: Config) -> str:
    """Why the agent cannot listen."""
    with pytest.raises(ConfigError) as caught, listening(settings):
        pass
    return caught.value.detail


@pytest.mark.parametrize("mode", ["0660", "600", "0666"])
def test_its_file(path: Path, mode: str) -> None:
    with listening(config(path, socket_mode=mode)):
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == int(mode, 8)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    assert not path.exists()


def test_nobody_comes_in_before_it_has_its_group(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection made while its mode is the umask's would be answered later."""
    seen = []
    before = os.umask(0)
    monkeypatch.setattr(
        os, "chown", lambda name, user, group: seen.append(stat.S_IMODE(os.stat(name).st_mode))
    )
    try:
        with listening(config(path)):
            assert seen == [0o600]
    finally:
        os.umask(before)


def test_its_group(path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    with listening(config(path, socket_group=group)):
        assert path.stat().st_gid == os.getgid()


def test_a_group_that_is_not_there(path: Path) -> None:
    assert (
        refusal(config(path, socket_group="no such")) == "socket_group: there is no group 'no such'"
    )
    assert not path.exists()


def test_the_socket_of_a_dead_server_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    with listening(config(path)), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("backlog", [8, 0])
def test_the_socket_of_a_server_that_lives_is_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, backlog: int
) -> None:
    """One that takes no more connections, too."""
    monkeypatch.setattr(module, "_CONNECT_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as living:
        living.bind(str(path))
        living.listen(backlog)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(str(path))
        inode = path.stat().st_ino
        detail = refusal(config(path))
        for each in waiting:
            each.close()
    assert detail == f"listen: unix:{path}: another server listens there"
    assert path.stat().st_ino == inode


def test_a_file_in_its_place_is_left_alone(path: Path) -> None:
    path.write_text("kept")
    assert refusal(config(path)) == f"listen: unix:{path}: it is a file, not a socket"
    assert path.read_text() == "kept"


def test_what_somebody_else_has_put_in_its_place_is_left_alone(path: Path) -> None:
    with listening(config(path)):
        path.rename(path.with_name("moved"))
        path.write_text("kept")
    assert path.read_text() == "kept"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "agent.sock"
    assert refusal(config(path)) == f"listen: unix:{path}: No such file or directory"


def test_what_can_be_tried_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "a b.sock"
    with listening(config(path)) as listener:
        text = greeting(listener, config(path))
    lines = text.splitlines()
    assert lines[0] == f"ready: unix:{path}"
    assert lines[2] == "Try, in another terminal:"
    assert lines[3] == f"  curl -s --unix-socket '{path}' http://localhost/health"
    assert len(lines) == 9


def test_what_can_be_tried_with_a_token() -> None:
    settings = Config(listen="127.0.0.1:0", tokens_file="/t")
    with listening(settings) as listener:
        port = listener.getsockname()[1]
        lines = greeting(listener, settings).splitlines()
    base = f"http://127.0.0.1:{port}"
    assert lines[0] == f"ready: {base}"
    assert lines[2] == (
        "Try, in another terminal, with TOKEN from: python -m agent token add NAME --config FILE:"
    )
    assert lines[3] == f'  curl -s -H "Authorization: Bearer $TOKEN" {base}/health'
