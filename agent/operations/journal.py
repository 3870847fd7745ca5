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

from agent.operations.database import Database
from agent.operations.operation import (
    DONE,
    FAILED,
    RUNNING,
    UNDONE,
    UNSETTLED,
    WAITING,
    Outcome,
    Request,
)
from agent.plans.plan import Plan
from agent.tools.command import Command

# What a command printed is kept up to here; the beginning says most.
MOST_OUTPUT = 16 * 1024
# Each operation that begins forgets that many at most, so that none waits for long.
_PRUNED_AT_ONCE = 50
_ANEW = {"detail": "the host was installed again before its installer had ended"}


class Journal:
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
        self._database = Database(path)
        self._on_end = on_end
        self._days = days
        self._count = count
        self._clock = clock
        self._uptime = uptime
        # What the clock said, as far as it is believed, at what uptime.
        self._anchor: tuple[float, float] | None = None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def check(self) -> None:
        """Raise JournalFailed when operations could not be written down now."""
        with self._database.writing() as db:
            # Something has to be written: a disk that cannot be is not missed before.
            db.execute("pragma user_version = 1")

    def begin(self, operation: str, request: Request, plan: Plan, status: str = "running") -> None:
        """Write down an operation that is about to begin, or (WAITING) to wait for its turn."""
        kept = ("method", "path", "body", "request_id", "client")
        with self._database.writing() as db:
            db.execute(
                "insert into operations (id, does, host, network, request, plan, status, began)"
                " values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    operation,
                    plan.does,
                    request.host,
                    request.network,
                    json.dumps({name: getattr(request, name) for name in kept}),
                    json.dumps(plan.to_json()),
                    status,
                    self._clock(),
                ),
            )
            self._prune(db)

    def run(self, operation: str) -> None:
        """Write down that the turn of an operation has come: it runs from now on."""
        with self._database.writing() as db:
            db.execute("update operations set status = ? where id = ?", (RUNNING, operation))

    def begin_step(self, operation: str, step: int, command: Command, undo: bool) -> int:
        """Write down a command that is about to run; returns its number in the operation.

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
        self._days, self._count = days, count

    def find(
        self,
        *,
        host: str | None = None,
        network: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
        sees: Callable[[str], bool] | None = None,
    ) -> list[dict[str, Any]]:
        """Operations without their steps, newest first.

        before: a `number` to go on from. sees: whether a host of that name is one of those that
        the operations are to be about; None for all operations, those about networks included.
        """
        wanted = {
            "host = ?": host,
            "network = ?": network,
            "status = ?": status,
            "number < ?": before,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        clauses = [*given, *(("sees(host)",) if sees is not None else ())]
        where = f" where {' and '.join(clauses)}" if clauses else ""
        with self._database.reading() as db:
            if sees is not None:
                db.create_function("sees", 1, lambda host: host is not None and sees(host))
            rows = db.execute(
                f"select * from operations{where} order by number desc limit ?",  # noqa: S608 - fixed clauses
                (*given.values(), limit),
            ).fetchall()
            return [_operation(row, _counts(db, row["number"])) for row in rows]

    def get(self, operation: str) -> dict[str, Any] | None:
        """One operation with its plan and the commands that were run, None if unknown."""
        with self._database.reading() as db:
            row = db.execute("select * from operations where id = ?", (operation,)).fetchone()
            if row is None:
                return None
            steps = db.execute(
                "select * from steps where operation = ? order by number", (row["number"],)
            ).fetchall()
            shown = _operation(row, _counts(db, row["number"]))
        return {
            **shown,
            "plan": json.loads(row["plan"]),
            "commands": [_command(step) for step in steps],
        }

    def unfinished(self) -> list[str]:
        """The operations that did not come to an end, oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                # With the plus it is not looked for among all that have no domain.
                "select id from operations where +domain is null and status in (?, ?, ?)"
                " order by number",
                (RUNNING, WAITING, UNSETTLED),
            ).fetchall()
        return [row["id"] for row in rows]

    def installs(self) -> list[dict[str, Any]]:
        """The installs that have not ended: id, host, domain, status, after_install."""
        with self._database.reading() as db:
            rows = db.execute(
                "select id, host, domain, status,"
                " coalesce(json_extract(plan, '$.install.after_install'), 'start') as after_install"
                " from operations where domain is not null and status in (?, ?) order by number",
                (WAITING, RUNNING),
            ).fetchall()
        return [dict(row) for row in rows]

    def install(self, domain: str) -> dict[str, Any] | None:
        """The latest install of the domain of that UUID, None without one.

        `override`: 1 for what a boot override has booted once, and 0 for an installer.
        """
        with self._database.reading() as db:
            row = db.execute(
                "select status, began, ended, location, error,"
                " coalesce(json_extract(plan, '$.install.override'), 0) as override"
                " from operations where domain = ? order by number desc limit 1",
                (domain,),
            ).fetchone()
        return None if row is None else {**row, "error": json.loads(row["error"] or "null")}

    def latest_installs(self) -> dict[str, dict[str, Any]]:
        """The latest install of every domain that had one, by the domain's UUID."""
        with self._database.reading() as db:
            rows = db.execute(
                "select domain, status, began, ended, location, error from operations"
                " where number in (select max(number) from operations where domain is not null"
                " group by domain)"
            ).fetchall()
        return {row["domain"]: {**row, "error": json.loads(row["error"] or "null")} for row in rows}

    def _prune(self, db: sqlite3.Connection) -> None:
        """Forget ended operations past the age or the count, some at a time."""
        db.execute(
            "delete from operations where number in ("
            " select number from operations where status in (?, ?, ?) order by number limit ?)"
            " and (began < ? or number <= (select max(number) from operations) - ?)",
            (
                DONE,
                UNDONE,
                FAILED,
                _PRUNED_AT_ONCE,
                self._aging_clock(db) - self._days * 86400,
                self._count,
            ),
        )

    def _aging_clock(self, db: sqlite3.Connection) -> float:
        """The time by which operations age, which does not jump ahead when somebody sets the clock.

        From the agent's start on it is counted by the uptime. A clock that was ahead by then is
        believed half the age at which operations go: then none goes that was not half as old.
        """
        if self._anchor is None:
            last = db.execute(
                "select began from operations order by number desc limit 1 offset 1"
            ).fetchone()
            believed = self._clock()
            if last is not None:
                believed = min(believed, last["began"] + self._days * 86400 / 2)
            self._anchor = (believed, self._uptime())
        believed, since = self._anchor
        return min(self._clock(), believed + self._uptime() - since)

    def _begin_install(self, db: sqlite3.Connection, operation: str) -> None:
        row = db.execute(
            # Not of an install itself, whose plan has it as well.
            "select plan, request from operations where id = ? and domain is null",
            (operation,),
        ).fetchone()
        install = Plan.from_json(json.loads(row["plan"])).install if row is not None else None
        if install is None:
            return
        # An earlier one whose end was not seen yet is none of this installer's.
        db.execute(
            "update operations set status = ?, ended = ?, error = ?"
            " where domain = ? and status = ?",
            (FAILED, self._clock(), json.dumps(_ANEW), install.domain, WAITING),
        )
        plan = Plan(f"finish the install of host {install.host}", (), install, leave=True)
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


def _operation(row: sqlite3.Row, counts: tuple[int, int]) -> dict[str, Any]:
    done, undone = counts
    return {
        "id": row["id"],
        "number": row["number"],
        "does": row["does"],
        "host": row["host"],
        "network": row["network"],
        "status": row["status"],
        "began": row["began"],
        "ended": row["ended"],
        "steps": len(json.loads(row["plan"])["steps"]),
        "steps_done": done,
        "undo_commands": undone,
        "request": json.loads(row["request"]),
        "error": json.loads(row["error"]) if row["error"] else None,
    }


def _counts(db: sqlite3.Connection, number: int) -> tuple[int, int]:
    """How many steps have ended, and how many undo commands were run."""
    row = db.execute(
        "select coalesce(sum(not undoes and ok), 0),"
        " coalesce(sum(undoes), 0) from steps where operation = ?",
        (number,),
    ).fetchone()
    return int(row[0]), int(row[1])


def _command(row: sqlite3.Row) -> dict[str, Any]:
    argv = json.loads(row["argv"])
    return {
        "step": row["step"],
        "undo": bool(row["undoes"]),
        "argv": argv,
        "stdin": row["stdin"],
        "shell": str(Command(tuple(argv), row["stdin"])),
        "began": row["began"],
        "seconds": row["seconds"],
        "exit_code": row["exit_code"],
        "ok": None if row["ok"] is None else bool(row["ok"]),
        "stdout": row["stdout"],
        "stderr": row["stderr"],
        "error": row["error"],
    }
