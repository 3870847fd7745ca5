"""`python -m agent serve`: the daemon."""

import argparse
import os
import sys

from agent.cli.command import Commands, add_command, settings


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does, more = "serve until SIGTERM or Ctrl-C", "scripts/serve also sets up what it needs."
    serve = add_command(commands, "serve", does, more, "serve --listen 127.0.0.1:8420", _serve)
    serve.add_argument("--listen", metavar="ADDRESS:PORT", help="or unix:/PATH")


def _serve(args: argparse.Namespace) -> int:
    # These take longer than the whole of most other subcommands.
    from agent.server import logs
    from agent.server.serve import serve

    config = settings(args)
    # A terminal that goes away sends SIGHUP too, and expects its programs to end.
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    read_again = (lambda: settings(args)) if args.config and not at_terminal else None
    with logs.to_stderr(config.log_format, config.log_level) as log:
        status = serve(config, log, read_again)
    os._exit(status)
