"""How virsh is asked: several reads at once, a failed one of which spoils no other."""

import contextlib
import itertools
import math
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agent.errors import OutOfReach, command_failure
from agent.hypervisor.kept_virsh import KeptVirsh
from agent.tools.command import Result, RunsCommands
from agent.tools.commands.virsh import Virsh
from agent.tools.parsers import virsh as read

# One argument may have 128 KiB; a read with its two marks takes some 150 bytes of it.
_READS_A_BATCH = 400
# How many reads are worth one more virsh: each takes some 0.3 ms.
_WORTH_A_VIRSH = 32


@dataclass(frozen=True, slots=True)
class Reply:
    """What one read of a batch printed. `command` is it alone, for a person to repeat."""

    command: tuple[str, ...]
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """What it printed; raises the failure that its stderr tells of."""
        if self.stderr:
            raise command_failure(self.command, 1, self.stderr)
        return self.stdout

    def text_unless(self, *gone: str) -> str | None:
        """What it printed, None when it failed because what it asks about is gone.

        gone: texts on stderr, any of which says so.
        """
        return None if any(text in self.stderr for text in gone) else self.text


# Reads, and what makes a value of their replies.
_Group = tuple[Sequence[tuple[str, ...]], Callable[[list[Reply]], Any]]


class Reads:
    """Asks virsh, and cuts what it prints into the answers.

    runner: runs a virsh for each batch. connect: the libvirt URI. kept: runs the batches in its
    place. mark: makes the text that delimits the answers of a batch.
    """

    def __init__(
        self,
        runner: RunsCommands,
        connect: str,
        kept: KeptVirsh | None = None,
        mark: Callable[[], str] | None = None,
    ) -> None:
        self._run = runner.run if kept is None else kept.run
        self._kept = kept
        self._at_once = 1 if kept is None else kept.most
        self._virsh = Virsh(connect)
        self._mark = mark or (lambda: secrets.token_hex(5))

    def one(self, *words: str) -> str:
        """What one read printed; raises its failure."""
        return self.batch(words)[0].text

    def texts_unless(
        self, gone: Sequence[str], reads: Iterable[tuple[str, ...]]
    ) -> list[str | None]:
        """What reads printed; None for each that failed because what it asks about is gone.

        gone: texts on stderr, any of which says so. Raises the failure of any that failed
        otherwise.
        """
        return [reply.text_unless(*gone) for reply in self.batch(*reads)]

    def joined_unless(self, gone: Sequence[str], reads: Sequence[tuple[str, ...]]) -> str:
        """What reads printed, one after the other, without those of what is gone.

        For hundreds of them: virsh reads its input a character at a time, and the marks at which
        the output of a batch is cut are a third of it. gone, raises: as `texts_unless`.
        """
        results = self._results([self._virsh.batch(part).argv for part in self._parts(reads)])
        if all(result.exit_code == 0 and not result.stderr for result in results):
            return "".join(result.stdout for result in results)
        # Only the marks of a batch tell which of them failed.
        texts = self.texts_unless(gone, reads)
        return "".join(text for text in texts if text is not None)

    def batch(self, *reads: tuple[str, ...]) -> list[Reply]:
        """Run reads in as few virsh as their length allows; a failed one spoils no other.

        Where processes are kept, many reads are shared among all of these.
        """
        mark = self._mark()
        parts = self._parts(reads)
        results = self._results([self._virsh.batch(part, mark).argv for part in parts])
        replies = map(self._replies, parts, itertools.repeat(mark), results)
        return [*itertools.chain.from_iterable(replies)]

    def _parts(self, reads: Sequence[tuple[str, ...]]) -> list[Sequence[tuple[str, ...]]]:
        shares = max(1, min(self._at_once, len(reads) // _WORTH_A_VIRSH))
        size = min(_READS_A_BATCH, math.ceil(len(reads) / shares)) or 1
        return [reads[start : start + size] for start in range(0, len(reads), size)]

    def _results(self, argvs: Sequence[Sequence[str]]) -> list[Result]:
        results: list[Result] = []
        for start in range(0, len(argvs), self._at_once):
            some = argvs[start : start + self._at_once]
            if self._kept is None or len(some) == 1:
                results += map(self._run, some)
            else:
                results += self._kept.run_each(some)
        return results

    def together(self, *groups: _Group) -> list[Any]:
        """What groups of reads come to: at the same time where processes are kept for that.

        Otherwise in one virsh. A group is the reads, and what makes a value of their replies.
        """
        if self._kept is None:
            replies = iter(self.batch(*(words for reads, _ in groups for words in reads)))
            return [parse([next(replies) for _ in reads]) for reads, parse in groups]
        mark = self._mark()
        argvs = [self._virsh.batch(reads, mark).argv for reads, _ in groups]
        with contextlib.closing(self._kept.run_each(argvs)) as results:
            return [
                parse(self._replies(reads, mark, result))
                for (reads, parse), result in zip(groups, results, strict=True)
            ]

    def _replies(self, reads: Sequence[tuple[str, ...]], mark: str, result: Result) -> list[Reply]:
        alone = [self._virsh.alone(words).argv for words in reads]
        told = result.stderr.replace(f"error: {mark}\n", "")
        failure = command_failure(alone[0], result.exit_code, told)
        # Without a pool the other reads are good all the same.
        if type(failure) is OutOfReach or result.exit_code < 0:
            raise failure
        texts = read.replies(result.stdout, result.stderr, mark, len(reads))
        return [
            Reply(argv, stdout, stderr) for argv, (stdout, stderr) in zip(alone, texts, strict=True)
        ]
