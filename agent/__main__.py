"""The command line: `python -m agent`."""

import argparse
import os
import sys
from collections.abc import Sequence

from agent.config import Config, load
from agent.errors import AgentError, ConfigError
from agent.operations.operation import STATUSES

# After `journal`; without one it is `journal list`.
_JOURNAL_WORDS = ("list", "show", "-h", "--help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; answers the exit status, 2 for what the user got wrong."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["journal"] and (len(words) == 1 or words[1] not in _JOURNAL_WORDS):
        words.insert(1, "list")
    args = _parser().parse_args(words)
    try:
        return int(args.run(args, _config(args)))
    except ConfigError as error:
        if args.run is _check and args.json:
            _print_wrong_settings(error)
        print(f"agent: {error.detail}", file=sys.stderr)
        return 2
    except AgentError as error:
        print(f"agent: {error.detail}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output, such as `head`, has had enough.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _config(args: argparse.Namespace) -> Config:
    listen = getattr(args, "listen", None)
    return load(args.config, {"listen": listen, "state_dir": args.state_dir})


# Imports wait until a subcommand needs them: none has a use for those of the others.


def _serve(args: argparse.Namespace, config: Config) -> int:
    from agent.server import logs
    from agent.server.serve import serve

    # A terminal that goes away says SIGHUP too, and wants its programs to end.
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    read_again = (lambda: _config(args)) if args.config and not at_terminal else None
    with logs.to_stderr(config.log_format, config.log_level) as log:
        status = serve(config, log, read_again)
    os._exit(status)


def _check(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.check import check

    return check(config, as_json=args.json)


def _print_wrong_settings(error: ConfigError) -> None:
    """What `check --json` prints of settings with which it can look at nothing else."""
    from agent.cli.check import FAILED, Finding, findings_json

    print(findings_json([Finding("configuration", FAILED, error.detail)]))


def _journal_list(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.journal import list_operations, open_journal

    names = ("host", "network", "status", "limit")
    filters = {name: getattr(args, name) for name in names}
    return list_operations(open_journal(config), filters, as_json=args.json, follow=args.follow)


def _journal_show(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.journal import open_journal, show

    return show(open_journal(config), args.operation, as_json=args.json, as_script=args.script)


def _replay(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.journal import find, open_journal
    from agent.cli.replay import replay

    found = find(open_journal(config), args.operation)
    return replay(found, first=args.first, yes=args.yes, only_print=args.print)


def _token_add(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.token import add

    return add(config, args.name, read_only=args.read_only)


def _token_list(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.token import list_tokens

    return list_tokens(config)


def _token_revoke(args: argparse.Namespace, config: Config) -> int:
    from agent.cli.token import revoke

    return revoke(config, args.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent",
        description="Virtual machines and VLAN networks over HTTP on this hypervisor.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = _command(
        commands,
        "serve",
        "answer requests until SIGTERM or Ctrl-C",
        "Sets nothing up: scripts/serve does, and then runs this.",
        "python -m agent serve --listen 127.0.0.1:8420",
    )
    serve.add_argument("--listen", metavar="ADDRESS:PORT", help="where to answer; or unix:/PATH")
    serve.set_defaults(run=_serve)

    check = _command(
        commands,
        "check",
        "say whether this machine has what the agent needs",
        "Exits with 1 when something has failed. Starts, and ends, one empty trial machine.",
        "python -m agent check --json",
    )
    check.add_argument("--json", action="store_true", help="for a program to read")
    check.set_defaults(run=_check)

    _add_journal(commands)

    replay = _command(
        commands,
        "replay",
        "run an operation's commands again, here in the terminal",
        "Shows the commands, asks, and runs them. When one fails, what was made is taken back.",
        "python -m agent replay 12 --from 2",
    )
    replay.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    replay.add_argument("--yes", action="store_true", help="do not ask")
    replay.add_argument(
        "--from", dest="first", type=int, default=1, metavar="STEP", help="the first step to run"
    )
    replay.add_argument("--print", action="store_true", help="print the script, run nothing")
    replay.set_defaults(run=_replay)
    _add_token(commands)
    return parser


def _add_token(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    token = commands.add_parser(
        "token",
        help="say who may come in",
        description="Says who may come in: `add`, `list` and `revoke` tokens. A running agent"
        " heeds it at the next request.",
        epilog="example: python -m agent token add ci --config agent.toml",
    )
    actions = token.add_subparsers(dest="action", required=True, metavar="ACTION")
    added = _command(
        actions,
        "add",
        "make a token and print it, once",
        "The settings' tokens_file keeps a hash of it.",
        "python -m agent token add grafana --read-only --config agent.toml",
    )
    added.add_argument("name", metavar="NAME", help="whose it is, for the log and the journal")
    added.add_argument("--read-only", action="store_true", help="it may GET and change nothing")
    added.set_defaults(run=_token_add)
    listed = _command(
        actions,
        "list",
        "list the tokens' names and rights",
        "",
        "python -m agent token list --config agent.toml",
    )
    listed.set_defaults(run=_token_list)
    revoked = _command(
        actions,
        "revoke",
        "take a token back",
        "Whoever has it is out at the next request.",
        "python -m agent token revoke ci --config agent.toml",
    )
    revoked.add_argument("name", metavar="NAME", help="as `token list` has it")
    revoked.set_defaults(run=_token_revoke)


def _add_journal(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    journal = commands.add_parser(
        "journal",
        help="say what the agent did",
        description="Says what the agent did: `list`, or `show` of one operation.",
        epilog="example: python -m agent journal list --host ns.example.com --follow",
    )
    actions = journal.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = _command(
        actions,
        "list",
        "list operations, the newest last",
        "Columns: number, time, status, steps done, what it does, id.",
        "python -m agent journal list --status undone --limit 5",
    )
    listed.add_argument("--host", help="only this host's")
    listed.add_argument("--network", help="only this network's")
    listed.add_argument("--status", choices=STATUSES, help="only those of this status")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="at most (50)")
    listed.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    listed.add_argument("--json", action="store_true", help="an object a line")
    listed.set_defaults(run=_journal_list)
    shown = _command(
        actions,
        "show",
        "show one operation: what was asked, every command, how it ended",
        "",
        "python -m agent journal show 12 --script > replay.sh",
    )
    shown.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    shown.add_argument("--script", action="store_true", help="its plan as a shell script")
    shown.add_argument("--json", action="store_true", help="for a program to read")
    shown.set_defaults(run=_journal_show)


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    does: str,
    more: str,
    example: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}. {more}".strip(),
        epilog=f"example: {example}",
    )
    parser.add_argument("--config", metavar="FILE", help="settings, as in etc/agent.toml")
    parser.add_argument("--state-dir", metavar="DIR", help="where the agent keeps its own files")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
