"""What a terminal shows of what was printed on it, drawn by the library pyte."""

import unicodedata
from dataclasses import dataclass
from typing import Any

from pyte import Screen, Stream, modes
from pyte.charsets import LAT1_MAP
from pyte.screens import Char

COLUMNS, ROWS = 80, 24
_ASCII = {char: Char(char) for char in map(chr, range(0x20, 0x7F))}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a terminal shows: the text of its rows, without the blanks at their ends.

    cursor: its row and its column, from 0; None while it is hidden.
    """

    lines: tuple[str, ...]
    cursor: tuple[int, int] | None


def shown(printed: bytes) -> Shown:
    """What a terminal of 80 by 24 shows after these bytes.

    >>> shown(b"one\\r\\ntwo\\x1b[1;3HE!\\x1b[10;1H").lines[:3]
    ('onE!', 'two', '')
    """
    screen = _Screen(COLUMNS, ROWS)
    _Stream(screen).feed(printed.decode("utf-8", "replace"))
    cursor = screen.cursor
    # pyte leaves it beyond the edge until the next character wraps.
    at = (min(cursor.y, ROWS - 1), min(cursor.x, COLUMNS - 1))
    return Shown(tuple(map(screen.line, range(ROWS))), None if cursor.hidden else at)


class _Stream(Stream):
    """Leaves out what pyte cannot carry out, as a terminal does.

    pyte raises what Python does where a sequence has other parameters than the method that it calls
    by it, a number of thousands of digits, or a digit of another script.
    """

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        # pyte takes line drawing for text in UTF-8, as Linux's own console does. Terminals that
        # serial consoles are looked at with do draw lines, and the Debian installer has them do so.
        self.use_utf8 = False

    def _send_to_parser(self, data: str) -> bool | None:
        try:
            return super()._send_to_parser(data)
        except Exception:  # whatever it is, pyte has begun anew
            return True


class _Screen(Screen):
    """The text of a screen, and no more of it.

    Whatever a host prints, a byte of it must not cost long: it may print the worst all the time.
    """

    def line(self, row: int) -> str:
        """The text of a row. Half a wide character is a blank."""
        cells = [self.buffer[row][column].data for column in range(self.columns)]
        text = ""
        # A wide character has an empty cell after it, which stays when a narrow one replaces it.
        for before, cell, after in zip([" ", *cells], cells, [*cells[1:], " "], strict=False):
            if _is_wide(cell):
                text += " " if after else cell
            elif cell or not _is_wide(before):
                text += cell or " "
        return text.rstrip()

    def draw(self, data: str) -> None:
        """Write text at the cursor."""
        if not (data.isascii() and data.isprintable() and self._is_plain()):
            # One by one: pyte leaves the rest of a text out after a character without a width. It
            # would put any number of accents on one character, anew for each.
            for char in data:
                if not unicodedata.combining(char):
                    super().draw(char)
            return
        while data:
            column = self.cursor.x
            fits = data[: max(0, self.columns - column)]
            self.buffer[self.cursor.y].update(enumerate(map(_ASCII.__getitem__, fits), column))
            self.cursor.x += len(fits)
            # The first that does not fit has pyte wrap the line.
            super().draw(data[len(fits) : len(fits) + 1])
            data = data[len(fits) + 1 :]

    def _is_plain(self) -> bool:
        """Whether a character is what it is, and moves none aside."""
        return not self.charset and self.g0_charset is LAT1_MAP and modes.IRM not in self.mode

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:
        """Erase before the cursor (1), from it on (0), or all (2, 3)."""
        row, rows = self.cursor.y, range(self.lines)
        for erased in {0: rows[row + 1 :], 1: rows[:row], 2: rows, 3: rows}.get(how, ()):
            self.buffer.pop(erased, None)
        if how in (0, 1):
            self.erase_in_line(how)

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        """Set modes."""
        super().set_mode(*_without_reverse(modes), **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        """Reset modes."""
        super().reset_mode(*_without_reverse(modes), **kwargs)

    def resize(self, lines: int | None = None, columns: int | None = None) -> None:
        """Stay as wide as it is, where a host asks for 132 columns."""

    def alignment_display(self) -> None:
        """Show no test picture."""

    def select_graphic_rendition(self, *attrs: int) -> None:
        """Have no colours."""


def _is_wide(cell: str) -> bool:
    return bool(cell) and unicodedata.east_asian_width(cell) in "WF"


def _without_reverse(asked: tuple[int, ...]) -> tuple[int, ...]:
    """Modes without the one in which the colours of all that is there are swapped."""
    return tuple(mode for mode in asked if mode not in (modes.DECSCNM, modes.DECSCNM >> 5))
