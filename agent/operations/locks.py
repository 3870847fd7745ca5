"""Which operation holds which name: one operation per name at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from agent.errors import Busy


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that an operation needs to itself, or (shared) needs not to change.

    kind: "host", "network" or "mac". A host's create shares the networks it attaches to, so
    that none of them is deleted under it while other hosts may use it all the same.
    """

    kind: str
    name: str
    shared: bool = False


class Locks:
    """The claims of the operations that run now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Claim, ...]] = {}

    def acquire(self, claims: Sequence[Claim], operation: str) -> None:
        """Acquire all the claims for an operation, or none; raises Busy at once, never waits."""
        with self._lock:
            for claim in claims:
                holder = self._holder(claim)
                if holder is not None:
                    raise Busy(
                        f"operation {holder} holds {claim.kind} {claim.name!r};"
                        " try again when it has ended",
                        holder,
                    )
            self._held[operation] = tuple(claims)

    @contextmanager
    def held(self, claims: Sequence[Claim], operation: str) -> Iterator[None]:
        """Hold all the claims for an operation during the `with` block; raises Busy."""
        self.acquire(claims, operation)
        try:
            yield
        finally:
            self.release(operation)

    def release(self, operation: str) -> None:
        """Release all that an operation holds; it may hold nothing."""
        with self._lock:
            self._held.pop(operation, None)

    def _holder(self, claim: Claim) -> str | None:
        for operation, claims in self._held.items():
            for held in claims:
                same = (held.kind, held.name) == (claim.kind, claim.name)
                if same and not (held.shared and claim.shared):
                    return operation
        return None
