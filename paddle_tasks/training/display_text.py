"""Tables and durations as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from paddle_tasks.language import _
from paddle_tasks.training.display import Cell, Table
from paddle_tasks.wrapping import pad, width_of


def table_to_text(table: Table) -> str:
    """Return a table as lines of text."""
    headings = [[Cell(name) for name in table.columns]] if any(table.columns) else []
    rows = [*headings, *table.rows]
    columns = range(len(table.columns))
    widths = [max((width_of(row[column].text) for row in rows), default=0) for column in columns]
    lines = [_draw(row, widths, table.aligned_right) for row in rows]
    return "\n".join([*([table.title] if table.title else []), *lines, *table.remarks])


def _draw(row: Sequence[Cell], widths: Sequence[int], aligned_right: Sequence[int]) -> str:
    cells = [pad(cell.text, width) for cell, width in zip(row, widths, strict=True)]
    for number in aligned_right:
        cells[number] = " " * (widths[number] - width_of(row[number].text)) + row[number].text
    return "  ".join(cells).rstrip()


def format_duration(seconds: float) -> str:
    """Return a duration as one says it: ``8 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 59.5:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
