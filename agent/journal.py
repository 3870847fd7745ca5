"""The journal: every change that was begun, its steps and what came of them, on disk.

What a step is about to do is on disk before it is done, so that after a crash it is known
what may have been made.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agent.database import Database
from agent.history import History
from agent.operation import DONE, RUNNING, WAITING, Asked, Outcome
from agent.plan import Command, Plan
from agent.pruning import Pruner

# What a command printed is kept up to here; the beginning says most.
MOST_OUTPUT = 16 * 1024


class Journal(History):
    """The operations of one agent, in a file of its state folder.

    Every method raises JournalFailed when the file cannot be opened, read or written, and
    tries anew at the next call.
    path: the file, or ":memory:" for tests. days, count: operations that have ended are
        forgotten when they are older, or when there are more. clock: seconds since the epoch.
        uptime: seconds, by a clock that nobody can set.
    on_end: called with the status that an operation ended with, once it is written down.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        days: float = 90,
        count: int = 10_000,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        on_end: Callable[[str], None] = lambda status: None,
    ) -> None:
        super().__init__(Database(path))
        self._on_end = on_end
        self._clock = clock
        self._pruner = Pruner(days=days, count=count, clock=clock, uptime=uptime)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def check(self) -> None:
        """Raise JournalFailed when operations could not be written down now."""
        with self._database.writing() as db:
            # Something has to be written: a disk that cannot be is not missed before.
            db.execute("pragma user_version = 1")

    def begin(self, operation: str, asked: Asked, plan: Plan, status: str = "running") -> None:
        """Write down an operation that is about to begin, or (WAITING) to wait for its turn."""
        request = {
            "method": asked.method,
            "path": asked.path,
            "body": asked.body,
            "request_id": asked.request_id,
            "client": asked.client,
        }
        with self._database.writing() as db:
            db.execute(
                "insert into operations (id, does, host, network, request, plan, status, began)"
                " values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    operation,
                    plan.does,
                    asked.host,
                    asked.network,
                    json.dumps(request),
                    json.dumps(plan.to_json()),
                    status,
                    self._clock(),
                ),
            )
            self._pruner.prune(db)

    def run(self, operation: str) -> None:
        """Write down that the turn of an operation has come: it runs from now on."""
        with self._database.writing() as db:
            db.execute("update operations set status = ? where id = ?", (RUNNING, operation))

    def begin_step(self, operation: str, step: int, command: Command, undo: bool) -> int:
        """Write down a command that is about to run; answers its number in the operation.

        step: the step of the plan that it belongs to, from 0. undo: it takes that back.
        """
        with self._database.writing() as db:
            (number,) = db.execute(
                "select count(*) from steps where operation ="
                " (select number from operations where id = ?)",
                (operation,),
            ).fetchone()
            db.execute(
                "insert into steps (operation, number, undoes, step, argv, stdin, began)"
                " values ((select number from operations where id = ?), ?, ?, ?, ?, ?, ?)",
                (
                    operation,
                    number,
                    int(undo),
                    step,
                    json.dumps(command.argv),
                    command.stdin,
                    self._clock(),
                ),
            )
        return int(number)

    def end_step(self, operation: str, number: int, outcome: Outcome) -> None:
        """Write down how a command ended."""
        with self._database.writing() as db:
            db.execute(
                "update steps set"
                " seconds = ?, exit_code = ?, ok = ?, stdout = ?, stderr = ?, error = ?"
                " where operation = (select number from operations where id = ?) and number = ?",
                (
                    outcome.seconds,
                    outcome.exit_code,
                    int(outcome.ok),
                    _bounded(outcome.stdout),
                    _bounded(outcome.stderr),
                    outcome.error,
                    operation,
                    number,
                ),
            )

    def end(self, operation: str, status: str, error: Mapping[str, Any] | None = None) -> None:
        """Write down how an operation ended. error: what its client was told.

        The install that goes on after it, if one does, is an operation that begins with that:
        no crash can come between the two.
        """
        with self._database.writing() as db:
            before = db.execute("select status from operations where id = ?", (operation,))
            # One that cannot be settled is ended again at every try.
            new = [row["status"] for row in before] != [status]
            db.execute(
                "update operations set status = ?, ended = ?, error = ? where id = ?",
                (status, self._clock(), json.dumps(error) if error else None, operation),
            )
            if status == DONE:
                self._begin_install(db, operation)
        if new:
            self._on_end(status)

    def set_plan(self, operation: str, plan: Plan) -> None:
        """Write down what an install's end is to be: its operation runs from now on."""
        with self._database.writing() as db:
            db.execute(
                "update operations set plan = ?, status = ? where id = ?",
                (json.dumps(plan.to_json()), RUNNING, operation),
            )

    def keep(self, *, days: float, count: int) -> None:
        """Forget operations that have ended by other limits from now on."""
        self._pruner.keep(days=days, count=count)

    def _begin_install(self, db: sqlite3.Connection, operation: str) -> None:
        row = db.execute(
            "select plan, request from operations where id = ?", (operation,)
        ).fetchone()
        install = Plan.from_json(json.loads(row["plan"])).install if row is not None else None
        if install is None:
            return
        plan = Plan(f"finish the install of host {install.host}", (), leave=True)
        db.execute(
            "insert into operations"
            " (id, does, host, request, plan, status, began, domain, location)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                str(uuid.uuid4()),
                plan.does,
                install.host,
                row["request"],
                json.dumps(plan.to_json()),
                WAITING,
                self._clock(),
                install.domain,
                install.location,
            ),
        )


def _bounded(text: str) -> str:
    if len(text) <= MOST_OUTPUT:
        return text
    return f"{text[:MOST_OUTPUT]}\n[{len(text) - MOST_OUTPUT} characters more]\n"
