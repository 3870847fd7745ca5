"""What every subcommand has: its help, its settings, and a function that runs it."""

import argparse
from collections.abc import Callable
from typing import TypeAlias

from agent.config import Config, load

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    commands: Commands,
    name: str,
    does: str,
    run: Callable[[argparse.Namespace], int],
    *,
    more: str = "",
    example: str,
) -> argparse.ArgumentParser:
    """Add a subcommand to a parser, and return its own parser, to add its arguments to.

    does, more: for its help, in few words, and more. run: is called with the arguments, and
    returns the exit status.
    """
    parser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}. {more}".strip(),
        epilog=f"example: python -m agent {example}",
    )
    parser.add_argument("--config", metavar="FILE", help="settings, as in etc/agent.toml")
    parser.add_argument("--state-dir", metavar="DIR", help="where the agent keeps its own files")
    parser.set_defaults(run=run)
    return parser


def add_group(commands: Commands, name: str, does: str, more: str, example: str) -> Commands:
    """Add a subcommand that has subcommands of its own, and return what those are added to.

    does, more, example: for its help.
    """
    group = commands.add_parser(
        name, help=does, description=more, epilog=f"example: python -m agent {example}"
    )
    return group.add_subparsers(dest="action", required=True, metavar="ACTION")


def settings(args: argparse.Namespace) -> Config:
    """Read the settings that the arguments name; raises ConfigError."""
    overrides = {"listen": getattr(args, "listen", None), "state_dir": args.state_dir}
    return load(args.config, overrides)
