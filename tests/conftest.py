"""What all the tests share."""

import signal

import pytest


def pytest_configure() -> None:
    """Take SIGINT back, which a shell has its background jobs ignore, and they their children.

    The commands that the tests run have to hear it, as those of the agent do.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add flags of these tests."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the plans that come out into tests/golden; read the difference before a commit",
    )
