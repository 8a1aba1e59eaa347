"""Read rows with all of their columns: the fields that are asked for, and whatever else the columns hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks.data.tables.headers import Columns, Table, find_columns, is_repeated_header, match_names
from paddle_tasks.data.tables.json_rows import JsonRecord, object_records
from paddle_tasks.data.tables.readers import (
    Layout,
    file_format,
    lacks_fields,
    stands_for_missing,
    table_records,
)
from paddle_tasks.data.tables.records import Record, json_cells, wrong_width
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.text_files import TextFile, read_text_file
from paddle_tasks.data.tables.values import MISSING
from paddle_tasks.errors import DataError
from paddle_tasks.language import _


@dataclass(frozen=True)
class WholeRow:
    """A record with all of its columns.

    Attributes:
        line: the line number, from 1, or ``row N`` for the N-th object of a JSON array.
        fields: the text of each field that was asked for.
        others: the values of the other columns by name, as JSON values; those of a table are texts.
    """

    line: int | str
    fields: Mapping[str, str]
    others: Mapping[str, Any]


def read_whole_rows(
    path: Path, fields: Sequence[str], all_fields: Sequence[str], layout: Layout
) -> list[WholeRow | BadRow]:
    """Return the non-blank records of a TSV, CSV or JSON-lines file; broken records become `BadRow`.

    Args:
        path: the file.
        fields: the texts of each row.
        all_fields: the fields of a labelled row. A table whose columns have no names is read as such rows are.
        layout: the known part of the layout.

    Raises:
        DataError: the file is missing, empty or no text, or the columns of the texts cannot be identified.
        ConfigError: the encoding is unknown.
    """
    file = read_text_file(path, layout.encoding)
    if file_format(path, layout) == "jsonl":
        rows = _json_rows(file, fields, layout)
    else:
        rows = _table_rows(file, fields, all_fields, layout)
    return [_without_missing(str(path), row) for row in rows]


def _without_missing(file: str, row: WholeRow | BadRow) -> WholeRow | BadRow:
    """Return the row, or a `BadRow` if one of its texts stands for a missing value, as in train data."""
    if isinstance(row, BadRow):
        return row
    missing = [(field, text.strip()) for field, text in row.fields.items() if text.strip() in MISSING]
    if not missing:
        return row
    field, text = missing[0]
    return BadRow(file, row.line, stands_for_missing(field, text))


# ---- JSON lines


def _json_rows(file: TextFile, fields: Sequence[str], layout: Layout) -> Iterator[WholeRow | BadRow]:
    where = str(file.path)
    records = object_records(where, list(file.decoded_lines()))
    objects = [record for record in records if not isinstance(record, BadRow)]
    if not objects:
        raise DataError(_("{file}: the file is empty").format(file=where))
    line, first = objects[0]
    names = layout.columns or match_names(fields, list(first), f"{where}:{line}")
    keys = {field: str(names[field]) for field in fields}
    _check_keys(where, list(keys.values()), [content for _, content in objects])
    yield from (record if isinstance(record, BadRow) else _json_row(where, record, keys) for record in records)


def _check_keys(where: str, keys: Sequence[str], objects: Sequence[Mapping[str, Any]]) -> None:
    if not any(set(keys) <= set(content) for content in objects):
        raise DataError(lacks_fields(where, keys, list(objects[0]), keys[0]))


def _json_row(where: str, record: JsonRecord, keys: Mapping[str, str]) -> WholeRow | BadRow:
    cells = json_cells(where, record, list(keys.values()))
    if isinstance(cells, BadRow):
        return cells
    line, content = record
    others = {name: value for name, value in content.items() if name not in keys.values()}
    return WholeRow(line, dict(zip(keys, cells[1], strict=True)), others)


# ---- tables


@dataclass(frozen=True)
class _Header:
    """The columns of a table.

    Attributes:
        fields: the index of the column of each field that was asked for.
        others: the name of each other column, by its index.
        names: the cells of the header; None if there is none.
    """

    fields: Mapping[str, int]
    others: Mapping[int, str]
    names: Sequence[str] | None


def _table_rows(
    file: TextFile, fields: Sequence[str], all_fields: Sequence[str], layout: Layout
) -> Iterator[WholeRow | BadRow]:
    where = str(file.path)
    records = list(table_records(file, layout))
    readable = [record for record in records if not isinstance(record, BadRow)]
    if not readable:
        reasons = [record.reason for record in records if isinstance(record, BadRow)]
        unreadable, empty = _("{where}: no line can be read; the first one: {reason}"), _("{file}: the file is empty")
        raise DataError(unreadable.format(where=where, reason=reasons[0]) if reasons else empty.format(file=where))
    table = Table(f"{where}:{readable[0][0]}", file_format(file.path, layout), [cells for _, cells in readable])
    header = _find_header(table, fields, all_fields, layout)
    for record in records:
        if isinstance(record, BadRow):
            yield record
        elif not _is_header(record, readable[0], header):
            yield _table_row(where, record, header, len(table.first))


def _find_header(table: Table, fields: Sequence[str], all_fields: Sequence[str], layout: Layout) -> _Header:
    columns, has_header = _find_columns(table, fields, all_fields, layout)
    used = {field: columns[field] for field in fields}
    guessed = {index: field for field, index in columns.items()}
    names = table.first if has_header else [guessed.get(index, "") for index in range(len(table.first))]
    return _Header(used, _name_others(names, list(used.values())), table.first if has_header else None)


def _find_columns(
    table: Table, fields: Sequence[str], all_fields: Sequence[str], layout: Layout
) -> tuple[Mapping[str, int], bool]:
    """Return the column index of each field, and whether the table has a header."""
    configured = Columns(layout.columns, layout.header, layout.known_labels)
    try:
        return find_columns(table, fields, configured)
    except DataError:
        # A labelled table without a header: which column is the text shows only beside the label.
        if not layout.columns and not layout.header and len(table.first) == len(all_fields) != len(fields):
            with contextlib.suppress(DataError):
                return find_columns(table, all_fields, configured)
        raise


def _name_others(names: Sequence[str], used: Sequence[int]) -> dict[int, str]:
    """Return the name of each unused column: ``column_2`` for one without a name or with that of an earlier one."""
    others: dict[int, str] = {}
    for index, name in enumerate(names):
        if index not in used:
            others[index] = name if name and name not in others.values() else f"column_{index}"
    return others


def _is_header(record: Record, first: Record, header: _Header) -> bool:
    """Return whether a record is the header, or repeats it."""
    return header.names is not None and (record is first or is_repeated_header(record[1], header.names, header.fields))


def _table_row(where: str, record: Record, header: _Header, width: int) -> WholeRow | BadRow:
    line, cells = record
    if len(cells) != width:
        return BadRow(where, line, wrong_width(width, len(cells)))
    fields = {field: cells[index] for field, index in header.fields.items()}
    return WholeRow(line, fields, {name: cells[index] for index, name in header.others.items()})
