"""What can go wrong, in the agent's own words. Nothing here knows HTTP.

A command has failed when its exit code says so; its stderr only tells which failure it
was. That is decided once, in `command_failure`.
"""

import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class AgentError(Exception):
    """The base of every error that the agent raises on purpose; its text is for the client.

    left_behind: undo commands that failed too, as lines to paste into a shell.
    """

    left_behind: tuple[str, ...] = ()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def facts(self) -> dict[str, Any]:
        """What a program may want to know beside the text, ready for JSON."""
        return {}


class ConfigError(AgentError):
    """The configuration cannot be used; the text says which setting and why."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field of a request that was refused, and why."""

    field: str
    detail: str


class InvalidRequest(AgentError):
    """The request asks for what cannot be; every offending field is named."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = tuple(errors)

    def facts(self) -> dict[str, Any]:
        return {"errors": [{"field": e.field, "detail": e.detail} for e in self.errors]}


class NotFound(AgentError):
    """There is no host or network of that name."""


class AlreadyExists(AgentError):
    """There is a host or network of that name already."""


class InUse(AgentError):
    """What should go is still used by something else."""


class WrongState(AgentError):
    """What is asked of a host does not fit the state that it is in."""


class TooMany(AgentError):
    """As many as there may be do that already."""


class Busy(AgentError):
    """Another operation holds the name."""

    def __init__(self, detail: str, operation: str) -> None:
        super().__init__(detail)
        self.held_by = operation

    def facts(self) -> dict[str, Any]:
        return {"held_by": self.held_by}


class Stopping(AgentError):
    """The agent is on its way down and takes no more changes."""


class JournalFailed(AgentError):
    """The journal cannot be read or written, and nothing is changed without it."""


class TokensUnusable(ConfigError):
    """The file of the tokens cannot be read or is damaged; nobody is authenticated without it."""


class InvalidOutput(AgentError):
    """A tool printed what the agent cannot read; the text quotes it."""

    def __init__(self, tool: str, quoted: str, reason: str) -> None:
        super().__init__(f"{tool} printed what the agent cannot read ({reason}): {quoted[:300]!r}")


class CommandFailed(AgentError):
    """A command ended with a failure.

    command: the command as a line to paste into a shell.
    exit_code: its exit code, negative for the number of the signal that ended it, None if it
        never ran or had to be killed.
    stderr: what it wrote there.
    """

    why = "failed"

    def __init__(self, argv: Sequence[str], exit_code: int | None, stderr: str) -> None:
        self.argv = tuple(argv)
        self.exit_code = exit_code
        self.stderr = stderr.strip()
        last = _message(self.stderr)
        super().__init__(f"{argv[0]} {self.why}" + (f": {last}" if last else ""))

    def facts(self) -> dict[str, Any]:
        return {
            "command": shlex.join(self.argv),
            "exit_code": self.exit_code,
            "stderr": self.stderr,
        }


class NameTaken(CommandFailed):
    """The command found the name or a MAC of what it should make in use."""

    why = "found the name or a MAC taken"


class BadLocation(CommandFailed):
    """virt-install found nothing to install from at the location."""

    why = "cannot install from location"


class ImageUnavailable(CommandFailed):
    """An image could not be fetched, or is larger than it may be."""

    def __init__(self, argv: Sequence[str], exit_code: int | None, stderr: str) -> None:
        self.why = f"cannot fetch {argv[-1]}"
        if exit_code in (_CURL_TOO_LARGE, -signal.SIGXFSZ):
            stderr = f"{stderr}\nit is larger than the setting media_gb allows"
        super().__init__(argv, exit_code, stderr)
        self.detail = self.detail.removeprefix(f"{argv[0]} ")


class StateChanged(CommandFailed):
    """The command found a host or its snapshots changed since the plan was made."""

    why = "found something that changed meanwhile"


class DomainGone(CommandFailed):
    """The domain that the command is about is not there any more."""

    why = "found no such domain"


class NoRoom(CommandFailed):
    """The hypervisor has not the disk space or the memory that was asked for."""

    why = "found too little disk space or memory"


class WrongVlan(CommandFailed):
    """A host's port did not come up with the VLANs of its network."""

    why = "did not see the host's port come up on its bridge with its VLANs"


class PortRefused(CommandFailed):
    """libvirt could not put a host's port on its bridge: Open vSwitch is down, or lacks it."""

    why = "could not put the host's port on its Open vSwitch bridge"


class OutOfReach(CommandFailed):
    """libvirt or Open vSwitch does not answer."""

    why = "cannot reach its daemon"


class PoolOff(OutOfReach):
    """libvirt answers, but the agent's storage pool is not active or not there."""

    why = "cannot use the storage pool"


class ToolMissing(CommandFailed):
    """The tool is not installed, or may not be run by the agent's user."""

    why = "cannot be run"


class CommandTimeout(CommandFailed):
    """The command ran past its time limit and was killed with everything it had started."""

    def __init__(self, argv: Sequence[str], seconds: float, stderr: str) -> None:
        self.why = f"was killed: it ran past its limit of {seconds:g} s"
        super().__init__(argv, None, stderr)


class Interrupted(CommandFailed):
    """The command was killed because the agent is stopping."""

    why = "was killed because the agent is stopping"


# Its exit codes for more than --max-filesize, and for what it could not write.
_CURL_TOO_LARGE, _CURL_WRITE = 63, 23
_REACH = re.compile(
    r"failed to connect to the hypervisor|Failed to connect socket|End of file while reading data"
    r"|Cannot recv data|Cannot write data|client socket is closed|connection (was )?closed"
    r"|database connection failed|unable to connect to server"
    # A kept virsh, to whatever it is asked after it could not connect again.
    r"|no valid connection"
)
_PORT = re.compile(r"Unable to add port .* to OVS bridge")
_POOL = re.compile(r"storage pool '.*' is not active|Storage pool not found")
_ROOM = re.compile(r"No space left on device|Cannot allocate memory|Disk quota exceeded")
_TAKEN = re.compile(
    r"Guest name '.*' is already in use|domain '.*' already exists with uuid"
    r"|network '.*' already exists with uuid|domain moment .* already exists"
    r"|The MAC address '.*' is in use"
)
_LOCATION = re.compile(
    r"install location|installable distribution|Couldn't acquire|Couldn't find kernel"
    r"|Opening URL|Error validating install|Validating install media"
)


def command_failure(argv: Sequence[str], exit_code: int, stderr: str) -> CommandFailed:
    """Tell by its exit code and stderr which failure a command ended with.

    argv: the command. exit_code: as subprocess gives it, negative for a signal.
    """
    return _kind(argv, exit_code, stderr)(argv, exit_code, stderr)


def _kind(argv: Sequence[str], exit_code: int, stderr: str) -> type[CommandFailed]:
    if argv[0] == "ovs-vsctl" and exit_code == -signal.SIGALRM:
        # ovs-vsctl ends itself so at its --timeout: a condition that never came true, or
        # an ovs-vswitchd that never took the change over.
        return WrongVlan if "wait-until" in argv else OutOfReach
    if "curl" in argv[:3]:
        # Whatever a server makes it say is none of libvirt's messages.
        return NoRoom if exit_code == _CURL_WRITE else ImageUnavailable
    if _REACH.search(stderr):
        return OutOfReach
    if "domstate" in argv and re.search("failed to get domain|Domain not found", stderr):
        return DomainGone
    if _POOL.search(stderr):
        return PoolOff
    if _PORT.search(stderr):
        return PortRefused
    if _TAKEN.search(stderr):
        return NameTaken
    if _ROOM.search(stderr):
        return NoRoom
    if exit_code == 0:
        # It has not printed what it should.
        return StateChanged
    if argv[0] == "virt-install":
        located = any(word.startswith("--location") for word in argv)
        # libosinfo crashes on some locations (seen in virt-install 4.1 with libsoup 3).
        if _LOCATION.search(stderr) or (located and exit_code == -signal.SIGSEGV):
            return BadLocation
    return CommandFailed


def _message(stderr: str) -> str:
    """The part of a tool's stderr that says what went wrong, in one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"(error:|ERROR\b)", line)]
    return "; ".join(re.sub(r"^(error:|ERROR)\s*", "", line) for line in told or lines[-1:])
