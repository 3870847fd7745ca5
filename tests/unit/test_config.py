"""The settings, and what is said of those that cannot be."""

import dataclasses
from pathlib import Path

import pytest

from agent.config import Config, load
from agent.errors import ConfigError

SETTINGS = ", ".join(sorted(field.name for field in dataclasses.fields(Config)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def refusal(file: Path | None, **overrides: str) -> str:
    """What is said of a file, or of options, that cannot be."""
    with pytest.raises(ConfigError) as caught:
        load(None if file is None else str(file), overrides)
    return caught.value.detail


def test_the_defaults(file: Path) -> None:
    file.touch()
    assert load(None, {}) == load(str(file), {}) == Config()


def test_a_file_under_the_command_line(file: Path) -> None:
    file.write_text(
        'listen = "[::1]:9000"\npool = "żółw"\nthreads = 4\nvirsh_seconds = 5\nvirt_type = "qemu"\n'
    )
    overrides = {"listen": None, "state_dir": "/run/agent"}
    assert load(str(file), overrides) == Config(
        listen="[::1]:9000",
        state_dir="/run/agent",
        threads=4,
        pool="żółw",
        virsh_seconds=5.0,
        virt_type="qemu",
    )
    assert load(str(file), {"listen": "127.0.0.1:1"}).listen == "127.0.0.1:1"


def test_a_whole_number_of_seconds_is_a_number(file: Path) -> None:
    file.write_text("virsh_seconds = 5\n")
    assert isinstance(load(str(file), {}).virsh_seconds, float)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8420", ("127.0.0.1", 8420)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_an_address(listen: str, address: tuple[str, int]) -> None:
    assert Config(listen=listen).address() == address


def test_a_unix_socket() -> None:
    assert Config(listen="unix:/run/agent.sock").socket_path() == "/run/agent.sock"
    assert Config().socket_path() is None


def test_settings_of_access(file: Path) -> None:
    file.write_text(
        'tokens_file = "/etc/agent/tokens"\nopen_health = true\nsocket_group = ""\n'
        'server_names = ["hv1.example.com", "2001:db8::1"]\ntrusted_proxy = "127.0.0.1"\n'
    )
    assert load(str(file), {}) == Config(
        tokens_file="/etc/agent/tokens",
        open_health=True,
        server_names=("hv1.example.com", "2001:db8::1"),
        trusted_proxy="127.0.0.1",
    )


def test_the_limits_of_each_tool() -> None:
    config = Config(
        virsh_seconds=1.0,
        virt_install_seconds=2.0,
        ovs_vsctl_seconds=3.0,
        media_seconds=4.0,
        snapshot_seconds=5.0,
    )
    assert config.limits() == {
        "virsh": 1.0,
        "virt-install": 2.0,
        "ovs-vsctl": 8.0,
        "prlimit curl": 4.0,
        "virsh vol-upload": 4.0,
        "virsh snapshot-create-as": 5.0,
        "virsh snapshot-revert": 5.0,
        "virsh snapshot-delete": 5.0,
        "": 1.0,
    }


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('lisen = "a:1"', f"lisen: no such setting; there are {SETTINGS}"),
        ("listen = 8420", "listen: 8420 is not a string"),
        ('threads = "4"', "threads: '4' is not an integer"),
        ("threads = 1.5", "threads: 1.5 is not an integer"),
        ("threads = true", "threads: True is not an integer"),
        ("virsh_seconds = true", "virsh_seconds: True is not a number"),
        ('virsh_seconds = "1"', "virsh_seconds: '1' is not a number"),
        ("threads = 0", "threads: 0 is not more than 0"),
        ("virsh_seconds = inf", "virsh_seconds: inf is more than 1000000"),
        ("journal_operations = 1000001", "journal_operations: 1000001 is more than 1000000"),
        ("ovs_vsctl_seconds = 0.5", "ovs_vsctl_seconds: 0.5 is less than 1"),
        ("stop_seconds = -1", "stop_seconds: -1.0 is not more than 0"),
        ("virsh_seconds = nan", "virsh_seconds: nan is not more than 0"),
        ('after_install = "stop"', "after_install: 'stop' is not one of start, off"),
        ("after_install = true", "after_install: True is not a string"),
        ("rest_codes = 1", "rest_codes: 1 is not true or false"),
        ("media_gb = 0", "media_gb: 0 is not more than 0"),
        ("media_gb = 1.5", "media_gb: 1.5 is not an integer"),
        ("media_seconds = 0", "media_seconds: 0.0 is not more than 0"),
        ("snapshot_seconds = -1", "snapshot_seconds: -1.0 is not more than 0"),
        ("creates = 0", "creates: 0 is not more than 0"),
        ("creates_waiting = -1", "creates_waiting: -1 is less than 0"),
        ("host_disk_gb = -1", "host_disk_gb: -1 is less than 0"),
        ("host_memory = 1000001", "host_memory: 1000001 is more than 1000000"),
        ("warm_virsh = -1", "warm_virsh: -1 is less than 0"),
        ("warm_virsh = 17", "warm_virsh: 17 is more than 16"),
        ('listen = ""', "listen: '' is empty or not printable"),
        ('pool = ""', "pool: '' is empty or not printable"),
        ('pool = "a\\nb"', r"pool: 'a\nb' is empty or not printable"),
        ('virt_type = "xen"', "virt_type: 'xen' is not one of auto, kvm, qemu"),
        ('log_format = "xml"', "log_format: 'xml' is not one of text, json"),
        ('log_level = "INFO"', "log_level: 'INFO' is not one of info, debug, warning"),
        ('state_dir = "run"', "state_dir: 'run' is not an absolute path"),
        ('pool_path = "images"', "pool_path: 'images' is not an absolute path"),
        ('pool = "R&D"', "pool: 'R&D' has one of & < > \" ', which virt-install garbles"),
        ('console_dir = "log"', "console_dir: 'log' is not an absolute path"),
        ('socket_mode = "rw"', "socket_mode: 'rw' is not a mode such as '0660'"),
        ("socket_mode = 432", "socket_mode: 432 is not a string"),
        ('tokens_file = "tokens"', "tokens_file: 'tokens' is not an absolute path"),
        (
            'no_authentication = true\ntokens_file = "/t"',
            "no_authentication: it contradicts tokens_file; set one of them",
        ),
        ("no_authentication = 1", "no_authentication: 1 is not true or false"),
        ('open_health = "yes"', "open_health: 'yes' is not true or false"),
        ('server_names = "a"', "server_names: 'a' is not a list of strings"),
        ("server_names = [1]", "server_names: [1] is not a list of strings"),
        (
            'server_names = ["hv1.example.com:8420"]',
            "server_names: 'hv1.example.com:8420' is neither a host name nor an address",
        ),
        ('trusted_proxy = "*"', "trusted_proxy: '*' is neither an IP address nor 'unix'"),
        (
            f'listen = "unix:/{"x" * 107}"',
            f"listen: 'unix:/{'x' * 107}' has a path of more than 107 bytes",
        ),
        *(
            (f'listen = "{listen}"', f"listen: {listen!r} is neither ADDRESS:PORT nor unix:/PATH")
            for listen in (
                *("8420", ":8420", "localhost", "a:", "a:b", "a:65536", "a:-1", "a:²"),
                *("unix:", "unix:run", "unix:80", "unix:/run/"),
            )
        ),
    ],
)
def test_a_setting_that_cannot_be(file: Path, toml: str, message: str) -> None:
    file.write_text(toml)
    assert refusal(file) == f"{file}, line 1: {message}"


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ('# threads = 1\nbridge = "threads"\n\n  threads=0\n', 4),
        ('pool = "a"\r\n"threads" = 0\r\n', 2),
        ("virsh_seconds = 1\n'threads' = 0", 2),
        ("\tthreads\t= 0", 1),
        ('pool = """a\\\n"""\nthreads = 0', 3),
    ],
)
def test_the_line_of_a_setting(file: Path, toml: str, line: int) -> None:
    file.write_bytes(toml.encode())
    assert refusal(file) == f"{file}, line {line}: threads: 0 is not more than 0"


@pytest.mark.parametrize(
    ("toml", "line"),
    [("threads = 1\n[tables]\na = 1", 2), ("threads = 1\n\n[[tables]]", 3), ("tables.a = 1", 1)],
)
def test_the_line_of_a_table(file: Path, toml: str, line: int) -> None:
    file.write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load(str(file), {})
    message = f"tables: no such setting; there are {SETTINGS}"
    assert caught.value.detail == f"{file}, line {line}: {message}"


def test_the_first_of_two_wrong_settings_is_told(file: Path) -> None:
    file.write_text("threads = 1.5\nabc = 1\n")
    assert refusal(file) == f"{file}, line 1: threads: 1.5 is not an integer"


def test_an_option_over_a_file_is_told_without_it(file: Path) -> None:
    file.write_text('listen = "127.0.0.1:1"\n')
    assert refusal(file, listen="8420") == "listen: '8420' is neither ADDRESS:PORT nor unix:/PATH"


def test_an_option_that_cannot_be() -> None:
    assert refusal(None, listen="8420") == "listen: '8420' is neither ADDRESS:PORT nor unix:/PATH"


def test_a_file_that_is_missing(file: Path) -> None:
    assert refusal(file) == f"{file}: cannot be read: No such file or directory"


def test_a_folder_for_a_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"listen", "Expected '=' after a key in a key/value pair (at end of document)"),
        (b"threads = 4\nlisten = \n", "Invalid value (at line 2, column 10)"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_a_file_that_is_not_toml(file: Path, content: bytes, why: str) -> None:
    file.write_bytes(content)
    assert refusal(file) == f"{file}: is not TOML: {why}"
