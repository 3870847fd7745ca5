"""The file of the tokens: what may be in it, its changes, and a running agent's look at it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.access import tokens
from agent.access.rights import Rights
from agent.access.tokens import FULL, READ_ONLY, Tokens
from agent.errors import AlreadyExists, ConfigError, NotFound, TokensUnusable

SALT, HASH = "0f" * 16, "a0" * 32
LINE = f"ci full {SALT} {HASH}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def rights(path: Path) -> dict[str, str]:
    return {token.name: token.rights for token in tokens.read(path)}


def test_a_token_is_kept_as_a_salted_hash(path: Path) -> None:
    secret = tokens.add(path, "ci", read_only=False)
    (token,) = tokens.read(path)
    assert (token.name, token.rights) == ("ci", FULL)
    assert tokens.digest(token.salt, secret) == token.hash
    assert path.read_text() == token.line() + "\n"
    assert secret not in path.read_text()
    assert len(secret) == 43
    assert [found.stat().st_mode & 0o777 for found in path.parent.iterdir()] == [0o600, 0o600]


def test_the_hash_is_hmac_sha256() -> None:
    """RFC 4231, test case 2: files must be readable by every later version."""
    assert tokens.digest(b"Jefe", "what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def test_what_a_person_wrote_is_kept(path: Path) -> None:
    path.write_bytes(f"# żółw \udcff\n\n{LINE}".encode("utf-8", "surrogateescape"))
    path.chmod(0o600)
    tokens.add(path, "grafana", read_only=True)
    assert rights(path) == {"ci": FULL, "grafana": READ_ONLY}
    tokens.revoke(path, "grafana")
    assert path.read_bytes().decode("utf-8", "surrogateescape") == f"# żółw \udcff\n\n{LINE}\n"
    tokens.revoke(path, "ci")
    assert rights(path) == {}


def test_a_token_for_some_hosts(path: Path) -> None:
    secret = tokens.add(path, "team", read_only=True, hosts=["web*", "db-[0-9]", "żółw?"])
    tokens.add(path, "ci", read_only=False)
    team, everybody = tokens.read(path)
    assert Tokens(path).find(secret) == team
    assert path.read_text() == f"{team.line()}\n{everybody.line()}\n"
    assert team.line().endswith(f"{team.hash.hex()} host=web* host=db-[0-9] host=żółw?")
    assert team.allows() == Rights(read_only=True, hosts=("web*", "db-[0-9]", "żółw?"))
    assert everybody.allows() == Rights(read_only=False, hosts=None)


@pytest.mark.parametrize("pattern", ["", "a b", "a\n", "a\u2028b", "x" * 254, "a\udcff"])
def test_a_pattern_that_cannot_be(path: Path, pattern: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tokens.add(path, "team", read_only=False, hosts=["web*", pattern])
    assert caught.value.detail == (
        f"{pattern!r}: a pattern of host names has 1 to 253 printable characters and no space;"
        " use ? for one"
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("web", True),
        ("web1.example.com", True),
        ("Web1", False),
        ("aweb", False),
        ("db-1", True),
        ("db-12", False),
        ("", False),
    ],
)
def test_the_hosts_that_a_token_is_for(name: str, seen: bool) -> None:
    assert Rights(hosts=("web*", "db-[0-9]")).sees(name) is seen
    assert Rights().sees(name)
    assert not Rights(hosts=()).sees(name)


@pytest.mark.parametrize("name", ["", "a b", "a@b", "a\n", "#a", "ż", "x" * 65, "a/b"])
def test_a_name_that_cannot_be(path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tokens.add(path, name, read_only=False)
    assert caught.value.detail == (f"{name!r}: a name has 1 to 64 letters, digits, dots, _ and -")
    assert not path.exists()


def test_a_name_that_is_taken_and_one_that_is_not_there(path: Path) -> None:
    tokens.add(path, "ci", read_only=False)
    before = path.read_text()
    with pytest.raises(AlreadyExists) as taken:
        tokens.add(path, "ci", read_only=True)
    assert taken.value.detail == "there is a token ci already; revoke it first"
    with pytest.raises(NotFound) as missing:
        tokens.revoke(path, "c")
    assert missing.value.detail == "there is no token 'c'; `token list` has them"
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ci", "line 1: it has 1 words; a token is its name, rights, salt and hash"),
        (f"# a\n\n{LINE} x", "line 3: 'x' is not host= and a pattern of host names"),
        (f"{LINE} host=a host=", "line 1: 'host=' is not host= and a pattern of host names"),
        (
            f"{LINE} host={'a' * 254}",
            f"line 1: 'host={'a' * 254}' is not host= and a pattern of host names",
        ),
        (f"a@b full {SALT} {HASH}", "line 1: 'a@b' is not a valid token name"),
        (f"ci admin {SALT} {HASH}", "line 1: 'admin' is neither full nor read-only"),
        (f"ci full {SALT[1:]} {HASH}", "line 1: the salt is not 32 hexadecimal digits"),
        (f"ci full {SALT} {HASH}0", "line 1: the hash is not 64 hexadecimal digits"),
        (f"{LINE}\n{LINE}\n", "line 2: there is a token ci above it already"),
        ("x" * (1 << 20) + "x", "has more than 1048576 bytes"),
    ],
)
def test_a_damaged_file(path: Path, text: str, why: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    for use in (
        lambda: tokens.read(path),
        lambda: tokens.add(path, "new", read_only=False),
        lambda: tokens.revoke(path, "ci"),
        lambda: Tokens(path).find("secret"),
    ):
        with pytest.raises(TokensUnusable) as caught:
            use()
        assert caught.value.detail == f"tokens_file: {path}: {why}"
    assert path.read_text() == text


def test_a_file_that_others_may_write_is_not_trusted(path: Path) -> None:
    secret = tokens.add(path, "ci", read_only=False)
    held = Tokens(path)
    assert held.find(secret) is not None
    path.chmod(0o620)
    with pytest.raises(TokensUnusable) as caught:
        held.find(secret)
    assert caught.value.detail == (
        f"tokens_file: {path}: others than its owner may write to it; chmod 600 it"
    )


def test_what_is_no_file(path: Path) -> None:
    with pytest.raises(TokensUnusable) as folder:
        tokens.read(path.parent)
    os.mkfifo(path)
    with pytest.raises(TokensUnusable) as fifo:
        tokens.read(path)
    assert folder.value.detail == f"tokens_file: {path.parent}: cannot be read: Is a directory"
    assert fifo.value.detail == f"tokens_file: {path}: is not a file"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no" / "tokens"
    with pytest.raises(ConfigError) as caught:
        tokens.add(path, "ci", read_only=False)
    assert caught.value.detail == f"tokens_file: {path}.lock: No such file or directory"


def test_a_change_is_seen_at_once(path: Path) -> None:
    held = Tokens(path)
    assert held.find("anything") is None
    first = tokens.add(path, "first", read_only=False)
    second = tokens.add(path, "second", read_only=True)
    found = [held.find(secret) for secret in (first, second, first + "x", first[:-1], "")]
    assert [token and token.name for token in found] == ["first", "second", None, None, None]
    tokens.revoke(path, "first")
    assert held.find(first) is None
    assert held.find(second) is not None
    path.unlink()
    assert held.find(second) is None


def test_a_file_that_is_whole_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tokens.add(path, "ci", read_only=False)
    held = Tokens(path)
    assert held.find(secret) is not None
    monkeypatch.setattr(tokens, "read", lambda path: pytest.fail("it is read again"))
    assert held.find(secret) is not None


def test_a_damaged_file_closes_the_door_until_it_is_whole(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tokens.add(path, "ci", read_only=False)
    whole = path.read_text()
    held = Tokens(path)
    assert held.find(secret) is not None
    path.write_text(whole + "x\n")
    for _ in range(3):
        with pytest.raises(TokensUnusable):
            held.find(secret)
    assert caplog.messages == [
        f"tokens_file: {path}: line 2: it has 1 words; a token is its name, rights, salt and hash;"
        " every request is refused until that is corrected"
    ]
    path.write_text(whole)
    assert held.find(secret) is not None


def test_no_tokens_are_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = Tokens(path)
    assert (held.all(), held.all()) == ((), ())
    path.touch(0o600)
    assert held.all() == ()
    assert caplog.messages == [
        f"tokens_file: {path} holds no tokens, so every request is refused;"
        " `python -m agent token add NAME --config FILE` makes one"
    ]


def test_a_token_that_is_too_long_to_be_one(path: Path) -> None:
    """Not even where it begins with as much of itself as is looked at."""
    salt = b"s" * 16
    token = tokens.Token("ci", FULL, salt, tokens.digest(salt, "x" * 256))
    path.write_text(token.line())
    path.chmod(0o600)
    assert Tokens(path).find("x" * 256) == token
    assert Tokens(path).find("x" * 257) is None


def test_every_token_is_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In constant time each, and to the last, wherever the one that fits is."""
    secret = tokens.add(path, "first", read_only=False)
    for name in ("second", "third"):
        tokens.add(path, name, read_only=False)
    compared = []
    compare = tokens.hmac.compare_digest
    monkeypatch.setattr(
        tokens.hmac, "compare_digest", lambda a, b: compared.append(b) or compare(a, b)
    )
    found = Tokens(path).find(secret)
    assert found is not None
    assert compared == [token.hash for token in tokens.read(path)]


def test_of_changes_at_the_same_time_none_is_lost(path: Path) -> None:
    names = [f"token{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(lambda name: tokens.add(path, name, read_only=False), names))
    held = Tokens(path)
    assert [held.find(secret).name for secret in secrets] == names


@pytest.fixture
def settings(tmp_path: Path, path: Path) -> str:
    file = tmp_path / "agent.toml"
    file.write_text(f'tokens_file = "{path}"\n')
    return f"--config={file}"


def run(*words: str) -> tuple[int, str, str]:
    """The exit status of `agent token`, and what it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "agent", "token", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_the_command(path: Path, settings: str) -> None:
    assert run("list", settings) == (0, "no tokens\n", "")
    status, secret, said = run("add", "ci", settings)
    assert (status, said) == (0, "It is not shown again.\n")
    assert Tokens(path).find(secret.removesuffix("\n")) is not None
    assert run("add", "grafana", "--read-only", settings)[0] == 0
    assert run("list", settings) == (0, "ci       full\ngrafana  read-only\n", "")
    assert run("add", "team", "--host", "web*", "--host=db", "--read-only", settings)[0] == 0
    assert run("list", settings)[1].splitlines()[2:] == ["team     read-only  for web* db"]
    assert run("revoke", "team", settings) == (0, "", "")
    assert run("add", "team", "--host=", settings)[0] == 2
    assert run("revoke", "ci", settings) == (0, "", "")
    assert run("list", settings) == (0, "grafana  read-only\n", "")
    assert run("revoke", "ci", settings) == (
        1,
        "",
        "agent: there is no token 'ci'; `token list` has them\n",
    )
    path.write_text("damaged\n")
    assert run("list", settings) == (
        2,
        "",
        f"agent: tokens_file: {path}: line 1: it has 1 words; a token is its name, rights, salt and"
        " hash\n",
    )


def test_the_command_replaces_the_file_and_not_a_link_to_it(
    path: Path, settings: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").mkdir()
    path.symlink_to("kept/tokens")
    assert run("add", "ci", settings)[0] == 0
    assert (path.is_symlink(), rights(tmp_path / "kept" / "tokens")) == (True, {"ci": FULL})


def test_the_command_without_a_file() -> None:
    assert run("add", "ci") == (
        2,
        "",
        "agent: tokens_file: it is not set; pass the agent's own --config\n",
    )
