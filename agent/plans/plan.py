"""A change to the hypervisor as plain data: commands, the commands that undo them, their order."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from agent.tools.command import Command


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a plan and what takes it back.

    does: what the step is for, in a few words for a person.
    undo: the commands that take the step back, in the order to run them. They address what
        this step makes by a UUID that the plan chose, so they find that or nothing, however
        far the step came.
    """

    does: str
    command: Command
    undo: tuple[Command, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The step as plain values."""
        return {
            "does": self.does,
            "command": self.command.to_json(),
            "undo": [command.to_json() for command in self.undo],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Step":
        """The step that `to_json` wrote."""
        undo = tuple(Command.from_json(command) for command in value["undo"])
        return cls(value["does"], Command.from_json(value["command"]), undo)


@dataclass(frozen=True, slots=True)
class Install:
    """What goes on after a plan: the installer in a new domain.

    domain: its UUID. location: where the installer is from, None for a network boot or media.
    after_install: "start" the domain when the installer has ended, or leave it "off".
    override: it is no installer, but what a boot override has booted once.
    """

    host: str
    domain: str
    location: str | None
    after_install: str = "start"
    override: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered list of steps that makes one change, and what the change is in a few words.

    install: what goes on once the plan has run, None for nothing.
    leave: a plan that was cut off by a crash is left as it is, neither undone nor carried on.
    once: a file that is there as long as what the plan makes is. Who runs the plan by hand while
        it is there would take back what lives, since the undo goes by the same names.
    """

    does: str
    steps: tuple[Step, ...]
    install: Install | None = None
    leave: bool = False
    once: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "does": self.does,
            "steps": [step.to_json() for step in self.steps],
            "install": None if self.install is None else asdict(self.install),
            "leave": self.leave,
            "once": self.once,
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
            value.get("once"),
        )
