"""`python -m agent serve`: the daemon."""

import argparse
import os
import sys
from collections.abc import Callable

from agent.config import Config
from agent.server import logs
from agent.server.serve import serve


def run(args: argparse.Namespace, read_config: Callable[[], Config]) -> int:
    """Serve until a signal ends it; does not return but for what raises."""
    config = read_config()
    # A terminal that goes away says SIGHUP too, and wants its programs to end.
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    read_again = read_config if args.config and not at_terminal else None
    with logs.to_stderr(config.log_format, config.log_level) as log:
        status = serve(config, log, read_again)
    # A thread whose command hangs must not hold the process up.
    os._exit(status)
