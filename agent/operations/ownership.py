"""Tells whether a volume is an operation's own, before recovery deletes it by its name.

`vol-create-as` fails when its name is taken, and a step that failed so is not undone. An agent that
is killed while the command runs does not hear how it ended, though: the volume of that name may be
the operation's, or one that somebody made between the agent's look and the command.

libvirt keeps no mark that only this operation could have left: title, metadata and label of a
volume's XML are dropped, and a made-up group id, which it does keep, would stay on the disk for
good, and cannot be given on NFS. So two things are asked, the first that can tell:

- what the command said. It says so to a file (`records`), which it does without the agent, too;
- where it was killed as well, when the file system says that the volume was born. One from before
  the command began is somebody else's, and so is one from long after it. libvirt 9.0 says 0 for
  every volume's birth; stat(1) knows.

What is left is a volume that somebody made in the some 15 ms between the command's begin and its
call, with the agent and virsh both killed in the next 15. Where nothing can tell, as on a file
system that keeps no births, or with a clock that was set back, the volume is kept and named.
"""

import logging
from collections.abc import Collection
from typing import Any

from agent.errors import command_failure
from agent.plans.plan import Plan
from agent.tools.command import Command, RunsCommands
from agent.tools.commands.files import birth
from agent.tools.commands.virsh import deleted_volume, volume_path
from agent.tools.parsers.files import seconds_of_birth

_log = logging.getLogger("agent.operation")


class Ownership:
    """Which volumes of one cut-off operation its recovery may delete.

    commands: those that were run, as the journal has them. began: when the operation did, in
        seconds since the epoch.
    seconds: how long after its begin a command may have made its volume; None for as long as it
        likes, for an agent that saw libvirt hang and come back.
    kept: why each volume is kept that is, by its name.
    """

    def __init__(
        self,
        runner: RunsCommands,
        commands: Collection[dict[str, Any]],
        began: float,
        seconds: float | None,
    ) -> None:
        self._runner = runner
        forward = [command for command in commands if not command["undo"]]
        self._made = {command["step"] for command in forward if command["ok"]}
        self._deleted = {
            tuple(command["argv"]) for command in commands if command["undo"] and command["ok"]
        }
        # Only the last command can have an outcome that is not known. The latest time of all, since
        # after a clock that was set back meanwhile births say nothing: then it is kept.
        self._began = max([began, *(command["began"] for command in forward)])
        self._seconds = seconds
        self.kept: dict[str, str] = {}

    def keep_taken(self, plan: Plan, taken: Collection[int]) -> None:
        """Note the volumes of steps that found their name taken."""
        for index in sorted(taken):
            for command in plan.steps[index].undo:
                volume = deleted_volume(command)
                if volume is not None:
                    self._keep(volume, "it was there already when this operation was to make it")

    def spares(self, index: int, command: Command) -> bool:
        """Whether a command of a step's undo must not run, since it would delete another's volume.

        Raises the failure of a look, after which it is not known.
        """
        volume, look = deleted_volume(command), volume_path(command)
        if volume is None or look is None:
            return False
        if index in self._made:
            # Deleted at an earlier try, it is gone: what has its name now came after it.
            return command.argv in self._deleted
        found = self._runner.run(look.argv)
        if found.exit_code != 0:
            if look.tolerated(found.stderr):
                return False  # libvirt may be at work on it, and the undo comes again
            raise command_failure(look.argv, found.exit_code, found.stderr)
        why = self._why_kept(found.stdout.strip())
        if why is None:
            return False
        self._keep(volume, f"{why}; if it is nobody's, delete it with: {command}")
        return True

    def _why_kept(self, path: str) -> str | None:
        told = self._runner.run(birth(path).argv)
        born = seconds_of_birth(told.stdout) if told.exit_code == 0 else None
        if born is None:
            return "nothing says whether this operation made it: its file system keeps no births"
        if born < self._began:
            return "it was made before this operation began to make its own"
        if self._seconds is not None and born > self._began + self._seconds:
            return "it was made long after this operation was to make its own"
        return None

    def _keep(self, volume: str, why: str) -> None:
        if volume not in self.kept:
            _log.warning("volume %s is kept: %s", volume, why)
        self.kept[volume] = why
