"""Widths of texts in the columns of a terminal, where a Chinese character takes two, and wrapping by them.

Only the standard library is used: `doctor` and the help of commands have to work, and to be fast, without any other.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MAX_COLUMNS = 100
"""Prose in longer lines is hard to read."""
_CLOSING = "，。；：！？、）》」』】〉”’…—,.;:!?)]}%"
_WORD, _BREAK = re.compile(r"(\S+)(\s*)"), re.compile(r"\s*\n\s*")
_OPENING = "（《「『【〈“‘([{"
_PAUSES = "，。；：！？、—…,.;:!?"
_MAX_MOVED = 14
"""Columns that a row may leave free to end at a punctuation mark."""


@lru_cache(maxsize=4096)
def _character_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf", "Cc"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(text: str) -> int:
    """Return the number of columns of a text: ``width_of("第 1 轮")`` → ``7``."""
    return sum(map(_character_width, text))


def pad(text: str, width: int) -> str:
    """Return a text with spaces behind it up to a width in columns; ``f"{text:{width}}"`` counts characters."""
    return text + " " * (width - width_of(text))


def columns() -> int:
    """Return the width for prose: that of the terminal, but not more than `MAX_COLUMNS`."""
    return min(shutil.get_terminal_size().columns, MAX_COLUMNS)


def wrap(text: str, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Return a text as lines that take at most ``width`` columns; line breaks in the text are spaces.

    A line ends at a space or after a Chinese character, never before a closing or after an opening punctuation mark.

    Args:
        text: one paragraph.
        width: columns of a line with its indent.
        indent: begins the first line.
        hanging: begins the other lines; ``indent`` by default.
    """
    first, other = (width - width_of(start) for start in (indent, indent if hanging is None else hanging))
    rows: list[list[str]] = [[]]
    for unit in _units(text, max(min(first, other), 2)):
        room = first if len(rows) == 1 else other
        if rows[-1] and width_of("".join(rows[-1])) + width_of(unit.rstrip()) > room:
            rows.append(_pop_phrase(rows[-1], unit, min(_MAX_MOVED, other // 4, other - width_of(unit.rstrip()))))
        rows[-1].append(unit)
    starts = [indent, *[indent if hanging is None else hanging] * (len(rows) - 1)]
    return [f"{start}{''.join(row).rstrip()}" for start, row in zip(starts, rows, strict=True)]


def _pop_phrase(row: list[str], following: str, max_width: int) -> list[str]:
    """Remove and return the last units of a row that belong to what follows, if they take few columns.

    A row ends better at a punctuation mark than within a Chinese word, or before its number.
    """
    units = [*row, following]
    for start in range(len(row), 0, -1):
        if width_of("".join(row[start:])) > max_width:
            break
        if _ends_phrase(units[start - 1], units[start]):
            moved = row[start:]
            del row[start:]
            return moved
    return []


def _ends_phrase(unit: str, following: str) -> bool:
    before = unit.rstrip()[-1:]
    if before in _PAUSES:
        return True
    # The space between Chinese and Latin words is typography.
    return unit != unit.rstrip() and _character_width(before) == _character_width(following[0]) == 1


def _units(text: str, limit: int) -> Iterator[str]:
    """Yield what must not be divided, with the space behind it: words, and Chinese characters with their punctuation.

    A unit that takes more than ``limit`` columns is divided nevertheless.
    """
    for word, space in _WORD.findall(_BREAK.sub(" ", text.strip())):
        units = [part for unit in _units_of(word) for part in _parts(unit, limit)]
        yield from units[:-1]
        yield units[-1] + space


def _parts(unit: str, limit: int) -> Iterator[str]:
    part = ""
    for character in unit:
        if part and width_of(part + character) > limit:
            yield part
            part = ""
        part += character
    yield part


def _units_of(piece: str) -> Iterator[str]:
    unit = ""
    for character in piece:
        if unit and _may_break(unit[-1], character):
            yield unit
            unit = ""
        unit += character
    yield unit


def _may_break(before: str, after: str) -> bool:
    is_wide = _character_width(before) == 2 or _character_width(after) == 2
    return is_wide and before not in _OPENING and after not in _CLOSING
