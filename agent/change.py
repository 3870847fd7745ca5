"""What a client asks to have changed, before it is planned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.locks import Claim
from agent.plan import Plan


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
