"""Tools that go wrong when a test wants it, put before the real ones on an agent's PATH."""

import os
from pathlib import Path

_WRAPPER = """#!/bin/sh
# Runs the real tool, and goes wrong at the call that the file `fault` names:
# "WORD NTH before|after|hang|hang-deaf|hang-after|meanwhile", counting the calls with that word.
here=$(dirname "$0")
tool=$(basename "$0")
how=
read -r word nth fault <"$here/fault"
case " $tool $* " in
*" $word "*)
    echo "$tool $*" >>"$here/calls"
    [ "$(wc -l <"$here/calls")" != "$nth" ] || how=$fault
    ;;
esac
real() { PATH=${PATH#"$here:"} "$tool" "$@"; }
hang() { : >"$here/hangs"; sleep 600; }
case $how in
before) echo "error: a fault that the test made" >&2; exit 1 ;;
after) real "$@"; echo "error: a fault that the test made" >&2; exit 1 ;;
hang) hang ;;
hang-deaf) trap '' INT TERM; hang ;;
hang-after) real "$@"; hang ;;
meanwhile) PATH=${PATH#"$here:"} sh "$here/meanwhile" >&2 ;;
esac
PATH=${PATH#"$here:"} exec "$tool" "$@"
"""


class Faults:
    """A folder of wrappers around virsh, virt-install and ovs-vsctl, harmless at first."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        for name in ("virsh", "virt-install", "ovs-vsctl"):
            self.replace(name, _WRAPPER)
        self.none()

    @property
    def path(self) -> str:
        """The PATH on which the wrappers come first."""
        return f"{self._folder}:{os.environ['PATH']}"

    def at(self, word: str, nth: int, how: str) -> None:
        """Go wrong at the nth call from now on that has a word in it, the tool's name included.

        how: "before" or "after" the real tool ran, "hang" instead of it, "hang-deaf" to
        SIGINT too, or "hang-after" it.
        """
        for name in ("calls", "hangs"):
            (self._folder / name).unlink(missing_ok=True)
        (self._folder / "fault").write_text(f"{word} {nth} {how}\n")

    def meanwhile(self, word: str, script: str) -> None:
        """Run a shell script right before the next call that has a word in it."""
        self.at(word, 1, "meanwhile")
        (self._folder / "meanwhile").write_text(script)

    def none(self) -> None:
        """Go wrong no more."""
        self.at("no-such-word", 0, "before")

    def replace(self, tool: str, script: str) -> None:
        """Put another script in the place of a wrapper."""
        path = self._folder / tool
        path.write_text(script)
        path.chmod(0o755)

    def calls(self) -> int:
        """How many calls had the word in them."""
        path = self._folder / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def hangs(self) -> bool:
        """Whether the call that hangs does so by now."""
        return (self._folder / "hangs").exists()
