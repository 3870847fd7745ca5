"""Tools that go wrong when a test wants it, put before the real ones on an agent's PATH."""

import os
from pathlib import Path

# How many commands of changes were made to go wrong, and how many left something behind.
FAULTS = {"injected": 0, "leaks": 0}

_WRAPPER = """#!/bin/sh
# Runs the real tool, and goes wrong at the call that the file `fault` names:
# "WORD NTH before|after|hang|hang-deaf|hang-during|hang-after|meanwhile|always", counting the
# calls with that word; OPERATION counts the commands of plans, which know their operation. EACH
# counts those of each operation by itself, and waits for the operation's own file to name one.
here=$(dirname "$0")
tool=$(basename "$0")
how= own=
read -r word nth fault <"$here/fault"
case ${STAGING_AGENT_OPERATION-} in
????????-????-*) of=OPERATION ;;
*) of= ;; # a read, or what is kept for reads and events
esac
if [ "$word$of" = EACHOPERATION ]; then
    own=-$STAGING_AGENT_OPERATION word=OPERATION
    until [ -e "$here/fault$own" ]; do sleep 0.02; done
    read -r nth fault <"$here/fault$own"
fi
case " $tool $* $of " in
*" $word "*)
    echo "$tool $*" >>"$here/calls$own"
    [ "$(wc -l <"$here/calls$own")" != "$nth" ] || how=$fault
    ;;
esac
real() { PATH=${PATH#"$here:"} "$tool" "$@"; }
hang() { : >"$here/hangs$own"; sleep 600; }
meanwhile() { PATH=${PATH#"$here:"} sh "$here/meanwhile" >&2; }
[ "$fault" != always ] || how=always
case $how in
always) echo "error: failed to connect to the hypervisor" >&2; exit 1 ;;
before) echo "error: a fault that the test made" >&2; exit 1 ;;
after) real "$@"; echo "error: a fault that the test made" >&2; exit 1 ;;
hang) hang ;;
hang-deaf) trap '' INT TERM; hang ;;
# A shell has its background jobs ignore SIGINT, which virt-install takes back its files on.
hang-during) PATH=${PATH#"$here:"} env --default-signal=INT "$tool" "$@" & hang ;;
hang-after) real "$@"; hang ;;
meanwhile) meanwhile ;;
esac
PATH=${PATH#"$here:"} exec "$tool" "$@"
"""


class Faults:
    """A folder of wrappers around virsh, virt-install and ovs-vsctl, harmless at first."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.wrap("virsh", "virt-install", "ovs-vsctl")
        self.none()

    def wrap(self, *tools: str) -> None:
        """Put a wrapper around each of these tools."""
        for tool in tools:
            self.replace(tool, _WRAPPER)

    @property
    def path(self) -> str:
        """The PATH on which the wrappers come first."""
        return f"{self.folder}:{os.environ['PATH']}"

    def at(self, word: str, nth: int, how: str) -> None:
        """Go wrong at the nth call from now on that has a word in it, the tool's name included.

        how: "before" or "after" the real tool ran, "hang" instead of it, "hang-deaf" to
        SIGINT too, "hang-during" or "hang-after" it, or "always" for every call of any word.
        """
        for name in ("calls", "hangs"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "fault").write_text(f"{word} {nth} {how}\n")

    def at_operation(self, nth: int, how: str) -> None:
        """Go wrong at the nth command of plans from now on, not at what is read for them."""
        self.at("OPERATION", nth, how)

    def each(self) -> None:
        """Have the first command of every operation wait until `of` says what it comes to."""
        self.at("EACH", 0, "-")

    def of(self, operation: str, nth: int, how: str) -> None:
        """Go wrong at the nth command of an operation. how: as of `at`."""
        written = self.folder / "written"
        written.write_text(f"{nth} {how}\n")
        written.rename(self.folder / f"fault-{operation}")

    def meanwhile(self, word: str, script: str) -> None:
        """Run a shell script right before the first call that has a word in it."""
        self.at(word, 1, "meanwhile")
        (self.folder / "meanwhile").write_text(script)

    def none(self) -> None:
        """Go wrong no more."""
        self.at("no-such-word", 0, "before")

    def replace(self, tool: str, script: str) -> None:
        """Put another script in the place of a wrapper."""
        path = self.folder / tool
        path.write_text(script)
        path.chmod(0o755)

    def calls(self) -> int:
        """How many calls had the word in them."""
        path = self.folder / "calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def hangs(self, operation: str = "") -> bool:
        """Whether the call that hangs does so by now. operation: that of `of`."""
        return (self.folder / f"hangs{operation and '-'}{operation}").exists()
