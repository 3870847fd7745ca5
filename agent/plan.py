"""A change to the hypervisor as plain data: commands, the commands that undo them, their order."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


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

    def tolerated(self, stderr: str) -> bool:
        """Whether a failure that said this means that there was nothing left to do."""
        return any(text in stderr for text in self.tolerates)

    def to_json(self) -> dict[str, Any]:
        """The command as plain values; `shell` is it as a line to paste."""
        return {
            "argv": list(self.argv),
            "stdin": self.stdin,
            "tolerates": list(self.tolerates),
            "shell": str(self),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Command":
        """The command that `to_json` wrote."""
        return cls(tuple(value["argv"]), value["stdin"], tuple(value["tolerates"]))


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

    def found_taken(self, stderr: str) -> bool:
        """Whether a failure that said this means that the name is somebody else's."""
        return any(text in stderr for text in self.taken)

    def to_json(self) -> dict[str, Any]:
        """The step as plain values."""
        return {
            "does": self.does,
            "command": self.command.to_json(),
            "undo": [command.to_json() for command in self.undo],
            "taken": list(self.taken),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Step":
        """The step that `to_json` wrote."""
        undo = tuple(Command.from_json(command) for command in value["undo"])
        return cls(value["does"], Command.from_json(value["command"]), undo, tuple(value["taken"]))


@dataclass(frozen=True, slots=True)
class Install:
    """What goes on after a plan: the installer in a new domain.

    domain: its UUID. location: where the installer is from, None for a network boot.
    """

    host: str
    domain: str
    location: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of steps that makes one change, and what the change is in a few words.

    install: what goes on once the plan has run, None for nothing.
    leave: a plan that was cut off by a crash is left as it is, neither undone nor carried on.
    """

    does: str
    steps: tuple[Step, ...]
    install: Install | None = None
    leave: bool = False

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "does": self.does,
            "steps": [step.to_json() for step in self.steps],
            "install": None if self.install is None else asdict(self.install),
            "leave": self.leave,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Plan":
        """The plan that `to_json` wrote."""
        install = value.get("install")
        return cls(
            value["does"],
            tuple(Step.from_json(step) for step in value["steps"]),
            None if install is None else Install(**install),
            bool(value.get("leave")),
        )
