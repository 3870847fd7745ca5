"""The command line: `python -m agent`."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import TypeAlias

from agent.config import load
from agent.errors import AgentError, ConfigError
from agent.operations.operation import STATUSES

# After `journal`; without one it is `journal list`.
_JOURNAL_WORDS = ("list", "show", "-h", "--help")

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status, 2 for what the user got wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["journal"] and (len(words) == 1 or words[1] not in _JOURNAL_WORDS):
        words.insert(1, "list")
    args = _parser().parse_args(words)
    overrides = {"listen": getattr(args, "listen", None), "state_dir": args.state_dir}
    # Only that of the subcommand: `sh` is not for the server, and the journal needs no server.
    module = importlib.import_module(f"agent.cli.{args.command}")
    try:
        return int(module.run(args, lambda: load(args.config, overrides)))
    except AgentError as error:
        print(f"agent: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has had enough.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent",
        description="Virtual machines and VLAN networks over HTTP on this hypervisor.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands)
    _add_check(commands)
    _add_journal(commands)
    _add_replay(commands)
    _add_token(commands)
    return parser


def _add_serve(commands: _Commands) -> None:
    does, more = "answer requests until SIGTERM or Ctrl-C", "scripts/serve sets up what it needs."
    serve = _command(commands, "serve", does, more, "serve --listen 127.0.0.1:8420")
    serve.add_argument("--listen", metavar="ADDRESS:PORT", help="where to answer; or unix:/PATH")


def _add_check(commands: _Commands) -> None:
    does = "say whether this machine has what the agent needs"
    more = "Exits with 1 when something has failed. Starts, and ends, one empty trial machine."
    check = _command(commands, "check", does, more, "check --json")
    check.add_argument("--json", action="store_true", help="for a program to read")


def _add_replay(commands: _Commands) -> None:
    does = "run an operation's commands again, here in the terminal"
    more = "Shows the commands, asks, and runs them. When one fails, what was made is taken back."
    replay = _command(commands, "replay", does, more, "replay 12 --from 2")
    replay.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    replay.add_argument("--yes", action="store_true", help="do not ask")
    replay.add_argument(
        "--from", dest="first", type=int, default=1, metavar="STEP", help="the first step to run"
    )
    replay.add_argument("--print", action="store_true", help="print the script, run nothing")


def _add_token(commands: _Commands) -> None:
    does = "make, list and revoke the tokens that clients authenticate with"
    actions = _group(commands, "token", does, "token add ci --config agent.toml")
    does, more = "make a token and print it, once", "The settings' tokens_file keeps a hash of it."
    added = _command(actions, "add", does, more, "token add grafana --read-only --config FILE")
    added.add_argument("name", metavar="NAME", help="whose it is, for the log and the journal")
    added.add_argument("--read-only", action="store_true", help="it may GET and change nothing")
    _command(actions, "list", "list the tokens' names and rights", "", "token list --config FILE")
    does, more = "revoke a token", "A running agent refuses it from the next request on."
    revoked = _command(actions, "revoke", does, more, "token revoke ci --config FILE")
    revoked.add_argument("name", metavar="NAME", help="as `token list` has it")


def _add_journal(commands: _Commands) -> None:
    does = "say what the agent did: list operations, or show one"
    actions = _group(commands, "journal", does, "journal list --host ns.example.com --follow")
    more = "Columns: number, time, status, steps done, what it does, id."
    example = "journal list --status undone --limit 5"
    listed = _command(actions, "list", "list operations, the newest last", more, example)
    listed.add_argument("--host", help="only this host's")
    listed.add_argument("--network", help="only this network's")
    listed.add_argument("--status", choices=STATUSES, help="only those of this status")
    listed.add_argument("--limit", type=int, default=50, metavar="N", help="at most (50)")
    listed.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    listed.add_argument("--json", action="store_true", help="an object a line")
    does = "show one operation: what was asked, every command, how it ended"
    shown = _command(actions, "show", does, "", "journal show 12 --script > replay.sh")
    shown.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    shown.add_argument("--script", action="store_true", help="its plan as a shell script")
    shown.add_argument("--json", action="store_true", help="for a program to read")


def _group(commands: _Commands, name: str, does: str, example: str) -> _Commands:
    """Add a command that has commands of its own; returns those."""
    group = _parser_of(commands, name, does, "", example)
    return group.add_subparsers(dest="action", required=True, metavar="ACTION")


def _command(
    commands: _Commands, name: str, does: str, more: str, example: str
) -> argparse.ArgumentParser:
    parser = _parser_of(commands, name, does, more, example)
    parser.add_argument("--config", metavar="FILE", help="settings, as in etc/agent.toml")
    parser.add_argument("--state-dir", metavar="DIR", help="where the agent keeps its own files")
    return parser


def _parser_of(
    commands: _Commands, name: str, does: str, more: str, example: str
) -> argparse.ArgumentParser:
    description = f"{does[0].upper()}{does[1:]}. {more}".strip()
    example = f"example: python -m agent {example}"
    return commands.add_parser(name, help=does, description=description, epilog=example)


if __name__ == "__main__":
    sys.exit(main())
