"""Runs commands for a person at a terminal, with `sh`."""

import os
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

from agent.errors import CommandTimeout, ToolMissing
from agent.tools.command import Result


class TerminalRunner:
    """Runs commands as `agent.tools.run.Runner` does, from one thread alone.

    seconds: the limit of each, None for none. show: pass what they print on as it comes.
    """

    def __init__(self, seconds: float | None = None, *, show: bool = False) -> None:
        self._seconds = seconds
        self._show = show

    def run(self, argv: Sequence[str], stdin: str | None = None) -> Result:
        """Run one command to its end, whatever its exit code is.

        Raises ToolMissing and CommandTimeout.
        """
        import sh  # only where a command is run: `serve` has no use for it

        out = _Text(sys.stdout if self._show else None)
        err = _Text(sys.stderr if self._show else None)
        began = time.monotonic()
        options: dict[str, Any] = {
            "_in": stdin or "",
            "_out": out,
            "_err": err,
            "_env": {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "PYTHONUNBUFFERED": "1"},
            "_timeout": self._seconds,
            "_tty_out": False,
            "_return_cmd": True,
        }
        try:
            exit_code = sh.Command(argv[0])(*argv[1:], **options).exit_code
        except sh.CommandNotFound as error:
            raise ToolMissing(argv, None, f"{argv[0]}: no such command") from error
        except sh.TimeoutException as error:
            raise CommandTimeout(argv, self._seconds or 0, err.text) from error
        except sh.ErrorReturnCode as error:
            exit_code = error.exit_code
        return Result(tuple(argv), exit_code, out.text, err.text, time.monotonic() - began)


class _Text:
    """Keeps what a command prints, and passes it on as it comes.

    to: where it is passed on, None for nowhere.
    """

    def __init__(self, to: TextIO | None) -> None:
        self._to = to
        self.text = ""

    def write(self, chunk: bytes | str) -> None:
        text = chunk if isinstance(chunk, str) else chunk.decode("utf-8", "replace")
        self.text += text
        if self._to is not None:
            self._to.write(text)
            self._to.flush()
