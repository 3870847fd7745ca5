"""A virsh that speaks as the real one does over its pipes, and goes wrong when it is told to.

Its one argument here is a folder; what follows are virsh's own. Commands are lines of `WORD
VALUE` and print VALUE, but where it takes its commands on stdin some go wrong instead.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(sys.argv[1])
PROMPT = "virsh # "
DOWN = "error: failed to connect to the hypervisor\nerror: Failed to connect socket: refused\n"
GONE = "error: Disconnected from test:///default due to end of file\n"


def say(text: str, error: str = "") -> None:
    """Print on both outputs at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
    sys.stderr.write(error)
    sys.stderr.flush()


def note(name: str, text: str) -> None:
    """Tell the test."""
    with (FOLDER / name).open("a") as file:
        file.write(text + "\n")


def hang(value: str) -> None:
    """Go on for ever, and have a child that does."""
    child = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
    note("hanging", f"{os.getpid()} {child.pid}")
    time.sleep(1000)


def odd(word: str, value: str, last: list[str]) -> None:
    """What goes wrong in a virsh that takes its commands on stdin."""
    match word:
        case "hang":
            hang(value)
        case "die":
            sys.exit(1)
        case "die-halfway":
            say(value[:1])
            sys.exit(0)
        case "rubbish":
            say("\x00\n\nMARK\nerror: MARK\n", "error: something of its own\n")
            sys.exit(0)
        case "again":
            # The answer before, with its marks, in place of this one.
            say("".join(last))
            sys.exit(0)
        case "disconnected":
            say(f"not {value}\n", GONE)
        case "reconnected":
            say(f"not {value}\n", "error: Reconnected to the hypervisor\n")
        case "cut-off":
            say("", "error: End of file while reading data: Input/output error\n")
        case _:
            plain(word, value)


def plain(word: str, value: str) -> None:
    """What goes as it should."""
    match word:
        case "echo":
            marked, _, mark = value.rpartition(" ")
            say("\n" if marked else f"{mark}\n", f"error: {mark}\n" if marked else "")
        case "fail":
            say("\n", f"error: {value}\n")
        case "stuck":
            say("", "error: half a word\n")
            hang(value)
        case "wait":
            while not (FOLDER / value).exists():
                time.sleep(0.01)
            say(f"{value}\n")
        case "pid":
            say(f"{os.getpid()}\n")
        case _:
            say(f"{value}\n")


def main() -> None:
    """Be a virsh."""
    # As a program that is not Python ends on it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    commands = sys.argv[3:]
    note("starts", "once" if commands else "kept")
    (FOLDER / "environment").write_text(json.dumps(dict(os.environ)))
    down = FOLDER / "down"
    left = int(down.read_text()) if down.exists() else 0
    if left:
        down.write_text(str(left - 1))
        say("", DOWN)
        sys.exit(1)
    if commands:
        killed = FOLDER / "killed"
        if killed.exists():
            killed.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        for command in commands[0].split("; "):
            plain(*command.split(" ", 1))
        return
    say("Welcome to virsh, the virtualization interactive terminal.\n\n")
    last, halved = list[str](), False
    for line in sys.stdin:
        say(f"{PROMPT}{line}")
        if halved:
            say("", f"error: {GONE}{line.split()[-1]}\n")
            continue
        halved = "halved" in line
        if "unparsable" in line:
            say("", "error: unknown command: 'unparsable'\n")
            continue
        for command in line.rstrip("\n").split("; "):
            word, value = command.split(" ", 1)
            odd(word, value, last)
            last.append(f"{value}\n")
        if "then-disconnect" in line:
            note("disconnected", "")
            say("", GONE)
    note("starts", "end")


main()
