"""What a terminal shows, whatever was printed on it."""

import doctest
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.tools.parsers import terminal
from agent.tools.parsers.terminal import COLUMNS, ROWS, Shown, shown

# The first question of Debian 12's installer, as it came over a serial port, a little narrower.
INSTALLER = (
    b"\r\x1b[1;24r\x1b[4l\x1b(B\x1b)0\x1b[m\x0f\x1b[1;24r\x1b[H\x1b[J\x1b[1;1HLow memory mode"
    b"\x1b[8;4H\x0elqqu\x1b[m\x0f\x0f [!!] Low memory \x0etqqk\x1b[9;4Hx\x1b[23Cx\x1b[10;4Hx\x1b[m"
    b"\x0f\x0f Entering low memory   \x0ex\x1b[11;4Hx\x1b[6C\x1b[m\x0f\x0f\x1b[7m<Continue>\x1b[7C"
    b"\x1b[m\x0f\x0ex\x1b[12;4Hmqqqqqqqqqqqqqqqqqqqqqqqj\x1b[24;1H\x1b[m\x0f\x0f<Tab>"
    b" moves\x1b[11;12H"
)


def screen(*lines: str, cursor: tuple[int, int] | None) -> Shown:
    """A screen of these lines, blank below them."""
    return Shown((*lines, *[""] * (ROWS - len(lines))), cursor)


def test_a_screen_of_an_installer() -> None:
    assert shown(b"[    1.0] a kernel's message\r\n" * 40 + INSTALLER) == Shown(
        (
            "Low memory mode",
            *[""] * 6,
            "   ┌──┤ [!!] Low memory ├──┐",
            "   │                       │",
            "   │ Entering low memory   │",
            "   │      <Continue>       │",
            "   └───────────────────────┘",
            *[""] * 11,
            "<Tab> moves",
        ),
        (10, 11),
    )


def test_lines_scroll() -> None:
    log = "".join(f"line {number}\r\n" for number in range(100)).encode()
    assert shown(log) == Shown((*(f"line {number}" for number in range(77, 100)), ""), (23, 0))


def test_nothing_is_a_blank_screen() -> None:
    assert shown(b"") == screen(cursor=(0, 0))


@pytest.mark.parametrize(
    ("printed", "lines", "cursor"),
    [
        ("login: \b\b!", ["login!"], (0, 6)),
        ("a\tb\x1b[2;3Hc\x1b[Ad\x1b[Be", ["a  d    b", "  c e"], (1, 5)),
        ("x" * 80, ["x" * 80], (0, 79)),
        ("x" * 81, ["x" * 80, "x"], (1, 1)),
        ("x" * 170, ["x" * 80, "x" * 80, "x" * 10], (2, 10)),
        # Without wrapping the last stays at the edge.
        ("\x1b[?7l" + "x" * 79 + "abc", ["x" * 79 + "c"], (0, 79)),
        # A character that moves the others aside.
        ("bc\r\x1b[4ha", ["abc"], (0, 1)),
        ("one\x1b[1;2H\x1b[K", ["o"], (0, 1)),
        ("one\r\ntwo\r\nsix\x1b[2;2H\x1b[J", ["one", "t"], (1, 1)),
        ("one\r\ntwo\r\nsix\x1b[2;2H\x1b[1J", ["", "  o", "six"], (1, 1)),
        ("one\r\ntwo\x1b[2J!", ["", "   !"], (1, 4)),
        ("one\r\ntwo\x1b[3J", [], (1, 3)),
        ("one\x1b[9J", ["one"], (0, 3)),
        ("one\x1bctwo", ["two"], (0, 3)),
        ("\x1b[?25lx", ["x"], None),
        ("\x1b[?25lx\x1b[?25h", ["x"], (0, 1)),
        ("żółw ──", ["żółw ──"], (0, 7)),
        # Characters of no width of their own; the rest of the text is there all the same.
        ("a\u0301b\u200bc\u0007d\u009de", ["abcd"], (0, 4)),
        ("世界x", ["世界x"], (0, 5)),
        # The half of a wide character that is left.
        ("世\rx", ["x"], (0, 1)),
        ("世y\r\x1b[Cx", [" xy"], (0, 2)),
        ("\x1b[80C世", [], (0, 79)),
        ("x\x0elqk\x0fq", ["x┌─┐q"], (0, 5)),
        ("\x1b(0lqk\x1b(Bq", ["┌─┐q"], (0, 4)),
        ("\x1b[1;31mred\x1b[0m", ["red"], (0, 3)),
        ("\x1b]0;a title\x07x", ["x"], (0, 1)),
        # It stays as wide as it is.
        ("one\x1b[?3htwo\x1b[1;90Hx", ["two" + " " * 76 + "x"], (0, 79)),
        ("one\x1b#8\x1b[?5h\x1b[?5l", ["one"], (0, 3)),
    ],
)
def test_what_is_printed(printed: str, lines: list[str], cursor: tuple[int, int] | None) -> None:
    assert shown(printed.encode()) == screen(*lines, cursor=cursor)


@pytest.mark.parametrize(
    "odd",
    [
        b"\x1b[1;2;3H",  # more parameters than it has
        b"\x1b[?5n",  # none that it has of the private kind
        b"\x1b[?1A",
        b"\x1b[" + b"1" * 5000 + b"H",  # a number that Python does not read
        "\x1b[²A".encode(),  # a digit of no number
        b"\x1b[1;2;3L",
        b"\x1b[38;5m\x1b[38;5;999m",
        b"\x1b[?6h\x1b[6n\x1b[?6l\x1b[H",  # origin mode without margins
    ],
)
def test_a_sequence_that_it_cannot_carry_out(odd: bytes) -> None:
    assert shown(odd + b"one" + odd + b"\r\ntwo").lines[1] == "two"


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert shown(b"a\xffb\xc3") == screen("a\ufffdb\ufffd", cursor=(0, 4))


PARTS = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace")),
    st.builds(
        lambda mark, numbers, end: b"\x1b[" + mark + b";".join(numbers) + end,
        st.sampled_from([b"", b"?", b">", b" ", b"$"]),
        st.lists(st.integers(0, 10_000).map(lambda number: b"%d" % number), max_size=4),
        st.integers(0x40, 0x7E).map(lambda code: bytes([code])),
    ),
    st.integers(0, 0xFF).map(lambda code: b"\x1b" + bytes([code])),
    st.sampled_from([b"x" * 100, b"\n" * 30, "世".encode() * 50, b"\x1b[?6h\x1b[5;9r", b"\x1b[4h"]),
)


@settings(max_examples=500)
@given(st.lists(PARTS, max_size=40).map(b"".join))
@example(b"\x1b[?6h\x1b[9999d")
@example("世".encode() + b"\r" + b"\x1b[P" + b"\x1b[@")
def test_whatever_is_printed_there_is_a_screen(printed: bytes) -> None:
    found = shown(printed)
    assert len(found.lines) == ROWS
    assert max(map(len, found.lines)) <= COLUMNS
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "".join(found.lines))
    assert found.cursor is None or (found.cursor[0] in range(ROWS) and found.cursor[1] in range(80))
    # And one that goes on.
    assert shown(printed + b"\x18\x1b\\\x1bc\x0f\x1b(Bend").lines[0] == "end"


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(terminal) == (0, 1)
