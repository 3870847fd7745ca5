"""Which request and which operation a thread is at work for: every line of the log says it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(slots=True)
class Trace:
    """The ids of what a thread is at work for, None where there is none.

    read_by: the request in whose thread a read was done that this one shares.
    """

    request: str | None = None
    operation: str | None = None
    read_by: str | None = None


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace:
    """What this thread is at work for."""
    return _current.get() or Trace()


def begin(request: str) -> None:
    """Be at work for a request until `end`: a thread answers one after another."""
    _current.set(Trace(request))


def end() -> None:
    """Be at work for nothing."""
    _current.set(None)


@contextmanager
def operation(operation: str) -> Iterator[None]:
    """Be at work for an operation, of the same request if any, during the `with` block."""
    before = _current.set(replace(current(), operation=operation))
    try:
        yield
    finally:
        _current.reset(before)


def shares(reader: str | None) -> None:
    """Note that the request is answered with what another one read."""
    trace = _current.get()
    if trace is not None:
        trace.read_by = reader
