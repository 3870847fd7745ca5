"""`python -m agent token`: the tokens that clients authenticate with."""

import argparse
import sys
from pathlib import Path

from agent.access import tokens
from agent.cli.command import Commands, add_command, add_group, settings
from agent.errors import ConfigError


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does = "create, list and revoke the tokens that clients authenticate with"
    actions = add_group(commands, "token", does, "token add ci --config agent.toml")
    does, more = (
        "create a token and print it, once",
        "The file tokens_file keeps only a hash of it.",
    )
    example = "token add grafana --read-only --config FILE"
    add = add_command(actions, "add", does, more, example, _run)
    add.add_argument("name", metavar="NAME", help="its name in the log and the journal")
    add.add_argument("--read-only", action="store_true", help="only for GET, HEAD and OPTIONS")
    add.add_argument(
        "--host",
        dest="hosts",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only for hosts whose names match this shell pattern, such as 'web*'; may be repeated",
    )
    does = "list the tokens: names, rights and hosts"
    add_command(actions, "list", does, "", "token list --config FILE", _run)
    does, more = "revoke a token", "A running agent refuses it from the next request on."
    revoke = add_command(actions, "revoke", does, more, "token revoke ci --config FILE", _run)
    revoke.add_argument("name", metavar="NAME", help="as shown by `token list`")


def _run(args: argparse.Namespace) -> int:
    path = settings(args).tokens_file
    if not path:
        raise ConfigError("tokens_file: it is not set; pass the agent's own --config")
    # The file itself is replaced, and not a link to it.
    file = Path(path).resolve()
    match args.action:
        case "add":
            # Alone on stdout, so that a script can take it from there.
            print(tokens.add(file, args.name, read_only=args.read_only, hosts=args.hosts))
            print("It is not shown again.", file=sys.stderr)
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
