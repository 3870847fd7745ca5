"""What an authenticated client may see and change."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Rights:
    """What a client may do, and with which hosts.

    read_only: it may change nothing, and is shown no passwords.
    hosts: shell patterns of the names of the only hosts that it sees and changes; None for all.
    """

    read_only: bool = False
    hosts: tuple[str, ...] | None = None

    @property
    def limited(self) -> bool:
        """Whether it is for some hosts only."""
        return self.hosts is not None

    def sees(self, name: str) -> bool:
        """Whether a host of that name exists for the client."""
        return self.hosts is None or any(fnmatchcase(name, pattern) for pattern in self.hosts)


# Of a client that need not authenticate because nobody has to, and of one that has not yet.
EVERYTHING = Rights()
NOTHING = Rights(read_only=True, hosts=())
