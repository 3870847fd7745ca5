"""`python -m agent token`: the tokens that clients authenticate with."""

import argparse
import sys
from pathlib import Path

from agent.access import tokens
from agent.cli.command import Commands, add_command, add_group, settings
from agent.errors import ConfigError


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    actions = add_group(
        commands,
        "token",
        "manage the tokens of clients",
        "Manages the tokens of clients: `add`, `list` and `revoke`. A running agent applies a"
        " change at the next request.",
        "token add ci --config agent.toml",
    )
    add = add_command(
        actions,
        "add",
        "make a token and print it, once",
        _run,
        more="The settings' tokens_file keeps a hash of it.",
        example="token add grafana --read-only --config agent.toml",
    )
    add.add_argument("name", metavar="NAME", help="whose it is, for the log and the journal")
    add.add_argument("--read-only", action="store_true", help="it may GET and change nothing")
    add_command(
        actions,
        "list",
        "list the tokens' names and rights",
        _run,
        example="token list --config agent.toml",
    )
    revoke = add_command(
        actions,
        "revoke",
        "revoke a token",
        _run,
        more="It is refused from the next request on.",
        example="token revoke ci --config agent.toml",
    )
    revoke.add_argument("name", metavar="NAME", help="as `token list` has it")


def _run(args: argparse.Namespace) -> int:
    path = settings(args).tokens_file
    if not path:
        raise ConfigError("tokens_file: it is not set; --config names the settings that do")
    # The file itself is replaced, and not a link to it.
    file = Path(path).resolve()
    match args.action:
        case "add":
            # Alone on stdout, so that a script can take it from there.
            print(tokens.add(file, args.name, read_only=args.read_only))
            print("This is the only time that it is shown.", file=sys.stderr)
        case "revoke":
            tokens.revoke(file, args.name)
        case _:
            _print(tokens.read(file))
    return 0


def _print(found: tuple[tokens.Token, ...]) -> None:
    """Print the name and the rights of every token."""
    width = max((len(token.name) for token in found), default=0)
    for token in found:
        print(f"{token.name:<{width}}  {token.rights}")
    if not found:
        print("no tokens")
