"""Flags that all the tests share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that rewrites what the golden files expect."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the plans that come out into tests/golden; read the difference before a commit",
    )
