"""Markdown as plain text for a terminal: tables in columns that fit, paragraphs wrapped, no markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby

from paddle_tasks.wrapping import pad, width_of, wrap

Row = Sequence[str]
_MARKUP = (
    (re.compile(r"\[([^\]]*)\]\([^)]*\)"), r"\1"),  # a link
    (re.compile(r"\*\*([^*]+)\*\*|\*([^*]+)\*|`([^`]*)`"), r"\1\2\3"),
    (re.compile(r"^#+ +"), ""),
    (re.compile(r"\\\|"), "|"),
)
_CELL_END = re.compile(r"(?<!\\)\|")
_GAP = "  "


def to_terminal(markdown: str, width: int) -> Iterator[str]:
    """Yield lines of at most ``width`` columns with the headings, paragraphs and tables of a Markdown text."""
    for is_table, lines in groupby(markdown.splitlines(), key=lambda line: line.startswith("|")):
        if is_table:
            yield from draw_table([_cells(line) for line in lines if not set(line) <= set("|-: ")], width)
        else:
            yield from (row for paragraph in _paragraphs(lines) for row in wrap(_plain(paragraph), width))


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines that belong together as one; headings, items of lists and empty lines stand alone."""
    for is_text, group in groupby(lines, key=lambda line: bool(line) and not line.startswith(("#", "- "))):
        if is_text:
            yield reduce(_join, group)
        else:
            yield from group


def _join(text: str, line: str) -> str:
    """Return a text with its next line behind it; Chinese words follow each other without a space."""
    is_chinese = width_of(text[-1]) == 2 and width_of(line[0]) == 2
    return f"{text}{'' if is_chinese else ' '}{line}"


def _cells(line: str) -> Row:
    return [_plain(cell.strip()) for cell in _CELL_END.split(line)[1:-1]]


def _plain(text: str) -> str:
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return text


def draw_table(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield a table whose first row has the headings; one that is too wide has a column for each row instead."""
    if _fits(rows, width):
        yield from _align(rows)
        return
    headings, *others = rows
    while others:
        n_shown = next((n for n in range(len(others), 1, -1) if _fits(_turned([headings, *others[:n]]), width)), 1)
        shown, others = _turned([headings, *others[:n_shown]]), others[n_shown:]
        yield from _align(shown) if _fits(shown, width) else _wrap_second(shown, width)
        if others:
            yield ""


def _turned(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the columns as rows, without those that have a heading only."""
    return [row for row in zip(*rows, strict=True) if any(row[1:])]


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(map(width_of, column)) for column in zip(*rows, strict=True)]


def _fits(rows: Sequence[Row], width: int) -> bool:
    widths = _widths(rows)
    return sum(widths) + len(_GAP) * (len(widths) - 1) <= width


def _align(rows: Sequence[Row]) -> Iterator[str]:
    widths = _widths(rows)
    for row in rows:
        yield _GAP.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _wrap_second(rows: Sequence[Row], width: int) -> Iterator[str]:
    """Yield the rows of a table with two columns, the second one wrapped."""
    indent = _widths(rows)[0] + len(_GAP)
    for name, value in rows:
        first, *others = wrap(value, width, " " * indent)
        yield pad(name, indent) + first[indent:]
        yield from others
