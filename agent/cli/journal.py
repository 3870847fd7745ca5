"""`python -m agent journal`: what the agent did."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.cli.command import Commands, add_command, add_group, settings
from agent.errors import ConfigError, NotFound
from agent.operations.journal import Journal
from agent.operations.operation import RUNNING, STATUSES, UNSETTLED
from agent.plans.script import operation_script

_FOLLOW_SECONDS = 1.0


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does = "list the agent's operations, or show one"
    actions = add_group(commands, "journal", does, "journal list --host ns.example.com --follow")
    does = "list operations, the newest last"
    more = "Columns: number, time, status, steps done, what it does, id."
    example = "journal list --status undone --limit 5"
    listed = add_command(actions, "list", does, more, example, _list)
    listed.add_argument("--host", help="only this host's")
    listed.add_argument("--network", help="only this network's")
    listed.add_argument("--status", choices=STATUSES, help="only those of this status")
    listed.add_argument("--limit", type=_count, default=50, metavar="N", help="at most N (50)")
    listed.add_argument("--follow", action="store_true", help="continue until Ctrl-C")
    listed.add_argument("--json", action="store_true", help="print one JSON object per line")
    does = "show one operation: its request, every command, its result"
    shown = add_command(actions, "show", does, "", "journal show 12 --script > replay.sh", _show)
    shown.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    shown.add_argument("--script", action="store_true", help="print its plan as a shell script")
    shown.add_argument("--json", action="store_true", help="print JSON")


def with_action(words: Sequence[str]) -> list[str]:
    """Return a command line whose `journal` without an action is a `journal list`."""
    words = list(words)
    if words[:1] == ["journal"] and words[1:2] not in (["list"], ["show"], ["-h"], ["--help"]):
        words.insert(1, "list")
    return words


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 100_000:
        raise ValueError
    return number


def open_journal(args: argparse.Namespace) -> Journal:
    """Return the journal of the state folder; raises ConfigError when there is none."""
    path = Path(settings(args).state_dir) / "journal.sqlite"
    try:
        path.stat()
    except OSError as error:
        raise ConfigError(
            f"state_dir: {path}: {error.strerror}; pass the agent's own --config or --state-dir"
        ) from error
    return Journal(path)


def find(journal: Journal, operation: str) -> dict[str, Any]:
    """Return an operation by its id or its number; raises NotFound."""
    found = journal.get(operation)
    if found is None and operation.isascii() and operation.isdigit():
        number = int(operation[:18])
        for row in journal.find(before=number + 1, limit=1):
            if row["number"] == number:
                found = journal.get(row["id"])
    if found is None:
        raise NotFound(f"there is no operation {operation!r}; `journal list` has them")
    return found


def _list(args: argparse.Namespace) -> int:
    """Print operations, oldest first so that the newest is at the prompt."""
    journal = open_journal(args)
    names = ("host", "network", "status", "limit")
    filters = {name: getattr(args, name) for name in names}
    rows = journal.find(**filters)[::-1]
    for row in rows:
        _print(row, args.json)
    if not args.follow:
        if not rows and not args.json:
            print("no operations")
        return 0
    # No row that has ended changes again, so those that have not are all there is to watch.
    newest = max((row["number"] for row in journal.find(limit=1)), default=0)
    watched = {row["id"]: row["status"] for row in rows if row["status"] in (RUNNING, UNSETTLED)}
    try:
        while True:
            time.sleep(_FOLLOW_SECONDS)
            fresh = [row for row in journal.find(**filters) if row["number"] > newest]
            for row in fresh[::-1]:
                _print(row, args.json)
                newest = row["number"]
                watched[row["id"]] = row["status"]
            for operation, status in list(watched.items()):
                found = journal.get(operation)
                if found is not None and found["status"] != status:
                    _print(found, args.json)
                    watched[operation] = found["status"]
                if found is None or found["status"] not in (RUNNING, UNSETTLED):
                    del watched[operation]
    except KeyboardInterrupt:
        return 0


def _show(args: argparse.Namespace) -> int:
    found = find(open_journal(args), args.operation)
    if args.script:
        print(operation_script(found), end="")
    elif args.json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_lines(found)))
    return 0


def _print(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(row), flush=True)
    else:
        print(
            f"{row['number']:>6}  {_time(row['began'])}  {row['status']:<9}"
            f"  {row['steps_done']}/{row['steps']}  {row['does']}  {row['id']}",
            flush=True,
        )


def _lines(found: dict[str, Any]) -> list[str]:
    request = found["request"]
    lines = [
        f"operation  {found['id']} (number {found['number']})",
        f"does       {found['does']}",
        f"status     {found['status']}, {found['steps_done']} of {found['steps']} steps done",
        f"began      {_time(found['began'])}",
        f"ended      {_time(found['ended']) if found['ended'] else '-'}",
        f"asked by   {request['client']}, request {request['request_id']}",
        f"asked for  {request['method']} {request['path']}"
        + (f" {json.dumps(request['body'])}" if request["body"] is not None else ""),
    ]
    if found["error"]:
        lines.append(f"error      {found['error']['detail']}")
    for command in found["commands"]:
        kind = "undo of step" if command["undo"] else "step"
        lines += ["", f"# {kind} {command['step'] + 1}: {_outcome(command)}", command["shell"]]
        for name in ("stdout", "stderr"):
            text = (command[name] or "").strip()
            if text:
                lines += [f"#   {name}: {line}" for line in text.splitlines()]
    return lines


def _outcome(command: dict[str, Any]) -> str:
    if command["error"]:
        return str(command["error"])
    if command["exit_code"] is None:
        return "it is running, or was interrupted"
    return f"exit {command['exit_code']} after {command['seconds']:.3f} s"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
