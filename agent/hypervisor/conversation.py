"""Asks one virsh that is already running and connected, over its pipes."""

import contextlib
import os
import select
import time
from collections.abc import Mapping, Sequence

from agent.errors import AgentError
from agent.tools.run import Runner

_CHUNK_BYTES = 1 << 16


class Late(AgentError):
    """The process did not answer within its time; `stderr` is what it had said there."""

    def __init__(self, stderr: str) -> None:
        super().__init__("virsh did not answer in time")
        self.stderr = stderr


class Lost(AgentError):
    """The process ended, or said what nobody asked for: nothing it says can be used."""


class Conversation:
    """One virsh that takes its commands on stdin, from its start to `close`.

    It prints a prompt and the command on stdout before each answer, and what it says on
    stdout and stderr has nothing that tells where an answer ends, nor whether the command
    succeeded. So a line of a new mark on both comes before and after what is asked. virsh
    gives up a line at a command that it cannot parse, so the one that tells that the answer is
    whole has its own line of input.

    Its stdout is a file in memory: it writes each line by itself, and a pipe would wake the
    agent for every one. When the last mark has come on stderr, stdout is whole.

    After Late or Lost the process can be asked no more.
    """

    def __init__(
        self, runner: Runner, argv: Sequence[str], operation: str, more: Mapping[str, str]
    ) -> None:
        """Start it; the arguments are those of `Runner.open`, which may raise ToolMissing."""
        self._runner = runner
        file = os.memfd_create("virsh stdout")
        try:
            # Appended to, so that it can be emptied after each answer.
            self._stdout = os.open(f"/proc/self/fd/{file}", os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        finally:
            os.close(file)
        try:
            self._process = runner.open(argv, self._stdout, operation, more)
        except BaseException:
            os.close(self._stdout)
            raise
        if self._process.stdin is None or self._process.stderr is None:
            raise ValueError("a process without pipes")
        self._stdin = self._process.stdin.fileno()
        self._stderr = self._process.stderr.fileno()
        self._poll = select.poll()
        self._poll.register(self._stderr, select.POLLIN)
        self._out = self._err = _Marked("", "")
        self._unsent = b""

    def close(self) -> bool:
        """Kill it; answers whether `Runner.interrupt` did before."""
        interrupted = self._runner.close(self._process)
        os.close(self._stdout)
        return interrupted

    def send(self, text: str, mark: str) -> None:
        """Give it a line of commands, of which `receive` has the answer.

        text: printable ASCII. mark: nothing that it could ever print by itself, and short:
        virsh reads its input a character at a time.
        """
        begin, end = f"{mark}+", f"{mark}-"
        self._out = _Marked(begin, end)
        self._err = _Marked(f"error: {begin}", f"error: {end}")
        # `echo --err` prints an empty line on stdout, which is no part of the answer.
        asked = f"echo --err {begin}; echo {begin}; {text}; echo {end}\necho --err {end}\n"
        self._unsent = asked.encode()
        # A virsh that has ended is for `receive` to tell of.
        with contextlib.suppress(Lost):
            self._unsent = self._write(self._unsent)

    def receive(self, limit: float) -> tuple[str, str]:
        """What the commands printed on stdout and stderr.

        limit: on the monotonic clock. Raises Late when it has not answered by then, Lost when
        it ended, or printed anything on stderr before or after the answer.
        """
        out, err = self._out, self._err
        self._exchange(limit)
        out.add(os.pread(self._stdout, os.fstat(self._stdout).st_size, 0))
        os.ftruncate(self._stdout, 0)
        # The prompt is on stdout; on stderr virsh only ever says by itself what is wrong.
        if err.around or not out.whole:
            raise Lost("virsh said something of its own")
        return out.between, err.between

    def _exchange(self, limit: float) -> None:
        """Write what is left and read at the same time, since neither pipe has room for all."""
        if self._unsent:
            self._poll.register(self._stdin, select.POLLOUT)
        while not self._err.whole:
            seconds = limit - time.monotonic()
            if seconds <= 0:
                raise Late(self._err.between)
            for ready, _ in self._poll.poll(seconds * 1000):
                if ready == self._stderr:
                    self._read()
                    continue
                self._unsent = self._write(self._unsent)
                if not self._unsent:
                    self._poll.unregister(self._stdin)
        if self._unsent:
            raise Lost("virsh answered before it was asked")

    def _write(self, text: bytes) -> bytes:
        try:
            return text[os.write(self._stdin, text) :]
        except BlockingIOError:
            return text
        except OSError as error:
            raise Lost("virsh has ended") from error

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._stderr, _CHUNK_BYTES)
            if not chunk:
                raise Lost("virsh has ended")
            self._err.add(chunk)


class _Marked:
    """What came on one output, up to the line that ends it."""

    def __init__(self, begin: str, end: str) -> None:
        self._begin = f"\n{begin}\n".encode()
        self._end = f"\n{end}\n".encode()
        # The newline is for a mark in the first line.
        self._seen = bytearray(b"\n")
        self.whole = False

    def add(self, chunk: bytes) -> None:
        """Take what was read."""
        # The mark may come in two pieces.
        start = max(0, len(self._seen) - len(self._end))
        self._seen += chunk
        self.whole = self.whole or self._seen.find(self._end, start) >= 0

    @property
    def between(self) -> str:
        """What came between the marks, so far; raises Lost when the first is not there."""
        begun = self._seen.find(self._begin)
        if begun < 0:
            if self.whole:
                raise Lost("virsh answered something else")
            return ""
        start = begun + len(self._begin)
        # The newline before a mark ends the line before it, or is the other mark's.
        ended = self._seen.find(self._end, start - 1)
        if ended < 0 and self.whole:
            raise Lost("virsh answered something else")
        stop = len(self._seen) if ended < 0 else ended + 1
        return self._seen[start:stop].decode("utf-8", "replace")

    @property
    def around(self) -> bytes:
        """What came before the first mark and after the last."""
        before, _, rest = self._seen.partition(self._begin)
        return bytes(before[1:] + (b"\n" + rest).partition(self._end)[2])
