"""What an operation is: the change that is asked for, by whom, its status, how commands ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.errors import AgentError
from agent.operations.locks import Claim
from agent.plans.plan import Plan


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a client asks for.

    claims: the names that it needs while it runs.
    plan: reads the facts and builds the plan, or raises because the change cannot be.
    answer: reads what the client is told once the plan has run.
    makes: it makes something, and waits for its turn where there are turns.
    """

    claims: tuple[Claim, ...]
    plan: Callable[[], Plan]
    answer: Callable[[], Any]
    makes: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked of the agent, and by whom.

    host, network: the name that the change is about, one of them. client: the address.
    """

    method: str
    path: str
    body: Any
    request_id: str
    client: str | None
    host: str | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended.

    ok: it did what it was for, or found it done. error: what its exit code does not say, such as
    that it was killed at its time limit, or printed something else than is expected.
    """

    seconds: float
    exit_code: int | None
    ok: bool
    stdout: str
    stderr: str
    error: str | None = None


# An operation's statuses. "undone": it failed and left nothing. "failed": it failed, there is
# no undo, and it may be asked for again. "unsettled": it was cut off, or its undo failed; the
# agent goes on trying, and holds its names until then.
# "waiting": an install whose installer has not ended, or a change whose turn has not come.
RUNNING, WAITING, DONE, UNDONE, FAILED, UNSETTLED = STATUSES = (
    "running",
    "waiting",
    "done",
    "undone",
    "failed",
    "unsettled",
)
# Those that the agent is not done with: it goes on with them by itself.
UNFINISHED = (RUNNING, WAITING, UNSETTLED)


def error_json(error: BaseException) -> Mapping[str, Any]:
    """An error for the journal."""
    if isinstance(error, AgentError):
        return {"detail": error.detail, **error.facts()}
    return {"detail": f"unexpected: {error!r}"}
