"""How a command ended, and what is asked of whatever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended: its exit code (negative for a signal) and what it printed."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float


class RunsCommands(Protocol):
    """Whatever runs one command: `Runner` in the server, another at a terminal."""

    def run(self, argv: Sequence[str], stdin: str | None = None) -> Result:
        """Run one command to its end, whatever its exit code is."""
