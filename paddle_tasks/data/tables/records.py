"""Parse lines of TSV, CSV and JSON into records with line numbers; broken records become `BadRow`."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.values import label_of, text_of
from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.language import _, join, mark

N = TypeVar("N", int, int | str)

Record = tuple[int, list[str]]
"""The number of a record's first line, from 1, and the record's cells."""

LONE_SURROGATE = mark("contains half of a character (a lone surrogate, \\ud800 to \\udfff)")
"""The reason for a bad row, as a message after the name of the text."""

EXTRA_DATA = mark("Extra data")
"""What `json` finds wrong in a text that goes on after its first value, such as JSON lines."""

_PROBLEMS = (  # of `json` and `csv`, in their words
    mark("Expecting value"),
    mark("Expecting property name enclosed in double quotes"),
    mark("Expecting ':' delimiter"),
    mark("Expecting ',' delimiter"),
    mark("Unterminated string starting at"),
    mark("Invalid control character at"),
    mark("Invalid \\escape"),
    mark("Invalid \\uXXXX escape"),
    mark("unexpected end of data"),
    mark("',' expected after '\"'"),
    mark("'\t' expected after '\"'"),
)

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_QUOTED_LINES = 1000
"""A quoted cell with more lines counts as a quote that is never closed."""


def tsv_records(lines: Iterable[Line | BadRow], separator: str = "\t") -> Iterator[Record | BadRow]:
    """Yield the cells of each non-blank line; quotes have no special meaning."""
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            yield line[0], line[1].split(separator)


def csv_records(where: str, lines: Iterable[Line | BadRow], separator: str = ",") -> Iterator[Record | BadRow]:
    """Yield the non-blank records; quoted cells may hold separators and line breaks, which become line feeds.

    A line that cannot be decoded makes its whole record bad. A quote that is never closed makes only its own line bad:
    the lines after it are parsed again.
    """
    csv.field_size_limit(sys.maxsize)  # the default is 131,072 characters
    rest, pushed_back, consumed = iter(lines), deque[Line | BadRow](), list[Line | BadRow]()
    reader = csv.reader(_feed(rest, pushed_back, consumed), strict=True, delimiter=separator)
    while True:
        consumed.clear()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            pushed_back.extendleft(reversed(consumed[1:]))
            reason = _quoting_reason(error, len(consumed))
            yield BadRow(where, _number(consumed[0]), _("broken quoting: {reason}").format(reason=reason))
            reader = csv.reader(_feed(rest, pushed_back, consumed), strict=True, delimiter=separator)
            continue
        broken = [line for line in consumed if isinstance(line, BadRow)]
        if broken:
            yield from broken
        elif any(cell.strip() for cell in cells):
            yield _number(consumed[0]), cells


def _quoting_reason(error: csv.Error, n_lines: int) -> str:
    if "new-line character" in str(error):
        return _("a carriage return outside quotes")
    if n_lines == _MAX_QUOTED_LINES:
        return _("not closed within {count:,} lines").format(count=n_lines)
    return _(str(error))


def _feed(
    rest: Iterator[Line | BadRow], pushed_back: deque[Line | BadRow], consumed: list[Line | BadRow]
) -> Iterator[str]:
    """Yield lines for the CSV reader, ``pushed_back`` before ``rest``, and append each to ``consumed``."""
    while len(consumed) < _MAX_QUOTED_LINES:
        line = pushed_back.popleft() if pushed_back else next(rest, None)
        if line is None:
            return
        consumed.append(line)
        yield "\n" if isinstance(line, BadRow) else line[1] + "\n"


def _number(line: Line | BadRow) -> int:
    return int(line.line if isinstance(line, BadRow) else line[0])


def column_index(column: str | int, names: Sequence[str], where: str) -> int:
    """Return the index, from 0, of a column that is given by name or index.

    Args:
        column: the name or index.
        names: the cells of the first record.
        where: the start of error messages.

    Raises:
        DataError: there is no such column.
    """
    if isinstance(column, str) and column not in names:
        listed, hint = join([name[:40] for name in names]), did_you_mean(column, names)
        message = _("{where}: no column {column!r}, only {names}{hint}")
        raise DataError(message.format(where=where, column=column, names=listed, hint=hint))
    if isinstance(column, int) and not 0 <= column < len(names):
        message = _("{where}: no column {column}; the columns are 0 to {last}")
        raise DataError(message.format(where=where, column=column, last=len(names) - 1))
    return names.index(column) if isinstance(column, str) else column


def select_cells(
    where: str, records: Iterable[Record | BadRow], columns: Sequence[int], width: int
) -> Iterator[Record | BadRow]:
    """Yield some columns of each record, given by index; a record without exactly ``width`` cells is bad."""
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif len(record[1]) != width:
            yield BadRow(where, record[0], wrong_width(width, len(record[1])))
        else:
            yield record[0], [record[1][column] for column in columns]


def wrong_width(expected: int, found: int) -> str:
    """Return the reason for a bad row with more or fewer columns than the first record."""
    return _("expected {expected} columns, found {found}").format(expected=expected, found=found)


def json_records(where: str, lines: Iterable[Line | BadRow]) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the JSON object on each non-blank line, with the line number."""
    expected = _("expected one JSON object a line")
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            value = parse_json(line[1], (where, line[0]), expected)
            if isinstance(value, dict):
                yield line[0], value
            elif isinstance(value, BadRow):
                yield value
            else:
                reason = _("{expected}, found {found!r}").format(expected=expected, found=line[1][:40])
                yield BadRow(where, line[0], reason)


def parse_json(text: str, start: tuple[str, int], expected: str) -> Any:
    """Return the value of a JSON text, or a `BadRow` if it is not valid JSON.

    Args:
        text: the JSON text.
        start: the file, and the number of the line on which the text starts.
        expected: the start of the reason, such as "expected JSON".
    """
    line, (where, first) = 1, start
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, reason = error.lineno, _("not valid JSON near column {column} ({problem})")
        reason = reason.format(column=error.colno, problem=_(error.msg.removesuffix(": ")))
    except RecursionError:
        reason = _("nested too deeply")
    except ValueError as error:  # a number of thousands of digits
        reason = str(error)
    return BadRow(where, first + line - 1, _("{expected}: {reason}").format(expected=expected, reason=reason))


def json_cells(
    where: str,
    record: tuple[N, dict[str, Any]],
    names: Sequence[str],
    *,
    only_texts: bool = False,
    label: str | None = None,
) -> tuple[N, list[str]] | BadRow:
    """Return the values of some keys of an object as texts: null as an empty text, numbers and booleans as JSON.

    A list, an object, NaN or an infinite number makes the record bad.

    Args:
        where: the file.
        record: the line number and the object.
        names: the keys.
        only_texts: whether a value that is neither text nor null makes the record bad.
        label: the key of the label, whose value may be a list of one label.
    """
    number, fields = record
    texts = []
    for name in names:
        if name not in fields:
            message, hint = _("no field {name!r}, only {names}{hint}"), did_you_mean(name, fields)
            return BadRow(where, number, message.format(name=name, names=join_names(list(fields)), hint=hint))
        try:
            text = _text(fields[name], name, is_label=name == label, only_texts=only_texts)
        except DataError as error:
            return BadRow(where, number, str(error))
        texts.append(text)
    return number, texts


def _text(value: Any, name: str, *, is_label: bool, only_texts: bool) -> str:
    try:
        text = label_of(value) if is_label else text_of(value)
    except DataError as error:
        expected = (
            _("expected one label in {name!r}, {found}") if is_label else _("expected a text in {name!r}, {found}")
        )
        raise DataError(expected.format(name=name, found=error)) from None
    if only_texts and not isinstance(value, str | None):
        raise DataError(
            _("expected a text in {name!r}, {found}").format(
                name=name, found=_("found {value!r}").format(value=text[:40])
            )
        )
    if has_lone_surrogate(text):
        raise DataError(f"{name!r} {_(LONE_SURROGATE)}")
    return text


def has_lone_surrogate(text: str) -> bool:
    """Return whether a text contains a lone surrogate, which JSON can express but UTF-8 cannot encode."""
    return bool(_SURROGATE.search(text))
