"""The command line: `python -m agent`."""

import argparse
import sys
from collections.abc import Sequence

from agent.cli import check, journal, replay, serve, token
from agent.errors import AgentError, ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand, and return the exit status: 2 for what the user got wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m agent",
        description="Virtual machines and VLAN networks over HTTP on this hypervisor.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for subcommand in (serve, check, journal, replay, token):
        subcommand.add_to(commands)
    args = parser.parse_args(journal.with_action(sys.argv[1:] if argv is None else argv))
    try:
        return int(args.run(args))
    except ConfigError as error:
        print(f"agent: {error.detail}", file=sys.stderr)
        return 2
    except AgentError as error:
        print(f"agent: {error.detail}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output, such as `head`, has exited.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
