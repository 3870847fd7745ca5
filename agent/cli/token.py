"""`python -m agent token`: the tokens that clients authenticate with."""

import argparse
import sys
from pathlib import Path

from agent.access import tokens
from agent.cli.command import Commands, add_command, add_group, settings
from agent.errors import ConfigError


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does = "make, list and revoke the tokens that clients authenticate with"
    actions = add_group(commands, "token", does, "token add ci --config agent.toml")
    does, more = "make a token and print it, once", "The settings' tokens_file keeps a hash of it."
    example = "token add grafana --read-only --config FILE"
    add = add_command(actions, "add", does, more, example, _run)
    add.add_argument("name", metavar="NAME", help="whose it is, for the log and the journal")
    add.add_argument("--read-only", action="store_true", help="it may GET and change nothing")
    add.add_argument(
        "--host",
        dest="hosts",
        action="append",
        default=[],
        metavar="PATTERN",
        help="it sees and changes only hosts of such names, as a shell matches them: 'web*'; may"
        " be repeated",
    )
    does = "list the tokens' names, rights, and the hosts that they are for"
    add_command(actions, "list", does, "", "token list --config FILE", _run)
    does, more = "revoke a token", "A running agent refuses it from the next request on."
    revoke = add_command(actions, "revoke", does, more, "token revoke ci --config FILE", _run)
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
            print(tokens.add(file, args.name, read_only=args.read_only, hosts=args.hosts))
            print("This is the only time that it is shown.", file=sys.stderr)
        case "revoke":
            tokens.revoke(file, args.name)
        case _:
            _print(tokens.read(file))
    return 0


def _print(found: tuple[tokens.Token, ...]) -> None:
    """Print the name and the rights of every token, and the hosts that it is for."""
    width = max((len(token.name) for token in found), default=0)
    for token in found:
        hosts = f"  for {' '.join(token.hosts)}" if token.hosts else ""
        print(f"{token.name:<{width}}  {token.rights}{hosts}")
    if not found:
        print("no tokens")
