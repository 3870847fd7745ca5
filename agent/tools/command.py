"""A command as data, how it ended, and what is asked of whatever runs it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """One command, not run yet.

    argv: the tool and its arguments, one element each; no shell reads them.
    stdin: the text that the command reads, None for an empty standard input.
    tolerates: texts on stderr with which a failure means that there was nothing
        left to do, such as "domain is not running" for a command that stops one.
    expects: what it prints when it has done its work, but for white space around that; None
        where what it prints does not matter.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    tolerates: tuple[str, ...] = ()
    expects: str | None = None

    def __str__(self) -> str:
        """The command as a line for a POSIX shell, a here-document for its stdin included."""
        return self.shell()

    def shell(self, before: str = "", after: str = "") -> str:
        """The command for a POSIX shell with words before it and a shell's text after it."""
        line = f"{before}{shlex.join(self.argv)}"
        if self.stdin is None:
            return f"{line}{after}"
        if not self.stdin.endswith("\n"):
            return f"printf %s {shlex.quote(self.stdin)} | {line}{after}"
        lines = self.stdin.split("\n")
        end = "EOF"
        while end in lines:
            end += "_"
        return f"{line} <<'{end}'{after}\n{self.stdin}{end}"

    def succeeded(self, result: "Result") -> bool:
        """Whether the command that ended so did its work, or found it done."""
        if result.exit_code != 0:
            return any(text in result.stderr for text in self.tolerates)
        return self.expects is None or result.stdout.strip() == self.expects

    def to_json(self) -> dict[str, Any]:
        """The command as plain values; `shell` is it as a line to paste."""
        return {
            "argv": list(self.argv),
            "stdin": self.stdin,
            "tolerates": list(self.tolerates),
            "expects": self.expects,
            "shell": str(self),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Command":
        """The command that `to_json` wrote."""
        tolerates = tuple(value["tolerates"])
        return cls(tuple(value["argv"]), value["stdin"], tolerates, value.get("expects"))


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
