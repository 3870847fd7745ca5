"""`python -m agent token`: who may come in."""

import sys
from pathlib import Path

from agent.access import tokens
from agent.config import Config
from agent.errors import ConfigError


def add(config: Config, name: str, *, read_only: bool) -> int:
    """Make a token and print it, alone on stdout so that a script can take it from there."""
    secret = tokens.add(_file(config), name, read_only=read_only)
    print(secret)
    print("This is the only time that it is shown.", file=sys.stderr)
    return 0


def list_tokens(config: Config) -> int:
    """Print the name and the rights of every token."""
    found = tokens.read(_file(config))
    width = max((len(token.name) for token in found), default=0)
    for token in found:
        print(f"{token.name:<{width}}  {token.rights}")
    if not found:
        print("no tokens")
    return 0


def revoke(config: Config, name: str) -> int:
    """Take a token back."""
    tokens.revoke(_file(config), name)
    return 0


def _file(config: Config) -> Path:
    if not config.tokens_file:
        raise ConfigError("tokens_file: it is not set; --config names the settings that do")
    # The file itself is replaced, and not a link to it.
    return Path(config.tokens_file).resolve()
