"""What tools print about files."""

from agent.errors import InvalidOutput


def seconds_of_birth(text: str) -> float | None:
    """`stat --format=%.9W`: seconds since the epoch; None where the file system keeps no births.

    >>> seconds_of_birth("1700000000.600677786")
    1700000000.6006777
    """
    try:
        born = float(text)
    except ValueError:
        raise InvalidOutput("stat", text, "no seconds") from None
    # It prints 0, or a number below, for what it does not know.
    return born if born > 0 else None
