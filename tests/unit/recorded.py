"""What the tools printed when `scripts/record-fixtures` ran them."""

import shlex
from collections.abc import Sequence
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
URI = "qemu:///system"


def recorded(name: str) -> str:
    """The text of a fixture, as the tool wrote it."""
    return (FIXTURES / name).read_bytes().decode()


def virsh(case: str) -> str:
    """What a virsh printed that succeeded."""
    return recorded(f"virsh-9.0.0.{case}.out")


def virsh_error(case: str) -> str:
    """What a virsh said that failed."""
    return recorded(f"virsh-9.0.0.{case}.err")


class Read:
    """One read of a batch: its words and what it prints; one that fails prints an empty line."""

    def __init__(self, words: str, stdout: str = "\n", stderr: str = "") -> None:
        self.words = shlex.split(words)
        self.stdout = stdout
        self.stderr = stderr


def batch_argv(reads: Sequence[Read]) -> list[str]:
    """The virsh that carries the reads out, with "MARK" after each."""
    commands = (f"{shlex.join(read.words)}; echo MARK; echo --err MARK" for read in reads)
    return ["virsh", f"--connect={URI}", "; ".join(commands)]


def joined_argv(reads: Sequence[Read]) -> list[str]:
    """The virsh that carries the reads out, whose outputs need not be told apart."""
    return ["virsh", f"--connect={URI}", "; ".join(shlex.join(read.words) for read in reads)]


def batch_outputs(reads: Sequence[Read]) -> tuple[str, str]:
    """What that virsh prints on both its outputs."""
    return (
        # virsh ends the output of each command with an empty line, that of `echo --err` too.
        "".join(f"{read.stdout}MARK\n\n" for read in reads),
        "".join(f"{read.stderr}error: MARK\n" for read in reads),
    )
