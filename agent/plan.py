"""A change to the hypervisor as plain data: commands, the commands that undo them, their order."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command, not run yet.

    argv: the tool and its arguments, one element each; no shell reads them.
    stdin: the text that the command reads, None for an empty standard input.
    tolerates: texts on stderr with which a failure means that there was nothing
        left to do, such as "domain is not running" for a command that stops one.
    """

    argv: tuple[str, ...]
    stdin: str | None = None
    tolerates: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The command as a line for a POSIX shell, a here-document for its stdin included."""
        line = shlex.join(self.argv)
        if self.stdin is None:
            return line
        if not self.stdin.endswith("\n"):
            return f"printf %s {shlex.quote(self.stdin)} | {line}"
        lines = self.stdin.splitlines()
        end = "EOF"
        while end in lines:
            end += "_"
        return f"{line} <<'{end}'\n{self.stdin}{end}"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a plan and what takes it back.

    does: what the step is for, in a few words for a person.
    undo: the commands that take the step back, in the order to run them. They may
        only touch what this step made, and must do no harm when it made nothing.
    taken: texts on stderr with which a failure means that the name belongs to
        somebody else: then nothing was made here, and the undo must not run.
    """

    does: str
    command: Command
    undo: tuple[Command, ...] = ()
    taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of steps that makes one change, and what the change is in a few words."""

    does: str
    steps: tuple[Step, ...]
