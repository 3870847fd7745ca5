"""Media: images that are fetched, put into a host's drive and taken out again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from . import stack
from .daemon import Agent, Answer
from .images import IMAGE, Images
from .stack import POOL_PATH, own, virsh

NAME = own("ns")
HOST = {"memory": 64, "disks": [1], "networks": []}
OFF = {**HOST, "start": False}
ASYNC = {"Prefer": "respond-async"}


def _insert(agent: Agent, url: str, **more: Any) -> Answer:
    return agent.request("PUT", f"/hosts/{NAME}/media", {"image": url}, **more)


def _eject(agent: Agent) -> Answer:
    return agent.request("DELETE", f"/hosts/{NAME}/media")


def _volume() -> str:
    """The name of the volume that a host's media is."""
    return f"{NAME}.{stack.uuid(NAME)}.media"


def _assert_in_drive(*forms: str) -> None:
    """The host has one read-only drive with the image in it. forms: options of dumpxml."""
    for form in forms:
        (drive,) = stack.definition(NAME, *filter(None, [form])).findall(
            "devices/disk[@device='cdrom']"
        )
        path = POOL_PATH / _volume()
        assert drive.find("source").attrib["file"] == str(path)
        assert drive.find("target").attrib == {"dev": "sdb", "bus": "scsi"}
        assert drive.find("readonly") is not None
        address = {"type": "drive", "controller": "0", "bus": "0", "target": "1", "unit": "0"}
        assert drive.find("address").attrib == address
        assert path.read_bytes() == IMAGE


@contextmanager
def _nothing_fetched(agent: Agent) -> Iterator[None]:
    """See that nothing is left of an image, in the pool, in the agent's folder or in the host."""
    with stack.unchanged():
        yield
        assert agent.get("hosts", NAME).body["media"] is None
        assert list(agent.state_dir.glob("*.media")) == []


@pytest.mark.parametrize("start", [True, False], ids=["running", "off"])
def test_media_is_put_in_and_taken_out(agent: Agent, images: Images, start: bool) -> None:
    """At once where the host runs, and for its next start."""
    made = agent.post("hosts", NAME, body={**HOST, "start": start}).body
    assert made["media"] is None
    url = images.url("an%20image?a=[1]&b={2,3}")
    for _ in range(2):
        with _nothing_fetched(agent):
            inserted = _insert(agent, url)
            assert (inserted.status, inserted.body) == (200, {**made, "media": {"image": url}})
            assert agent.get("hosts", NAME).body == inserted.body
            assert stack.volumes() == {stack.volume(NAME, 0), _volume()}
            _assert_in_drive("", "--inactive")
            again = _insert(agent, images.url())
            assert (again.status, again.body["detail"]) == (
                409,
                f"host {NAME!r} has media already, from {url}; take it out first",
            )
            _assert_in_drive("", "--inactive")
            ejected = _eject(agent)
            assert (ejected.status, ejected.body) == (200, made)
    assert _eject(agent).status == 404


def test_media_goes_with_its_host(agent: Agent, images: Images) -> None:
    """Also when somebody has taken it out of the drive by hand."""
    with stack.unchanged():
        for by_hand in (False, True):
            assert agent.post("hosts", NAME, body=OFF).status == 200
            assert _insert(agent, images.url()).status == 200
            volumes = [stack.volume(NAME, 0), _volume()]
            if by_hand:
                virsh("detach-disk", NAME, "sdb", "--config")
            removed = agent.delete("hosts", NAME).body
            assert (removed["deleted"], removed["kept"]) == (volumes, [])


def test_media_that_somebody_took_out_of_the_drive(agent: Agent, images: Images) -> None:
    """What is left of it is shown, and taken away like any other."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with _nothing_fetched(agent):
        assert _insert(agent, images.url()).status == 200
        virsh("detach-disk", NAME, "sdb", "--config")
        assert agent.get("hosts", NAME).body["media"] == {"image": images.url()}
        assert _insert(agent, images.url()).status == 409
        assert _eject(agent).status == 200


def test_a_drive_beside_many_disks(agent: Agent, images: Images) -> None:
    """It is on their controller, where libvirt would give it one of another kind."""
    assert agent.post("hosts", NAME, body={**HOST, "disks": [1] * 8}).status == 200
    assert _insert(agent, images.url()).status == 200
    xml = stack.definition(NAME)
    controllers = xml.findall("devices/controller[@type='scsi']")
    assert stack.values(controllers, "model") == ["virtio-scsi"]
    (drive,) = xml.findall("devices/disk[@device='cdrom']")
    assert (drive.find("target").attrib["dev"], drive.find("address").attrib["target"]) == (
        "sdi",
        "8",
    )


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("404", "The requested URL returned error: 404"),
        ("500", "The requested URL returned error: 500"),
        ("302/404", "The requested URL returned error: 404"),
        ("302/302/302/302/302/302/302/302/302/302/302/image", "Maximum (10) redirects followed"),
        ("204", "it printed '204', not '200'"),
        ("cut", f"{len(IMAGE) - len(IMAGE) // 2} bytes "),
    ],
)
def test_an_image_that_cannot_be_fetched(agent: Agent, images: Images, path: str, why: str) -> None:
    """The error names the URL and says why, and nothing is left."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with _nothing_fetched(agent):
        url = images.url(path)
        answer = _insert(agent, url)
        assert answer.status == 400
        assert answer.body["detail"].startswith(f"cannot fetch {url}: ")
        assert why in answer.body["detail"]


def test_nobody_serves_the_image(agent: Agent) -> None:
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with _nothing_fetched(agent):
        answer = _insert(agent, "http://127.0.0.1:1/image")
        assert answer.status == 400
        assert answer.body["detail"].startswith("cannot fetch http://127.0.0.1:1/image: ")
        assert "port 1" in answer.body["detail"]


def test_a_redirect_is_followed(agent: Agent, images: Images) -> None:
    """What is noted is the URL that was asked for."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    url = images.url("302/301/image")
    assert _insert(agent, url).body["media"] == {"image": url}
    _assert_in_drive("")


def test_a_redirect_to_a_file_of_the_agents_machine_is_not(agent: Agent, images: Images) -> None:
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with _nothing_fetched(agent):
        answer = _insert(agent, images.url("302-file"))
        assert answer.status == 400
        assert 'Protocol "file"' in answer.body["detail"]


@pytest.mark.parametrize("path", ["endless", "large"])
def test_an_image_that_is_larger_than_it_may_be(
    start_agent: Callable[..., Agent], images: Images, path: str
) -> None:
    """Whether the server says so before or not."""
    agent = start_agent(media_gb=1)
    assert agent.post("hosts", NAME, body=OFF).status == 200
    with _nothing_fetched(agent):
        url = images.url(path)
        answer = _insert(agent, url)
        assert (answer.status, answer.body["detail"]) == (
            400,
            f"cannot fetch {url}: it is larger than the setting media_gb allows",
        )


def test_how_far_the_fetching_is(agent: Agent, images: Images) -> None:
    """The operation tells in its phase while the server holds back the end."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    accepted = _insert(agent, images.url("waiting"), headers=ASYNC)
    assert accepted.status == 202
    operation = accepted.body["id"]
    half = f"fetched {len(IMAGE) // 2 / (1 << 20):.1f} MB"
    stack.wait_for(
        lambda: agent.get("operations", operation).body["phase"] == half, f"phase {half!r}"
    )
    refused = agent.request("PUT", f"/hosts/{NAME}/start")
    assert (refused.status, refused.body["held_by"]) == (409, operation)
    images.go_on()
    ended = agent.ended(operation)
    assert (ended["status"], ended["phase"]) == ("done", None)
    _assert_in_drive("", "--inactive")


def test_the_image_is_nobodys_but_root_and_qemus(agent: Agent, images: Images) -> None:
    """As every volume of the pool."""
    assert agent.post("hosts", NAME, body=OFF).status == 200
    assert _insert(agent, images.url()).status == 200
    modes = {path.name: path.stat().st_mode & 0o777 for path in Path(POOL_PATH).iterdir()}
    assert modes == dict.fromkeys((stack.volume(NAME, 0), _volume()), 0o600)
