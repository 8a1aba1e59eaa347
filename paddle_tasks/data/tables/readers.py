"""Read TSV, CSV, JSON lines and the IMDB layout into rows with file and line number."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.imdb import ARCHIVE_SUFFIXES, FILE_PATTERN, read_imdb
from paddle_tasks.data.tables.records import (
    Record,
    column_index,
    csv_records,
    has_lone_surrogate,
    json_cells,
    json_records,
    select_cells,
    tsv_records,
)
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.files import list_siblings

Format = Literal["tsv", "csv", "jsonl", "imdb"]

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "text_a", "sentence", "review", "content", "comment", "title", "文本", "评论", "内容", "标题"),
    "text_a": ("text_a", "sentence1", "s1", "query", "question1", "premise", "文本1", "句子1"),
    "text_b": ("text_b", "sentence2", "s2", "title", "question2", "hypothesis", "文本2", "句子2"),
    "name": ("name", "label_desc", "label_des", "label_zh", "名称"),
    "label": ("label", "labels", "label_desc", "class", "category", "sentiment", "polarity", "标签", "类别", "情感"),
}
"""The usual column names of each field; the first that occurs is taken."""

_GUESS_ROWS = 1000
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZIP_MARK = b"PK\x03\x04"


@dataclass(frozen=True)
class Layout:
    """The layout of a file; an attribute that is None is inferred from the file.

    Attributes:
        format: ``tsv`` (no quoting), ``csv`` (quoted cells may hold commas and line breaks), ``jsonl``, or ``imdb``
            (a folder or .tar.gz with one file per review).
        encoding: a codec's name; a byte-order mark is dropped.
        header: whether the first line names the columns.
        columns: for each field, the column's name (in JSON lines the key) or its index from 0.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: Mapping[str, str | int] | None = None


def read_rows(path: Path, fields: Sequence[str], layout: Layout, split: str = "train") -> Iterator[Row | BadRow]:
    """Yield the non-blank records of a file; broken records become `BadRow`.

    Args:
        path: the file.
        fields: the fields of each row, such as ``("text", "label")``.
        layout: the known part of the layout; the rest is inferred from the file's name, its first line and its first
            1,000 records.
        split: ``train`` or ``test``, the reviews to read from the IMDB layout; ignored for other files.

    Raises:
        DataError: the file is missing or empty, or its columns cannot be identified.
        ConfigError: the encoding is unknown, or ``layout.columns`` does not match the fields.
    """
    if file_format(path, layout) == "imdb":
        _check_imdb(path, fields, layout)
        yield from read_imdb(path, split, layout.encoding)
        return
    _check_columns(fields, layout)
    _check_file(path, layout.encoding)
    read = _read_json_lines if file_format(path, layout) == "jsonl" else _read_table
    for record in read(path, fields, layout):
        if isinstance(record, BadRow):
            yield record
        else:
            yield Row(str(path), record[0], dict(zip(fields, record[1], strict=True)))


def _check_imdb(path: Path, fields: Sequence[str], layout: Layout) -> None:
    if set(fields) != {"text", "label"}:
        raise DataError(f"{path}: the IMDB layout has text and label, but this task needs {' and '.join(fields)}")
    if layout.columns or layout.header:
        key = "columns" if layout.columns else "header"
        raise ConfigError(f"data.{key}: {path} has the IMDB layout, {FILE_PATTERN}, which has no {key}")
    _check_encoding(layout.encoding)
    if not path.exists():
        raise DataError(f"{path}: no such file")


def _check_encoding(encoding: str) -> None:
    try:
        b"  ".decode(encoding, errors="replace")
    except LookupError:
        raise ConfigError(f"data.encoding: {encoding!r} is not a known encoding, such as utf-8 or gb18030") from None


def _check_columns(fields: Sequence[str], layout: Layout) -> None:
    columns = layout.columns or dict.fromkeys(fields, 0)
    if set(columns) != set(fields):
        raise ConfigError(
            f"data.columns: expected {' and '.join(fields)}, found {' and '.join(columns)}; for example "
            + " ".join(f"data.columns.{field}={index}" for index, field in enumerate(fields))
        )
    if layout.header is False and _has_names(columns):
        raise ConfigError("data.columns: names go with a header, but data.header is false; give positions from 0")


def _check_file(path: Path, encoding: str) -> None:
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file; data.format=imdb is for folders of {FILE_PATTERN}")
    if not path.is_file():
        raise DataError(f"{path}: no such file{did_you_mean(str(path), list_siblings(path))}")
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_UTF16_MARKS) and "16" not in encoding:
        raise DataError(f"{path}: not {encoding} text but UTF-16; set data.encoding=utf-16")
    if start == _ZIP_MARK:
        raise DataError(f"{path}: an Excel or zip file; save it as CSV, or unpack it")
    _check_encoding(encoding)


def file_format(path: Path, layout: Layout) -> Format:
    """Return the layout's format or, if it has none, the format that the file's name implies."""
    if layout.format:
        return layout.format
    if path.is_dir() or path.name.lower().endswith(ARCHIVE_SUFFIXES):
        return "imdb"
    suffix = path.suffix.lower()
    if suffix in {".json", ".jsonl"}:
        return "jsonl"
    return "csv" if suffix == ".csv" else "tsv"


def _lines(path: Path, encoding: str) -> Iterator[Line]:
    """Yield the lines; bytes that do not decode become lone surrogates, so that each broken record can be reported."""
    try:
        text = path.read_bytes().decode(encoding, errors="surrogateescape")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {encoding} text at byte {error.start}") from None
    # Not str.splitlines, which would also split at U+2028 and similar characters inside a text.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        yield number, line.removesuffix("\r")


def read_lines(path: Path, encoding: str) -> Iterator[Line | BadRow]:
    """Yield the lines of a text file, without a byte-order mark; a line that does not decode becomes a `BadRow`.

    Raises:
        DataError: the file is missing, or is not a text file.
        ConfigError: the encoding is unknown.
    """
    _check_file(path, encoding)
    for line in _lines(path, encoding):
        yield _undecoded(path, line[0], encoding) if has_lone_surrogate(line[1]) else line


def _undecoded(path: Path, number: int, encoding: str) -> BadRow:
    return BadRow(str(path), number, f"not valid {encoding} (set data.encoding to another, such as gb18030)")


def _read_json_lines(path: Path, fields: Sequence[str], layout: Layout) -> Iterator[Record | BadRow]:
    records = list(json_records(str(path), read_lines(path, layout.encoding)))
    if not records:
        raise DataError(f"{path}: the file is empty")
    names = layout.columns
    for record in records:
        if isinstance(record, BadRow):
            yield record
        else:
            names = names or _match(fields, list(record[1]), f"{path}:{record[0]}")
            yield json_cells(str(path), record, [str(names[field]) for field in fields])


def _read_table(path: Path, fields: Sequence[str], layout: Layout) -> Iterator[Record | BadRow]:
    records = list(_table_records(path, layout))
    if not records:
        raise DataError(f"{path}: the file is empty")
    first, readable = records[0], [record for record in records if not isinstance(record, BadRow)]
    if isinstance(first, BadRow) and not readable:
        raise DataError(f"{path}:{first.line}: no line can be read; the first one: {first.reason}")
    columns, has_header = _find_columns(path, fields, layout, readable)
    rows = [record for record in records if not has_header or record is not readable[0]]
    return select_cells(str(path), rows, [columns[field] for field in fields], len(readable[0][1]))


def _table_records(path: Path, layout: Layout) -> Iterator[Record | BadRow]:
    lines = _lines(path, layout.encoding)
    for record in csv_records(str(path), lines) if file_format(path, layout) == "csv" else tsv_records(lines):
        # Checked only now, because a line that does not decode may open a quoted cell.
        if not isinstance(record, BadRow) and any(map(has_lone_surrogate, record[1])):
            yield _undecoded(path, record[0], layout.encoding)
        else:
            yield record


def _find_columns(
    path: Path, fields: Sequence[str], layout: Layout, records: Sequence[Record]
) -> tuple[Mapping[str, int], bool]:
    """Return the column index of each field, and whether the first record is a header."""
    where, first = f"{path}:{records[0][0]}", [cell.strip() for cell in records[0][1]]
    if layout.columns:
        configured = layout.columns.items()
        columns = {field: column_index(column, first, f"{where}: data.columns.{field}") for field, column in configured}
        return columns, _is_header(layout, columns, first)
    if layout.header or (layout.header is None and _has_usual_name(fields, first)):
        return {field: first.index(str(name)) for field, name in _match(fields, first, where).items()}, True
    return _guess_columns(
        where, fields, file_format(path, layout), [cells for _, cells in records[:_GUESS_ROWS]]
    ), False


def _is_header(layout: Layout, columns: Mapping[str, int], first: Sequence[str]) -> bool:
    """Return whether the first line is a header: a column is given by name, or one has its usual name."""
    if layout.header is not None:
        return layout.header
    names = [first[index] for index in columns.values()]
    return _has_names(layout.columns or {}) or _has_usual_name(list(columns), names)


def _has_usual_name(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether one usual name occurs: a header read as a row would add a label to the data without notice."""
    return any(name in names for field in fields for name in SYNONYMS.get(field, (field,)))


def _has_names(columns: Mapping[str, str | int]) -> bool:
    return any(isinstance(column, str) for column in columns.values())


def _first_synonyms(fields: Sequence[str], names: Sequence[str]) -> dict[str, str | int] | None:
    """Return the first synonym of each field that occurs in ``names``, or None if a field has none."""
    synonyms: dict[str, str | int] = {}
    for field in fields:
        present = [name for name in SYNONYMS.get(field, (field,)) if name in names]
        if not present:
            return None
        synonyms[field] = present[0]
    return synonyms


def _match(fields: Sequence[str], names: Sequence[str], where: str) -> Mapping[str, str | int]:
    columns = _first_synonyms(fields, names)
    if columns is None:
        raise DataError(
            f"{where}: cannot tell which columns hold {' and '.join(fields)} among {', '.join(names)}; "
            f"name them, as in " + " ".join(f"data.columns.{field}=NAME" for field in fields)
        )
    return columns


def _guess_columns(where: str, fields: Sequence[str], form: Format, rows: Sequence[Sequence[str]]) -> Mapping[str, int]:
    """Return the column index of each field in a file without header.

    The column with the fewest distinct values is the label; the other columns are the texts, in their order.
    """
    width = len(rows[0])
    if "label" not in fields or width != len(fields):
        raise DataError(
            f"{where}: {width} column{'s' * (width > 1)} without names, read as {form}; "
            "expected a header, another data.format, or positions from 0, as in "
            + " ".join(f"data.columns.{field}={index}" for index, field in enumerate(fields))
        )
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    label = min(range(width), key=lambda index: (len(set(columns[index])), sum(map(len, columns[index]))))
    texts = (field for field in fields if field != "label")
    return {"label": label, **dict(zip(texts, (index for index in range(width) if index != label), strict=True))}
