"""`python -m agent replay`: runs an operation's commands again, in the terminal."""

import argparse
from collections.abc import Callable
from typing import Any

from agent.cli.journal import find, open_journal
from agent.cli.terminal import TerminalRunner
from agent.config import Config
from agent.errors import AgentError, FieldError, InUse, InvalidRequest
from agent.operations.operation import RUNNING, UNSETTLED
from agent.plans.plan import Plan, Step
from agent.plans.script import operation_script
from agent.tools.command import Command


def run(args: argparse.Namespace, read_config: Callable[[], Config]) -> int:
    """Replay an operation of the journal."""
    found = find(open_journal(read_config()), args.operation)
    return replay(found, first=args.first, yes=args.yes, only_print=args.print)


def replay(
    found: dict[str, Any],
    *,
    first: int,
    yes: bool,
    only_print: bool,
    ask: Callable[[str], str] = input,
) -> int:
    """Show an operation's commands, ask, and run them; answers the exit status.

    found: the operation, as the journal has it. first: the step to begin with, from 1.
    A step that fails ends it; then the steps that began here are taken back as the agent
    would, and asked about first unless `yes`.
    """
    plan = Plan.from_json(found["plan"])
    if not 1 <= first <= len(plan.steps):
        raise InvalidRequest([FieldError("--from", f"the steps are 1 to {len(plan.steps)}")])
    if found["status"] in (RUNNING, UNSETTLED) and not only_print:
        raise InUse(
            f"operation {found['id']} is {found['status']}: the agent settles it, and would take"
            " back what is replayed now"
        )
    if only_print:
        print(operation_script(found, first), end="")
        return 0
    steps = list(enumerate(plan.steps, 1))[first - 1 :]
    print(f"{plan.does} (operation {found['id']}, which is {found['status']})")
    for number, step in steps:
        print(f"\n# {number} of {len(plan.steps)}: {step.does}\n{step.command}")
    if not yes and not _agrees(ask, f"\nRun {len(steps)} commands? [y/N] ", default=False):
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
    _take_back(runner, began, yes, ask)
    return 1


def _take_back(
    runner: TerminalRunner, began: list[Step], yes: bool, ask: Callable[[str], str]
) -> None:
    commands = [command for step in reversed(began) for command in step.undo]
    if not commands:
        return
    print("\n# to take back what was made:")
    for command in commands:
        print(command)
    if not yes and not _agrees(ask, f"\nRun these {len(commands)}? [Y/n] ", default=True):
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
    return result.exit_code == 0 or command.tolerated(result.stderr)


def _agrees(ask: Callable[[str], str], question: str, *, default: bool) -> bool:
    try:
        answer = ask(question).strip().lower()
    except EOFError:
        return False
    return answer in ("y", "yes") or (default and not answer)
