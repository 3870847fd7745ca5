"""The command line: `python -m agent`."""

import argparse
import logging
import sys
from collections.abc import Sequence

from agent.config import load
from agent.errors import ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; answers the exit status, 2 for what the user got wrong."""
    args = _parser().parse_args(argv)
    try:
        return _serve(args)
    except ConfigError as error:
        print(f"agent: {error.detail}", file=sys.stderr)
        return 2


def _serve(args: argparse.Namespace) -> int:
    # Not before it is needed: the other subcommands have no use for a web server.
    from agent.server import serve

    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    return serve(load(args.config, {"listen": args.listen, "state_dir": args.state_dir}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent",
        description="Virtual machines and VLAN networks over HTTP on this hypervisor.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="answer requests until SIGTERM or Ctrl-C",
        description="Answer requests until SIGTERM or Ctrl-C. Sets nothing up:"
        " scripts/serve does, and then runs this.",
        epilog="example: python -m agent serve --listen 127.0.0.1:8420",
    )
    serve.add_argument("--listen", metavar="ADDRESS:PORT", help="where to answer")
    serve.add_argument("--config", metavar="FILE", help="settings, as in etc/agent.toml")
    serve.add_argument("--state-dir", metavar="DIR", help="where the agent keeps its own files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
