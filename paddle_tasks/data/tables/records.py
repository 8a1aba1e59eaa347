"""Records out of the lines of TSV, CSV and JSON: cells with their line's number, and what is broken as `BadRow`."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError, did_you_mean

Record = tuple[int, list[str]]
"""The number of the line that a record starts on, from 1, and its cells."""

HALF = "holds half of a character (a lone \\ud800 to \\udfff)"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_QUOTED_LINES = 1000
"""A quoted cell of more lines is taken for a quote that is never closed."""


def tsv_records(lines: Iterable[Line | BadRow], separator: str = "\t") -> Iterator[Record | BadRow]:
    """Yield the cells of each line that is not blank; there is no quoting."""
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            yield line[0], line[1].split(separator)


def csv_records(where: str, lines: Iterable[Line | BadRow]) -> Iterator[Record | BadRow]:
    """Yield the records that are not blank; quoted cells may hold commas and line breaks, which come as line feeds.

    A record with a line that cannot be read is bad as a whole. A quote that is never closed loses its own line alone.
    """
    csv.field_size_limit(sys.maxsize)  # 131,072 characters unless told
    rest, again, taken = iter(lines), deque[Line | BadRow](), list[Line | BadRow]()
    reader = csv.reader(_taken(rest, again, taken), strict=True)
    while True:
        taken.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            again.extendleft(reversed(taken[1:]))
            too_long = f"not closed within {_MAX_QUOTED_LINES:,} lines"
            reason = too_long if len(taken) == _MAX_QUOTED_LINES else error
            yield BadRow(where, _number(taken[0]), f"broken quoting: {reason}")
            reader = csv.reader(_taken(rest, again, taken), strict=True)
            continue
        broken = [line for line in taken if isinstance(line, BadRow)]
        if broken:
            yield from broken
        elif any(cell.strip() for cell in cells):
            yield _number(taken[0]), cells


def _taken(rest: Iterator[Line | BadRow], again: deque[Line | BadRow], taken: list[Line | BadRow]) -> Iterator[str]:
    """Feed lines to the CSV reader, first those to be read again, and note them in ``taken``."""
    while len(taken) < _MAX_QUOTED_LINES:
        line = again.popleft() if again else next(rest, None)
        if line is None:
            return
        taken.append(line)
        yield "\n" if isinstance(line, BadRow) else line[1] + "\n"


def _number(line: Line | BadRow) -> int:
    return int(line.line if isinstance(line, BadRow) else line[0])


def position(column: str | int, names: Sequence[str], where: str) -> int:
    """Return the position from 0 of a column that is given by name or position.

    Args:
        column: the name or position.
        names: the cells of the first record.
        where: what messages start with.

    Raises:
        DataError: there is no such column.
    """
    if isinstance(column, str) and column not in names:
        only = ", ".join(name[:40] for name in names)
        raise DataError(f"{where}: no column {column!r}, only {only}{did_you_mean(column, names)}")
    if isinstance(column, int) and not 0 <= column < len(names):
        raise DataError(f"{where}: no column {column}; the columns are 0 to {len(names) - 1}")
    return names.index(column) if isinstance(column, str) else column


def cells_at(
    where: str, records: Iterable[Record | BadRow], positions: Sequence[int], width: int
) -> Iterator[Record | BadRow]:
    """Yield the cells at some positions of each record; a record that is not of ``width`` cells is bad."""
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record[1]) != width:
            yield BadRow(where, record[0], f"expected {width} columns, found {len(record[1])}")
        else:
            yield record[0], [record[1][at] for at in positions]


def json_records(where: str, lines: Iterable[Line | BadRow]) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the object of each line that is not blank."""
    expected = "expected one JSON object a line"
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            found = parse_json(line[1], (where, line[0]), expected)
            if isinstance(found, dict):
                yield line[0], found
            elif isinstance(found, BadRow):
                yield found
            else:
                yield BadRow(where, line[0], f"{expected}, found {line[1][:40]!r}")


def parse_json(text: str, start: tuple[str, int], expected: str) -> Any:
    """Return what a JSON text holds, or a `BadRow` when it is none.

    Args:
        text: the JSON.
        start: the file, and the number of the line that the text starts on.
        expected: what the reason starts with.
    """
    line, (where, first) = 1, start
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, reason = error.lineno, f"{error.msg} at column {error.colno}"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:  # a number of thousands of digits
        reason = str(error)
    return BadRow(where, first + line - 1, f"{expected}: {reason}")


def json_cells(
    where: str, record: tuple[int, dict[str, Any]], names: Sequence[str], *, only_texts: bool = False
) -> Record | BadRow:
    """Return the texts under some keys of an object; null is an empty text, and other values are texts as JSON.

    Args:
        where: the file.
        record: the line's number and the object.
        names: the keys.
        only_texts: whether a value that is neither text nor null makes the record bad.
    """
    number, found = record
    texts = [_text(found.get(name)) for name in names]
    for name, text in zip(names, texts, strict=True):
        if name not in found:
            return BadRow(where, number, f"no field {name!r}, only {', '.join(found)}{did_you_mean(name, found)}")
        if only_texts and not isinstance(found[name], str | None):
            return BadRow(where, number, f"expected a text in {name!r}, found {text[:40]!r}")
        if has_half(text):
            return BadRow(where, number, f"{name!r} {HALF}")
    return number, texts


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def has_half(text: str) -> bool:
    """Tell whether half of a character stands in a text, which JSON can hold and no encoding can."""
    return bool(_SURROGATE.search(text))
