"""What the journal tells: operations, the commands that were run, and installs."""

import json
import sqlite3
from typing import Any

from agent.database import Database
from agent.operation import RUNNING, UNSETTLED, WAITING
from agent.plan import Command


class History:
    """The operations of one agent, to read.

    Every method raises JournalFailed when the file cannot be opened or read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        *,
        host: str | None = None,
        network: str | None = None,
        status: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Operations without their steps, newest first. before: a `number` to go on from."""
        wanted = {
            "host = ?": host,
            "network = ?": network,
            "status = ?": status,
            "number < ?": before,
        }
        given = {clause: value for clause, value in wanted.items() if value is not None}
        where = f" where {' and '.join(given)}" if given else ""
        with self._database.reading() as db:
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
                "select id from operations where domain is null and status in (?, ?, ?)"
                " order by number",
                (RUNNING, WAITING, UNSETTLED),
            ).fetchall()
        return [row["id"] for row in rows]

    def installs(self) -> list[dict[str, Any]]:
        """The installs that have not ended: id, host, domain, status."""
        with self._database.reading() as db:
            rows = db.execute(
                "select id, host, domain, status from operations"
                " where domain is not null and status in (?, ?) order by number",
                (WAITING, RUNNING),
            ).fetchall()
        return [dict(row) for row in rows]

    def install(self, domain: str) -> dict[str, Any] | None:
        """The latest install of the domain of that UUID, None without one."""
        with self._database.reading() as db:
            row = db.execute(
                "select status, began, ended, location, error from operations"
                " where domain = ? order by number desc limit 1",
                (domain,),
            ).fetchone()
        return None if row is None else {**row, "error": json.loads(row["error"] or "null")}


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
