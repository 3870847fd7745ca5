"""`python -m agent token`: the tokens that clients authenticate with."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from agent.access import tokens
from agent.config import Config
from agent.errors import ConfigError


def run(args: argparse.Namespace, read_config: Callable[[], Config]) -> int:
    """Make a token, list them, or revoke one."""
    setting = read_config().tokens_file
    if not setting:
        raise ConfigError("tokens_file: it is not set; --config names the settings that do")
    # The file itself is replaced, and not a link to it.
    file = Path(setting).resolve()
    match args.action:
        case "add":
            # Alone on stdout, so that a script can take it from there.
            print(tokens.add(file, args.name, read_only=args.read_only))
            print("This is the only time that it is shown.", file=sys.stderr)
        case "revoke":
            tokens.revoke(file, args.name)
        case _:
            _list(tokens.read(file))
    return 0


def _list(found: tuple[tokens.Token, ...]) -> None:
    """Print the name and the rights of every token."""
    width = max((len(token.name) for token in found), default=0)
    for token in found:
        print(f"{token.name:<{width}}  {token.rights}")
    if not found:
        print("no tokens")
