"""A plan as a POSIX shell script that does what the agent would do, undo included."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from agent.plans.plan import Plan, Step
from agent.tools.command import Command

_UNLESS = r"""
exec 3>&1

# unless TEXT... -- COMMAND...: runs a command; when it fails with one of the texts among its
# messages, there was nothing left to do, and that is no failure.
unless() {
  texts=
  while [ "$1" != -- ]; do
    texts="$texts$1
"
    shift
  done
  shift
  if said=$("$@" 2>&1 >&3); then
    [ -z "$said" ] || printf '%s\n' "$said" >&2
    return 0
  else
    status=$?
  fi
  while IFS= read -r text; do
    case $text in '') continue ;; esac
    case $said in *"$text"*) return 0 ;; esac
  done <<unless_end
$texts
unless_end
  printf '%s\n' "$said" >&2
  return "$status"
}
"""
_EXPECT = r"""
# expect TEXT COMMAND...: runs a command that has to print this text.
expect() {
  wanted=$1
  shift
  said=$("$@") || return
  [ "$said" = "$wanted" ] || {
    printf '%s\n' "it printed '$said', not '$wanted'" >&2
    return 1
  }
}
"""
_ONCE = """
# It is there as long as what this makes is, which must not be taken back.
once={file}
if [ -e "$once" ]; then
  printf '%s\\n' "$once is there: this has been run already; delete what it made first" >&2
  exit 1
fi
"""
_TRAP = r"""
finish() {
  status=$?
  trap - EXIT
  if [ "$status" -ne 0 ]; then
    echo "failed in step $began; taking back what was made" >&2
    undo
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
"""


def script(plan: Plan, comments: Sequence[str] = (), first: int = 1) -> str:
    """Write a plan as a script for `sh`.

    comments: lines for its head, such as the request that it is for. first: the step that it
    begins with, from 1; what was done before is not its own to take back.
    Run by hand on the same hypervisor it makes what the agent would have made, and on a
    failure or an interruption takes back what it made.
    """
    return "".join(_parts(plan, comments, first))


def operation_script(found: dict[str, Any], first: int = 1) -> str:
    """The plan of an operation of the journal as a script, from the step `first` on."""
    request = found["request"]
    return script(
        Plan.from_json(found["plan"]),
        [
            f"operation {found['id']}, which is {found['status']}",
            f"asked for by {request['client']} with {request['method']} {request['path']}"
            f" (request {request['request_id']})",
        ],
        first,
    )


def _parts(plan: Plan, comments: Sequence[str], first: int) -> Iterator[str]:
    numbered = list(enumerate(plan.steps, 1))[first - 1 :]
    undoes = any(step.undo for _, step in numbered)
    commands = [command for _, step in numbered for command in (step.command, *step.undo)]
    yield "#!/bin/sh\n"
    for line in (plan.does, *comments):
        yield f"# {_one_line(line)}\n"
    yield "# Run it as the agent's user on the hypervisor.\n"
    # What a client sent is quoted to be taken as it is, dollar signs and all.
    yield "# shellcheck disable=SC2016\n"
    yield "set -eu\nLC_ALL=C.UTF-8\nexport LC_ALL\nunset LANGUAGE\n"
    if plan.once is not None:
        yield _ONCE.format(file=shlex.quote(plan.once))
    if any(command.tolerates for command in commands):
        yield _UNLESS
    if any(command.expects is not None for command in commands):
        yield _EXPECT
    if undoes:
        yield f"\nbegan={first - 1}\n{''.join(_undo(numbered))}{_TRAP}"
    for number, step in numbered:
        yield f"\n# {number} of {len(plan.steps)}: {_one_line(step.does)}\n"
        if undoes:
            yield f"began={number}\n"
        yield _line(step.command) + "\n"


def _undo(numbered: Sequence[tuple[int, Step]]) -> Iterator[str]:
    yield "\n# Takes back every step that began, newest first; none waits for another.\n"
    yield "undo() {\n"
    for number, step in reversed(numbered):
        if step.undo:
            yield f'if [ "$began" -ge {number} ]; then\n'
            for command in step.undo:
                yield _line(command, after=" || echo 'an undo failed; see above' >&2") + "\n"
            yield "fi\n"
    yield "}\n"


def _line(command: Command, after: str = "") -> str:
    if command.tolerates:
        return command.shell(f"unless {shlex.join(command.tolerates)} -- ", after)
    if command.expects is not None:
        return command.shell(f"expect {shlex.quote(command.expects)} ", after)
    return command.shell(after=after)


def _one_line(text: str) -> str:
    # What a client sent must neither end the comment nor reach a terminal as it is.
    plain = (char if char.isprintable() else repr(char)[1:-1] for char in " ".join(text.split()))
    return "".join(plain)
