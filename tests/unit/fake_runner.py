"""Stands in for the runner, so that a test says what comes of each command."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from agent.errors import Busy, JournalFailed
from agent.operations.admission import Admission
from agent.operations.executor import Executor
from agent.operations.journal import Journal
from agent.operations.locks import Claim, Locks
from agent.operations.operation import Change, Request
from agent.operations.recovery import Recovery
from agent.operations.steps import Steps
from agent.plans.plan import Plan, Step
from agent.tools.command import Command, Result


class Commands:
    """Notes each command, and does with it what a test says; any other one succeeds."""

    def __init__(self) -> None:
        self.ran: list[Command] = []
        self.operations: set[str | None] = set()
        self.prints: dict[tuple[str, ...], str] = {}
        self.answers: dict[tuple[str, ...], Callable[[], tuple[int, str]]] = {}
        self.interrupt: Callable[[], None] = lambda: None

    def fails(self, command: Command, stderr: str = "error: no") -> None:
        self.answers[command.argv] = lambda: (1, stderr)

    def raises(self, command: Command, error: BaseException) -> None:
        def fail() -> tuple[int, str]:
            raise error

        self.answers[command.argv] = fail

    def run(
        self,
        argv: Sequence[str],
        stdin: str | None = None,
        operation: str | None = None,
        output: BinaryIO | None = None,
    ) -> Result:
        self.ran.append(Command(tuple(argv), stdin))
        self.operations.add(operation)
        answer = self.answers.get(tuple(argv), lambda: (0, ""))
        exit_code, stderr = answer()
        return Result(tuple(argv), exit_code, self.prints.get(tuple(argv), ""), stderr, 0.0)

    def limit(self, argv: Sequence[str]) -> float:
        """The seconds that a command may take."""
        return 60.0

    def words(self) -> list[str]:
        """The commands that were run, each as one line."""
        return [" ".join(command.argv) for command in self.ran]


def shown(operation: str, plan: Plan, /, **more: Any) -> dict[str, Any]:
    """An operation as the journal lists it: it began when a clock of 1000 s stood still."""
    return {
        "id": operation,
        "number": 1,
        "does": plan.does,
        "host": "a",
        "network": None,
        "status": "running",
        "began": 1000.0,
        "ended": None,
        "steps": len(plan.steps),
        "steps_done": 0,
        "undo_commands": 0,
        "request": {
            "method": "POST",
            "path": "/hosts/a",
            "body": {"memory": 1},
            "request_id": "request",
            "client": "127.0.0.1",
        },
        "error": None,
        **more,
    }


def shown_command(line: str, step: int, undo: bool = False, /, **more: Any) -> dict[str, Any]:
    """A command as the journal shows it, which succeeded unless told otherwise."""
    return {
        "step": step,
        "undo": undo,
        "argv": line.split(),
        "stdin": None,
        "shell": line,
        "began": 1000.0,
        "seconds": 0.0,
        "exit_code": 0,
        "ok": True,
        "stdout": "",
        "stderr": "",
        "error": None,
        **more,
    }


def argvs(commands: Sequence[Command]) -> list[tuple[str, ...]]:
    """The commands without what they read."""
    return [command.argv for command in commands]


def asked(name: str = "a", kind: str = "host") -> Request:
    """A request that is about a host, or about a network."""
    body = {"memory": 1}
    path = f"/{kind}s/{name}"
    return Request("POST", path, body, "request", "127.0.0.1", **{kind: name})


class BreakingJournal(Journal):
    """A journal in memory whose clock stands still, and whose writes fail when a test says so.

    fails: told the number of a write, from 1, whether it fails.
    """

    def __init__(self) -> None:
        super().__init__(":memory:", clock=lambda: 1000.0)
        self.fails: Callable[[int], bool] = lambda number: False
        self.writes = 0
        self._write = self._database.writing
        self._database.writing = self._writing

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self.writes += 1
        if self.fails(self.writes):
            raise JournalFailed("the journal cannot be used: odd")
        with self._write() as db:
            yield db


HOST = Claim("host", "a")


class World:
    """An executor and a recovery over fake commands, and all that they work with.

    journal: that of an agent before this one, None for a new one. The recovery is not told
    of what the executor leaves unsettled: that is noted.
    """

    def __init__(
        self, journal: BreakingJournal | None = None, commands: Commands | None = None
    ) -> None:
        self.commands = commands or Commands()
        self.journal = journal or BreakingJournal()
        self.locks = Locks()
        self.unsettled: list[str] = []
        steps = Steps(self.commands, self.journal)  # type: ignore[arg-type]
        self.recovery = Recovery(steps, self.journal, self.locks)
        self.executor = Executor(
            *(steps, self.journal, self.locks, self.unsettled.append, lambda: None),
            Admission(4, 16),
        )

    def perform(self, plan: Plan, operation: str = "one") -> Any:
        change = Change((HOST,), lambda: plan, lambda: "told")
        return self.executor.perform(change, operation, asked())

    def status(self, operation: str = "one") -> Any:
        found = self.journal.get(operation)
        return None if found is None else found["status"]

    def holder(self, claim: Claim = HOST) -> str | None:
        """The operation that holds the name, None where another may have it."""
        try:
            self.locks.acquire([claim], "another")
        except Busy as busy:
            return busy.held_by
        self.locks.release("another")
        return None


def step(name: str, *, undo: bool = True) -> Step:
    """A step that does `do NAME`, undone by `undo NAME` and `clear NAME`."""
    undoes = (Command(("undo", name)), Command(("clear", name))) if undo else ()
    return Step(f"step {name}", Command(("do", name)), undoes)


def takes_back(*names: str) -> list[str]:
    """The commands that take such steps back, in that order."""
    return [f"{word} {name}" for name in names for word in ("undo", "clear")]


# Two steps that make something, and two that make nothing.
CREATE = Plan(
    "create host a",
    (step("one"), step("two"), step("three", undo=False), step("four", undo=False)),
)
DELETE = Plan("delete host a", tuple(step(name, undo=False) for name in ("one", "two", "three")))
