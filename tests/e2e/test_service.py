"""The agent as a service: what scripts/install puts in place, and that it works with what the
systemd unit leaves it.

There is no systemd here, so the restrictions of the unit that a kernel alone can make are made by
the test: read-only file systems, no homes, no devices, one capability.
"""

import grp
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import stack
from .daemon import PROJECT, Agent, serving
from .libvirtd import IMAGES, LOGS, POOL, Libvirt
from .stack import own, virsh

UNIT = PROJECT / "etc/staging-agent.service"
NETWORK, HOST = own("service"), own("service-host")


def install(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROJECT / "scripts/install", f"--root={root}", *options],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def root(whole_stack: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a service, below a folder of the tests' own."""
    folder = tmp_path_factory.mktemp("root")
    ended = install(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    return folder


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """The same, for a test to change."""
    return Path(shutil.copytree(root, tmp_path / "copy", symlinks=True))


def files(root: Path) -> dict[str, str]:
    """Every file and folder but the code's: its mode, by its path."""
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if each not in ("agent", "venv")]
        for name in (*folders, *files):
            path = Path(folder, name)
            found[str(path.relative_to(root))] = stat.filemode(path.lstat().st_mode)
            assert (path.lstat().st_uid, path.lstat().st_gid) == (os.getuid(), os.getgid())
    return found


FOLDER, FILE = "drwxr-xr-x", "-rw-r--r--"
KEPT = {
    "etc": FOLDER,
    "etc/default": FOLDER,
    "etc/default/staging-agent": FILE,
    "etc/staging-agent": FOLDER,
    "etc/staging-agent/agent.toml": "-rw-r-----",
    "var": FOLDER,
    "var/lib": FOLDER,
    "var/lib/staging-agent": "drwx------",
}
# What is shared with others is left where it is empty, too.
SHARED = {
    "usr": FOLDER,
    "usr/lib": FOLDER,
    "usr/lib/systemd": FOLDER,
    "usr/lib/systemd/system": FOLDER,
    "usr/sbin": FOLDER,
}
CODE = {
    "usr/lib/staging-agent": FOLDER,
    "usr/lib/staging-agent/requirements.txt": FILE,
    "usr/lib/systemd/system/staging-agent.service": FILE,
    "usr/sbin/staging-agent": "-rwxr-xr-x",
}
AS_USER = {
    "etc/polkit-1": FOLDER,
    "etc/polkit-1/rules.d": FOLDER,
    "etc/polkit-1/rules.d/50-staging-agent.rules": FILE,
    "usr/lib/systemd/system/staging-agent.service.d": FOLDER,
    "usr/lib/systemd/system/staging-agent.service.d/user.conf": FILE,
}


def test_the_files(root: Path) -> None:
    assert files(root) == {**KEPT, **SHARED, **CODE}
    for ours, theirs in (
        ("etc/agent.toml", "etc/staging-agent/agent.toml"),
        ("etc/default/staging-agent", "etc/default/staging-agent"),
        ("etc/staging-agent.service", "usr/lib/systemd/system/staging-agent.service"),
    ):
        assert (PROJECT / ours).read_text() == (root / theirs).read_text()


def test_only_what_runs_is_installed(root: Path) -> None:
    (packages,) = root.glob("usr/lib/staging-agent/venv/lib/python3*/site-packages")
    names = {each.name for each in packages.iterdir()}
    assert {"falcon", "waitress", "prometheus_client"} <= names
    assert not names & {"pytest", "mypy", "hypothesis", "ruff", "_pytest"}
    code = root / "usr/lib/staging-agent/agent"
    for name in ("http/app.py", "manual/access.md"):
        assert (code / name).read_text() == (PROJECT / "agent" / name).read_text()
    # Compiled, since the service may not write there, for the path that it is to have.
    (compiled,) = code.glob("http/__pycache__/app.*.pyc")
    assert b"/usr/lib/staging-agent/agent/http/app.py" in compiled.read_bytes()


def test_an_upgrade_keeps_configuration_and_state(copy: Path) -> None:
    kept = ("etc/staging-agent/agent.toml", "etc/default/staging-agent")
    for name in kept:
        with (copy / name).open("a") as file:
            file.write("# mine\n")
    (copy / "var/lib/staging-agent/journal.sqlite").write_text("the past")
    (copy / "usr/lib/staging-agent/agent/old.py").touch()
    before = files(copy)
    assert install(copy).returncode == 0
    assert files(copy) == before
    assert [(copy / name).read_text().endswith("# mine\n") for name in kept] == [True, True]
    assert (copy / "var/lib/staging-agent/journal.sqlite").read_text() == "the past"
    assert not (copy / "usr/lib/staging-agent/agent/old.py").exists()


def test_a_wrong_configuration_is_told_with_its_line(copy: Path) -> None:
    config = copy / "etc/staging-agent/agent.toml"
    config.write_text("\nthreads = 0\n")
    ended = install(copy)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"install: {config}, line 2: threads: 0 is not more than 0\n"
        "install: the files are in place, but the service was not touched: correct the setting and"
        " run this again\n"
    )


def test_the_user_of_the_service_stays_until_it_is_changed(copy: Path) -> None:
    for options, there in ((("--user",), AS_USER), ((), AS_USER), (("--no-user",), {})):
        assert install(copy, *options).returncode == 0
        found = {path for path, mode in files(copy).items() if mode == FILE}
        expected = {path for path, mode in there.items() if mode == FILE}
        assert found & set(AS_USER) == expected, options


@pytest.mark.parametrize("options", [(), ("--user",)])
def test_what_is_removed_and_what_stays(copy: Path, options: tuple[str, ...]) -> None:
    assert install(copy, *options).returncode == 0
    mine = copy / "var/lib/staging-agent/journal.sqlite"
    mine.write_text("the past")
    ended = install(copy, "--remove")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (
        "kept: /etc/staging-agent /etc/default/staging-agent /var/lib/staging-agent" in ended.stdout
    )
    left = {path for path, mode in files(copy).items() if path not in SHARED}
    shared = {path for path, mode in AS_USER.items() if path.startswith("etc/") and mode == FOLDER}
    assert left == {*KEPT, str(mine.relative_to(copy)), *(shared if options else ())}
    ended = install(copy, "--remove", "--purge")
    assert (ended.returncode, ended.stderr) == (0, "")
    left = {path for path, mode in files(copy).items() if mode != FOLDER}
    assert left == set()
    assert not (copy / "etc/staging-agent").exists()
    assert install(copy, "--remove", "--purge").returncode == 0


@pytest.mark.parametrize(
    "options", [("--purge",), ("--nope",), ("--root",)], ids=["purge", "unknown", "no folder"]
)
def test_options_that_cannot_be(tmp_path: Path, options: tuple[str, ...]) -> None:
    ended = subprocess.run(
        [PROJECT / "scripts/install", *options], capture_output=True, text=True, check=False
    )
    assert ended.returncode in (1, 2)
    assert (ended.stdout, list(tmp_path.iterdir())) == ("", [])


def test_the_unit_is_one(copy: Path) -> None:
    """With the paths of here, since systemd looks whether the program is there."""
    unit = copy / "usr/lib/systemd/system/staging-agent.service"
    text = unit.read_text()
    (program,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    assert (copy / program.lstrip("/")).exists()
    unit.write_text(text.replace(program, f"{copy}{program}"))
    assert install(copy, "--user").returncode == 0
    unit.write_text(text.replace(program, f"{copy}{program}"))
    words = ["systemd-analyze", "verify", "--man=no", str(unit)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_manual_states_the_unit_s_exposure() -> None:
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (exposure,) = re.findall(r"Overall exposure level for staging-agent.service: (\S+)", shown)
    page = (PROJECT / "agent/manual/install.md").read_text()
    (stated,) = re.findall(r"`systemd-analyze security` rates it (\S+) ", page)
    assert float(exposure) <= float(stated)


def settings(name: str) -> list[str]:
    """The values of a setting of the unit."""
    lines = re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)
    return [word for line in lines for word in line.split()]


# The words after the folders that may be written are the command.
CONFINE = """
set -eu
while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done
shift
mount -t tmpfs -o mode=755 dev /mnt
mknod -m 666 /mnt/null c 1 3
mknod -m 666 /mnt/zero c 1 5
mknod -m 666 /mnt/random c 1 8
mknod -m 666 /mnt/urandom c 1 9
ln -s /proc/self/fd /mnt/fd
ln -s /proc/self/fd/0 /mnt/stdin
ln -s /proc/self/fd/1 /mnt/stdout
mount --move /mnt /dev
for home in /root /home; do mount -t tmpfs -o mode=000,ro none "$home"; done
mount -o remount,bind,ro /
umask 077
exec "$@"
"""


class Service(Agent):
    """The installed agent, with what the unit leaves it. root: where it is installed."""

    def __init__(self, root: Path, folder: Path) -> None:
        super().__init__(folder)
        self.state_dir.mkdir()
        home = root / "usr/lib/staging-agent"
        self.python, self.project = str(home / "venv/bin/python"), home
        writable = [word.removeprefix("-") for word in settings("ReadWritePaths")]
        # The tests' files stand for the folder of the state and the cache.
        writable = [str(folder), *(word for word in writable if Path(word).exists())]
        assert settings("CapabilityBoundingSet") == ["CAP_DAC_OVERRIDE", "CAP_CHOWN"]
        self.before = (
            *("env", f"HOME={folder}", f"PYTHONPATH={home}", "PYTHONDONTWRITEBYTECODE=1"),
            *("unshare", "--mount", "--propagation=private", "sh", "-c", CONFINE, "sh"),
            *(*writable, "--", "setpriv", "--no-new-privs", "--inh-caps=-all"),
            "--bounding-set=-all,+dac_override,+chown",
        )


@pytest.fixture
def service(root: Path, tmp_path: Path) -> Iterator[Service]:
    # Its path is looked through by QEMU's user.
    with serving(Service(root, tmp_path / "service")) as started:
        yield started


def test_the_installed_agent_works_with_what_the_unit_leaves_it(service: Service) -> None:
    assert service.get("health").body["status"] == "ok"
    body = {"bridge": stack.BRIDGE, "vlan": 77}
    assert service.post("networks", NETWORK, body=body).status == 200
    made = service.post("hosts", HOST, body={"memory": 64, "disks": [1], "networks": [NETWORK]})
    assert (made.status, stack.state(HOST)) == (200, "running")
    assert [stack.tag(port) for port in stack.ports()] == ["77"]
    assert service.get("hosts", HOST, "console").status == 200
    status, _, picture = service.data("GET", f"/hosts/{HOST}/screen")
    assert (status, picture[1:4]) == (200, b"PNG")
    volume = stack.volume(HOST, 0)
    assert service.delete("hosts", HOST).body["deleted"] == [volume]
    assert service.delete("networks", NETWORK).status == 200
    assert HOST not in virsh("list", "--all", "--name")


def test_the_installed_agent_installs_with_what_the_unit_leaves_it(
    service: Service, tree: str
) -> None:
    """virt-install fetches a kernel, libvirt reads it, and the console log goes with the host."""
    body = {
        "memory": 512,
        "disks": [1],
        "networks": [],
        "install": True,
        "location": tree,
        "console": True,
    }
    made = service.post("hosts", HOST, body=body)
    assert made.status == 200
    assert service.installed(HOST)["state"] == "done"
    log = stack.CONSOLE_DIR / f"{made.body['id']}.console.log"
    assert log.exists()
    assert service.delete("hosts", HOST).status == 200
    assert not log.exists()


@pytest.fixture
def group_libvirt() -> Iterator[Libvirt]:
    """A libvirtd that is open to its group, as polkit makes it."""
    new = Libvirt()
    try:
        (new.root / "etc/libvirt/libvirtd.conf").write_text(
            'auth_unix_rw = "none"\nunix_sock_group = "libvirt"\nunix_sock_rw_perms = "0770"\n'
        )
        new.prepare()
        yield new
    finally:
        new.close()


def test_the_agent_works_as_a_user_of_group_libvirt(
    group_libvirt: Libvirt, root: Path, tmp_path: Path, tree: str
) -> None:
    """With the one capability of the unit's user.conf, and its change to virt-install's folder."""
    conf = (PROJECT / "etc/staging-agent.service.d/user.conf").read_text()
    assert "\nSupplementaryGroups=libvirt\nAmbientCapabilities=CAP_DAC_OVERRIDE\n" in conf
    (prepare,) = re.findall(r"^ExecStartPre=\+/bin/sh -c '(.*)'$", conf, re.MULTILINE)
    # Nobody's, since the tests make no user.
    subprocess.run(
        [*group_libvirt.enter, "sh", "-ec", prepare.replace("staging-agent", str(NOBODY))],
        check=True,
    )
    new = Agent(tmp_path / "agent", pool=POOL, pool_path=IMAGES, console_dir=LOGS)
    new.python, new.project = (
        str(root / "usr/lib/staging-agent/venv/bin/python"),
        root / "usr/lib/staging-agent",
    )
    home = tmp_path / "home"
    for folder in (home, new.state_dir):
        folder.mkdir(mode=0o711)
        os.chown(folder, NOBODY, NOBODY)
    group = grp.getgrnam("libvirt").gr_gid
    new.before = (
        *(*group_libvirt.enter, "env", f"PYTHONPATH={new.project}", f"HOME={home}"),
        *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", f"--groups={group}"),
        *("--no-new-privs", "--inh-caps=-all,+dac_override"),
        *("--ambient-caps=-all,+dac_override", "--bounding-set=-all,+dac_override"),
        *("sh", "-c", 'umask 077; exec "$@"', "sh"),
    )
    with serving(new):
        assert new.get("health").body["status"] == "ok"
        body = {"memory": 512, "disks": [1], "networks": [], "install": True, "location": tree}
        made = new.post("hosts", HOST, body=body)
        assert (made.status, made.body.get("state")) == (200, "running"), made.body
        assert new.installed(HOST)["state"] == "done"
        assert new.get("hosts", HOST, "console").body["text"] != ""
        status, _, picture = new.data("GET", f"/hosts/{HOST}/screen")
        assert (status, picture[1:4]) == (200, b"PNG")
        volume = made.body["disks"][0]["volume"]
        assert new.delete("hosts", HOST).body["deleted"] == [volume]
    assert list((group_libvirt.root / "var/lib/libvirt/boot").iterdir()) == []
    # virt-install would have made another, had it not been let into its folder.
    assert group_libvirt.virsh("pool-list", "--all", "--name").split() == [POOL]


NOBODY = 65534
