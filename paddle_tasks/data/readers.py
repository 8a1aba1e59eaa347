"""Read TSV, CSV, JSON lines and the IMDB layout into rows that know their file and line."""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from paddle_tasks.data.imdb import LAYOUT, SUFFIXES, read_imdb
from paddle_tasks.data.rows import BadRow, Row
from paddle_tasks.errors import ConfigError, DataError, did_you_mean

Format = Literal["tsv", "csv", "jsonl", "imdb"]
Record = tuple[int, list[str] | str]
"""A line number with its cells, or with the reason why they cannot be told."""

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "text_a", "sentence", "review", "content", "comment", "title", "文本", "评论", "内容", "标题"),
    "label": ("label", "labels", "label_desc", "class", "category", "sentiment", "polarity", "标签", "类别", "情感"),
}
_SAMPLE = 1000
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ZIP_MARK = b"PK\x03\x04"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Layout:
    """How a file is laid out; what is None is inferred from the file.

    Attributes:
        format: ``tsv`` (no quoting), ``csv`` (quoted cells may hold commas and line breaks), ``jsonl``, or ``imdb``
            (a folder or .tar.gz with a file for each review).
        encoding: a codec's name; a byte-order mark is dropped.
        header: whether the first line names the columns.
        columns: for each field the column's name (in JSON lines the key), or its position counted from 0.
    """

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: Mapping[str, str | int] | None = None


def read_rows(path: Path, fields: Sequence[str], layout: Layout, split: str = "train") -> Iterator[Row | BadRow]:
    """Yield every record of a file that is not blank, broken ones as `BadRow`.

    Args:
        path: the file.
        fields: the names that each row has to carry, such as ``("text", "label")``.
        layout: what is known of the file; the rest is inferred from its name, first line and first 1,000 records.
        split: ``train`` or ``test``: which reviews of the IMDB layout; any other file has no splits of its own.

    Raises:
        DataError: the file is missing or empty, or its columns cannot be told.
        ConfigError: the encoding is unknown, or the columns are not those of the fields.
    """
    if file_format(path, layout) == "imdb":
        _check_imdb(path, fields, layout)
        yield from read_imdb(path, split, layout.encoding)
        return
    _check_columns(fields, layout)
    text = _decode(path, layout.encoding)
    if file_format(path, layout) == "jsonl":
        yield from _json_rows(path, fields, layout, text)
    else:
        yield from _table_rows(path, fields, layout, text)


def _check_imdb(path: Path, fields: Sequence[str], layout: Layout) -> None:
    if set(fields) != {"text", "label"}:
        raise DataError(f"{path}: the IMDB layout has text and label, expected {' and '.join(fields)}")
    if layout.columns or layout.header:
        key = "columns" if layout.columns else "header"
        raise ConfigError(f"data.{key}: {path} is of the IMDB layout, {LAYOUT}, which has none")
    _check_encoding(layout.encoding)
    if not path.exists():
        raise DataError(f"{path}: no such file")


def _check_encoding(encoding: str) -> None:
    try:
        b"  ".decode(encoding, errors="replace")
    except LookupError:
        raise ConfigError(f"data.encoding: {encoding!r} is no known encoding, such as utf-8 or gb18030") from None


def _check_columns(fields: Sequence[str], layout: Layout) -> None:
    columns = layout.columns or dict.fromkeys(fields, 0)
    if set(columns) != set(fields):
        raise ConfigError(
            f"data.columns: expected {' and '.join(fields)}, found {' and '.join(columns)}; for example "
            + " ".join(f"data.columns.{field}={at}" for at, field in enumerate(fields))
        )
    if layout.header is False and _has_names(columns):
        raise ConfigError("data.columns: names go with a header, but data.header is false; give positions from 0")


def _decode(path: Path, encoding: str) -> str:
    if path.is_dir():
        raise DataError(f"{path}: is a folder, expected a file; data.format=imdb is for folders of {LAYOUT}")
    if not path.is_file():
        beside = [str(found) for found in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file{did_you_mean(str(path), beside)}")
    content = path.read_bytes()
    if content.startswith(_UTF16_MARKS) and "16" not in encoding:
        raise DataError(f"{path}: not {encoding} text but UTF-16; set data.encoding=utf-16")
    if content.startswith(_ZIP_MARK):
        raise DataError(f"{path}: an Excel or zip file; save it as CSV, or unpack it")
    _check_encoding(encoding)
    try:
        # Bytes that do not decode become lone surrogates, so that each broken line can be named.
        text = content.decode(encoding, errors="surrogateescape")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {encoding} text at byte {error.start}") from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.strip():
        raise DataError(f"{path}: the file is empty")
    return text


def file_format(path: Path, layout: Layout) -> Format:
    """Return the format that the layout tells, or else the file's name."""
    if layout.format:
        return layout.format
    if path.is_dir() or path.name.lower().endswith(SUFFIXES):
        return "imdb"
    suffix = path.suffix.lower()
    if suffix in {".json", ".jsonl"}:
        return "jsonl"
    return "csv" if suffix == ".csv" else "tsv"


def _is_broken(line: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in line)


def _undecoded(encoding: str) -> str:
    return f"not valid {encoding} (data.encoding tells another, such as gb18030)"


def _json_rows(path: Path, fields: Sequence[str], layout: Layout, text: str) -> Iterator[Row | BadRow]:
    names: Mapping[str, str | int] | None = layout.columns
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _json_record(line, layout.encoding)
        if isinstance(record, str):
            yield BadRow(str(path), number, record)
            continue
        names = names or _match(fields, list(record), f"{path}:{number}")
        missing = [name for name in names.values() if str(name) not in record]
        if missing:
            yield BadRow(str(path), number, f"no field {missing[0]!r}, only {', '.join(record)}")
        else:
            yield Row(str(path), number, {field: record[str(name)] for field, name in names.items()})


def _json_record(line: str, encoding: str) -> dict[str, str] | str:
    if _is_broken(line):
        return _undecoded(encoding)
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"expected one JSON object a line: {error.msg} at column {error.colno}"
    if not isinstance(record, dict):
        return f"expected one JSON object a line, found {line[:40]!r}"
    texts = {name: _json_text(value) for name, value in record.items()}
    halves = [name for name, value in texts.items() if _SURROGATE.search(value)]
    return f"{halves[0]!r} holds half of a character (a lone \\ud800 to \\udfff)" if halves else texts


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table_rows(path: Path, fields: Sequence[str], layout: Layout, text: str) -> Iterator[Row | BadRow]:
    cells = _csv_cells if file_format(path, layout) == "csv" else _tsv_cells
    records = list(cells(text, layout.encoding))
    whole = [record for _, record in records if not isinstance(record, str)]
    if not records:
        raise DataError(f"{path}: the file is empty")
    if not whole:
        raise DataError(f"{path}:{records[0][0]}: no line can be read, the first is {records[0][1]}")
    positions, has_header = _columns(path, fields, layout, whole)
    for number, record in records:
        if isinstance(record, str):
            yield BadRow(str(path), number, record)
        elif len(record) != len(whole[0]):
            yield BadRow(str(path), number, f"expected {len(whole[0])} columns, found {len(record)}")
        elif not (has_header and record is whole[0]):
            yield Row(str(path), number, {field: record[at] for field, at in positions.items()})


def _tsv_cells(text: str, encoding: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _undecoded(encoding) if _is_broken(line) else line.split("\t")


def _csv_cells(text: str, encoding: str) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # 131,072 characters unless told
    # Split at line feeds alone; str.splitlines would also split at U+2028 and the like inside a text.
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    reader, start, skipped = csv.reader(lines, strict=True), 1, 0
    while start <= len(lines):
        try:
            row = next(reader)
        except csv.Error as error:
            # A quote that is never closed runs to the end of the file: only its own line is lost.
            yield start, f"broken quoting: {error}"
            reader, skipped = csv.reader(lines[start:], strict=True), start
        else:
            if any(cell.strip() for cell in row):
                yield start, _undecoded(encoding) if any(map(_is_broken, row)) else row
        start = skipped + reader.line_num + 1


def _columns(
    path: Path, fields: Sequence[str], layout: Layout, records: Sequence[Sequence[str]]
) -> tuple[Mapping[str, int], bool]:
    """Return the position of each field, and whether the first record is a header."""
    first = [cell.strip() for cell in records[0]]
    if layout.columns:
        positions = _given(path, layout.columns, first)
        return positions, _is_header(layout, positions, first)
    if layout.header or (layout.header is None and _has_usual_name(fields, first)):
        return {field: first.index(str(name)) for field, name in _match(fields, first, f"{path}:1").items()}, True
    return _guess(path, fields, layout, records[:_SAMPLE]), False


def _is_header(layout: Layout, positions: Mapping[str, int], first: Sequence[str]) -> bool:
    """Tell whether the first line is a header: columns are given by name, or those given have their usual names."""
    if layout.header is not None:
        return layout.header
    names = [first[at] for at in positions.values()]
    return _has_names(layout.columns or {}) or _has_usual_name(list(positions), names)


def _has_usual_name(fields: Sequence[str], names: Sequence[str]) -> bool:
    """Tell a header by one usual name: taken for a row, it would add a label to every file and go unnoticed."""
    return any(name in names for field in fields for name in SYNONYMS.get(field, (field,)))


def _has_names(columns: Mapping[str, str | int]) -> bool:
    return any(isinstance(column, str) for column in columns.values())


def _given(path: Path, columns: Mapping[str, str | int], first: Sequence[str]) -> Mapping[str, int]:
    for field, column in columns.items():
        if isinstance(column, str) and column not in first:
            hint = did_you_mean(column, first)
            raise DataError(f"{path}:1: no column {column!r} for {field}, only {', '.join(first)}{hint}")
        if isinstance(column, int) and not 0 <= column < len(first):
            raise DataError(f"{path}:1: no column {column} for {field}; the columns are 0 to {len(first) - 1}")
    return {field: first.index(column) if isinstance(column, str) else column for field, column in columns.items()}


def _find(fields: Sequence[str], names: Sequence[str]) -> dict[str, str | int] | None:
    """Return the first synonym of each field that stands among ``names``, or None when one has none."""
    found: dict[str, str | int] = {}
    for field in fields:
        known = [name for name in SYNONYMS.get(field, (field,)) if name in names]
        if not known:
            return None
        found[field] = known[0]
    return found


def _match(fields: Sequence[str], names: Sequence[str], where: str) -> Mapping[str, str | int]:
    found = _find(fields, names)
    if found is None:
        raise DataError(
            f"{where}: cannot tell the columns for {' and '.join(fields)} from {', '.join(names)}; "
            f"name them, as in " + " ".join(f"data.columns.{field}=NAME" for field in fields)
        )
    return found


def _guess(path: Path, fields: Sequence[str], layout: Layout, records: Sequence[Sequence[str]]) -> Mapping[str, int]:
    """Tell text from label in a file without header: the label column has the fewest distinct values."""
    width = len(records[0])
    if set(fields) != {"text", "label"} or width != len(fields):
        raise DataError(
            f"{path}:1: {width} column{'s' * (width > 1)} without names, read as {file_format(path, layout)}; "
            "expected a header, another data.format, or positions from 0, as in "
            + " ".join(f"data.columns.{field}={at}" for at, field in enumerate(fields))
        )
    columns = list(zip(*(record for record in records if len(record) == width), strict=True))
    label = min(range(width), key=lambda at: (len(set(columns[at])), sum(map(len, columns[at]))))
    return {"label": label, "text": 1 - label}
