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
    more: str,
    example: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Add a subcommand, and return its parser, which its arguments are added to.

    does, more, example: for its help. run: is called with the arguments; returns the exit status.
    """
    parser = _add_parser(commands, name, does, more, example)
    parser.add_argument("--config", metavar="FILE", help="the settings; see etc/agent.toml")
    parser.add_argument("--state-dir", metavar="DIR", help="the folder of the agent's own files")
    parser.set_defaults(run=run)
    return parser


def add_group(commands: Commands, name: str, does: str, example: str) -> Commands:
    """Add a subcommand that has subcommands of its own, and return what those are added to."""
    group = _add_parser(commands, name, does, "", example)
    return group.add_subparsers(dest="action", required=True, metavar="ACTION")


def _add_parser(
    commands: Commands, name: str, does: str, more: str, example: str
) -> argparse.ArgumentParser:
    description = f"{does[0].upper()}{does[1:]}. {more}".strip()
    example = f"example: python -m agent {example}"
    return commands.add_parser(name, help=does, description=description, epilog=example)


def settings(args: argparse.Namespace) -> Config:
    """Read the settings that the arguments name; raises ConfigError."""
    overrides = {"listen": getattr(args, "listen", None), "state_dir": args.state_dir}
    return load(args.config, overrides)
