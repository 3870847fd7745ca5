"""`python -m agent replay`: runs an operation's commands again, in the terminal."""

import argparse
import os

from agent.cli.command import Commands, add_command
from agent.cli.journal import find, open_journal
from agent.cli.terminal import TerminalRunner
from agent.errors import AgentError, FieldError, InUse, InvalidRequest
from agent.operations.operation import RUNNING, UNSETTLED
from agent.plans.plan import Plan, Step
from agent.plans.script import operation_script
from agent.tools.command import Command


def add_to(commands: Commands) -> None:
    """Add this subcommand."""
    does = "run an operation's commands again in the terminal"
    more = "Shows the commands, asks, and runs them. If one fails, the steps that began are undone."
    replay = add_command(commands, "replay", does, more, "replay 12 --from 2", _replay)
    replay.add_argument("operation", metavar="OPERATION", help="its id, or its number")
    replay.add_argument("--yes", action="store_true", help="do not ask")
    replay.add_argument(
        "--from", dest="first", type=int, default=1, metavar="STEP", help="the first step to run"
    )
    replay.add_argument("--print", action="store_true", help="print a script, and run nothing")


def _replay(args: argparse.Namespace) -> int:
    """Show an operation's commands, ask, and run them.

    A step that fails ends it; then the steps that began here are taken back as the agent
    would, and asked about first unless `--yes`.
    """
    found = find(open_journal(args), args.operation)
    first: int = args.first
    plan = Plan.from_json(found["plan"])
    if not 1 <= first <= len(plan.steps):
        raise InvalidRequest([FieldError("--from", f"the steps are 1 to {len(plan.steps)}")])
    if found["status"] in (RUNNING, UNSETTLED) and not args.print:
        raise InUse(
            f"operation {found['id']} is {found['status']}: the agent settles it, and would take"
            " back what is replayed now"
        )
    if plan.once is not None and os.path.exists(plan.once) and not args.print:
        done = f"operation {found['id']} has been carried out already; delete what it made first"
        raise InUse(f"{plan.once} is there: {done}")
    if args.print:
        print(operation_script(found, first), end="")
        return 0
    steps = list(enumerate(plan.steps, 1))[first - 1 :]
    print(f"{plan.does} (operation {found['id']}, which is {found['status']})")
    for number, step in steps:
        print(f"\n# {number} of {len(plan.steps)}: {step.does}\n{step.command}")
    if not args.yes and not _agrees(f"\nRun {len(steps)} commands? [y/N] ", default=False):
        print("nothing was run")
        return 1
    began: list[Step] = []
    runner = TerminalRunner(show=True)
    try:
        for number, step in steps:
            print(f"\n# {number} of {len(plan.steps)}: {step.does}\n{step.command}", flush=True)
            began.append(step)
            if not _run(runner, step.command):
                print(f"\nstep {number} failed", flush=True)
                break
        else:
            print("\ndone")
            return 0
    except KeyboardInterrupt:
        print("\ninterrupted", flush=True)
    _take_back(runner, began, yes=args.yes)
    return 1


def _take_back(runner: TerminalRunner, began: list[Step], *, yes: bool) -> None:
    commands = [command for step in reversed(began) for command in step.undo]
    if not commands:
        return
    print("\n# to take back what was made:")
    for command in commands:
        print(command)
    if not yes and not _agrees(f"\nRun these {len(commands)}? [Y/n] ", default=True):
        return
    for command in commands:
        print(f"\n{command}", flush=True)
        if not _run(runner, command):
            print("it failed; what it is for is left behind", flush=True)


def _run(runner: TerminalRunner, command: Command) -> bool:
    """Run a command; returns whether it did what it is for."""
    try:
        result = runner.run(command.argv, command.stdin)
    except AgentError as error:
        print(error.detail, flush=True)
        return False
    return command.succeeded(result)


def _agrees(question: str, *, default: bool) -> bool:
    try:
        answer = input(question).strip().lower()
    except EOFError:
        return False
    return answer in ("y", "yes") or (default and not answer)
