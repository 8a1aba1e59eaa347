"""Read TSV, CSV, JSON lines and the IMDB layout into rows with file and line number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.headers import (
    Columns,
    Table,
    example_positions,
    find_columns,
    is_repeated_header,
    match_names,
)
from paddle_tasks.data.tables.imdb import ARCHIVE_SUFFIXES, FILE_PATTERN, read_imdb
from paddle_tasks.data.tables.json_rows import object_records
from paddle_tasks.data.tables.paths import no_such_file
from paddle_tasks.data.tables.records import (
    Record,
    csv_records,
    has_lone_surrogate,
    json_cells,
    select_cells,
    tsv_records,
)
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.text_files import TextFile, check_encoding, data_suffix, read_text_file
from paddle_tasks.data.tables.values import MISSING, label_of_cell
from paddle_tasks.errors import ConfigError, DataError, did_you_mean, join_all, join_names
from paddle_tasks.files import exists, is_dir
from paddle_tasks.language import _
from paddle_tasks.text.limits import too_long

Format = Literal["tsv", "csv", "jsonl", "imdb"]
Cells = tuple[int, list[str]] | tuple[int | str, list[str]]
"""The number of a record, and the cells of its fields."""

BYTE_ORDER_MARKS, REPEATED_HEADERS = "byte-order marks", "repeated headers"
"""The kinds of what is left out without making a row bad."""
_TEXT_FIELDS = ("text", "text_a", "text_b")


@dataclass(frozen=True)
class Layout:
    """The layout of a file; an attribute that is None is inferred from the file.

    Attributes:
        format: ``tsv`` (no quoting), ``csv`` (quoted cells may hold commas and line breaks), ``jsonl``, or ``imdb``
            (a folder or .tar.gz with one file per review).
        encoding: a codec's name; a byte-order mark decides and is dropped.
        header: whether the first line names the columns.
        columns: for each field, the column's name (in JSON lines the key) or its index from 0.
        known_labels: labels that are taken as they are, whatever they look like.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: Mapping[str, str | int] | None = None
    known_labels: Collection[str] = ()


def read_rows(
    path: Path,
    fields: Sequence[str],
    layout: Layout,
    split: str = "train",
    dropped: Counter[str] | None = None,
) -> Iterator[Row | BadRow]:
    """Yield the non-blank records of a file; broken records become `BadRow`.

    Args:
        path: the file.
        fields: the fields of each row, such as ``("text", "label")``.
        layout: the known part of the layout; the rest is inferred from the file's name and its records.
        split: ``train`` or ``test``, the reviews to read from the IMDB layout; ignored for other files.
        dropped: counts what is left out: headers that are repeated inside the file, and byte-order marks at the start
            of its lines, which both come from joining files.

    Raises:
        DataError: the file is missing, empty or no text, or its columns cannot be identified.
        ConfigError: the encoding is unknown, or ``layout.columns`` does not match the fields.
    """
    if file_format(path, layout) == "imdb":
        _check_imdb(path, fields, layout)
        yield from read_imdb(path, split, layout.encoding)
        return
    _check_columns(fields, layout)
    read = _read_json if file_format(path, layout) == "jsonl" else _read_table
    for record in read(path, fields, layout, Counter() if dropped is None else dropped):
        if isinstance(record, BadRow):
            yield record
        else:
            yield _checked_row(str(path), record[0], dict(zip(fields, record[1], strict=True)), layout)


def _checked_row(file: str, line: int | str, cells: dict[str, str], layout: Layout) -> Row | BadRow:
    """Return a row, or a `BadRow` if a text stands for a missing value or the label is no single label."""
    for cell in cells.values():
        if problem := too_long(cell):
            return BadRow(file, line, problem)
    for field in _TEXT_FIELDS:
        if cells.get(field, "").strip() in MISSING:
            return BadRow(file, line, stands_for_missing(field, cells[field].strip()))
    label = cells.get("label", "")
    if label and label.strip() not in layout.known_labels:
        try:
            cells["label"] = label_of_cell(label)
        except DataError as error:
            return BadRow(file, line, _("expected one label, {found}").format(found=error))
    return Row(file, line, cells)


def stands_for_missing(field: str, value: str) -> str:
    """Return the reason for a bad row whose text is such as ``nan``."""
    return _("the {field} is {value!r}, which stands for a missing value").format(field=field, value=value)


def _check_imdb(path: Path, fields: Sequence[str], layout: Layout) -> None:
    if set(fields) != {"text", "label"}:
        message = _("{path}: the IMDB layout has text and label, but this task needs {fields}")
        raise DataError(message.format(path=path, fields=join_all(fields)))
    if layout.columns or layout.header:
        key = "columns" if layout.columns else "header"
        message = _("data.{key}: {path} has the IMDB layout, {pattern}, which has no {key}")
        raise ConfigError(message.format(key=key, path=path, pattern=FILE_PATTERN))
    check_encoding(layout.encoding)
    if not exists(path):
        raise DataError(no_such_file(path))


def _check_columns(fields: Sequence[str], layout: Layout) -> None:
    columns = layout.columns or dict.fromkeys(fields, 0)
    if set(columns) != set(fields):
        message = _("data.columns: expected {expected}, found {found}; for example {settings}")
        found, settings = join_all(list(columns)), example_positions(fields)
        raise ConfigError(message.format(expected=join_all(fields), found=found, settings=settings))
    if layout.header is False and any(isinstance(column, str) for column in columns.values()):
        message = _("data.columns: names go with a header, but data.header is false; give positions from 0")
        raise ConfigError(message)


def file_format(path: Path, layout: Layout) -> Format:
    """Return the layout's format or, if it has none, the format that the file's name implies."""
    if layout.format:
        return layout.format
    if path.name.lower().endswith(ARCHIVE_SUFFIXES) or is_dir(path):
        return "imdb"
    suffix = data_suffix(path)
    if suffix in {".json", ".jsonl", ".ndjson"}:
        return "jsonl"
    return "csv" if suffix == ".csv" else "tsv"


def _read_json(path: Path, fields: Sequence[str], layout: Layout, dropped: Counter[str]) -> Iterator[Cells | BadRow]:
    file = _read_text(path, layout, dropped)
    records = object_records(str(path), list(file.decoded_lines()))
    if not records:
        raise DataError(_("{file}: the file is empty").format(file=path))
    first = next(record for record in records if not isinstance(record, BadRow))
    names = layout.columns or match_names(fields, list(first[1]), f"{path}:{first[0]}")
    keys = {field: str(names[field]) for field in fields}
    if not any(set(keys.values()) <= set(record[1]) for record in records if not isinstance(record, BadRow)):
        missing = next((key for key in keys.values() if key not in first[1]), "")
        raise DataError(lacks_fields(str(path), list(keys.values()), list(first[1]), missing))
    for record in records:
        if isinstance(record, BadRow):
            yield record
        else:
            yield json_cells(str(path), record, list(keys.values()), label=keys.get("label"))


def lacks_fields(file: str, keys: Sequence[str], found: Sequence[str], missing: str) -> str:
    """Return the message that no object of a file has some keys.

    Args:
        file: the file.
        keys: the keys that each object should have.
        found: those of the first object.
        missing: the key for which the nearest one is suggested.
    """
    message = _("{file}: no object has the fields {keys}, the first one has {found}{hint}")
    hint = did_you_mean(missing, found)
    return message.format(file=file, keys=join_all(keys), found=join_names(found), hint=hint)


def _read_text(path: Path, layout: Layout, dropped: Counter[str]) -> TextFile:
    file = read_text_file(path, layout.encoding)
    if file.n_marks:
        dropped[BYTE_ORDER_MARKS] += file.n_marks
    return file


def _read_table(path: Path, fields: Sequence[str], layout: Layout, dropped: Counter[str]) -> Iterator[Cells | BadRow]:
    records = list(table_records(_read_text(path, layout, dropped), layout))
    if not records:
        raise DataError(_("{file}: the file is empty").format(file=path))
    first, readable = records[0], [record for record in records if not isinstance(record, BadRow)]
    if isinstance(first, BadRow) and not readable:
        message = _("{where}: no line can be read; the first one: {reason}")
        raise DataError(message.format(where=f"{path}:{first.line}", reason=first.reason))
    table = Table(f"{path}:{readable[0][0]}", file_format(path, layout), [cells for _, cells in readable])
    columns, has_header = find_columns(table, fields, Columns(layout.columns, layout.header, layout.known_labels))
    rows = [record for record in records if not has_header or record is not readable[0]]
    if layout.header is not False:
        rows = list(_without_headers(rows, table.first if has_header else None, columns, dropped))
    return select_cells(str(path), rows, [columns[field] for field in fields], len(table.first))


def _without_headers(
    rows: Iterable[Record | BadRow], header: Sequence[str] | None, columns: Mapping[str, int], dropped: Counter[str]
) -> Iterator[Record | BadRow]:
    for row in rows:
        if not isinstance(row, BadRow) and is_repeated_header(row[1], header, columns):
            dropped[REPEATED_HEADERS] += 1
        else:
            yield row


def table_records(file: TextFile, layout: Layout) -> Iterator[Record | BadRow]:
    """Yield the cells of each non-blank record of a TSV or CSV file; a broken one becomes a `BadRow`."""
    where = str(file.path)
    if file_format(file.path, layout) == "csv":
        records = csv_records(where, file.lines)
    elif _is_quoted_tsv(file.lines):
        records = csv_records(where, file.lines, "\t")
    else:
        records = tsv_records(file.lines)
    for record in records:
        # Checked only now, because a line that does not decode may open a quoted cell.
        if not isinstance(record, BadRow) and any(map(has_lone_surrogate, record[1])):
            yield file.undecoded(record[0])
        else:
            yield record


def _is_quoted_tsv(lines: Iterable[Line]) -> bool:
    """Return whether every cell of the first line is quoted, as R and some exports write tables with tabs."""
    first = next((line for _, line in lines if line.strip()), "").split("\t")
    return len(first) > 1 and all(len(cell) > 1 and cell[0] == cell[-1] == '"' for cell in first)
