"""Read annotated reviews in the formats of published data sets and annotation tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import (
    Draft,
    KnownNames,
    OpinionExample,
    OpinionFormat,
    OpinionLayout,
    OpinionSplit,
    build_example,
)
from paddle_tasks.data.opinion.json_objects import (
    ObjectParser,
    parse_cote,
    parse_doccano,
    parse_label_studio,
    parse_own,
)
from paddle_tasks.data.opinion.token_lines import SEPARATOR, is_tag, parse_aste, read_conll
from paddle_tasks.data.opinion.two_tables import LABELS, REVIEWS, find_both_files, read_two_csv
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.readers import read_lines
from paddle_tasks.data.tables.records import json_records, parse_json
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.errors import DataError
from paddle_tasks.files import sha256

DraftRow = tuple[int | str, Draft] | BadRow
"""The number of a review's first line and the review, or a bad row."""

_OBJECT_PARSERS: Mapping[OpinionFormat, ObjectParser] = {
    "jsonl": parse_own,
    "cote": parse_cote,
    "doccano": parse_doccano,
    "label_studio": parse_label_studio,
}
_FORMAT_KEYS: tuple[tuple[str, OpinionFormat], ...] = (
    ("spans", "jsonl"),
    ("ot", "cote"),
    ("entities", "doccano"),
    ("annotations", "label_studio"),
    ("completions", "label_studio"),
    ("label", "doccano"),
    ("labels", "doccano"),
)
"""A key that identifies each format; the first that occurs decides."""

_EXPECTED = (
    "expected JSON lines with spans (ours), s and ot (COTE), or label or entities (doccano), Label Studio's JSON, "
    "characters####triplets (ASTE), one token and BIO tag per line (CoNLL), or the CSVs of reviews and labels; "
    "set data.format to the right one"
)


def load_opinions(
    name: SplitName,
    source: str | Source,
    layout: OpinionLayout,
    known: KnownNames = KnownNames(),  # noqa: B008
) -> OpinionSplit:
    """Read a file, or a part of it, into examples; collect what cannot be used as bad rows.

    `paddle_tasks.data.tables.splits.require_good` stops on bad rows, or lets them be skipped.

    Args:
        name: the split.
        source: a path or catalogue name, or a source with a part.
        layout: the file's layout.
        known: the labels and polarities of train, when another split is read.

    Raises:
        DataError: the file is missing, empty, or has no known format.
        ConfigError: the encoding is unknown, or a fold is empty.
    """
    if isinstance(source, str):
        source = Source(source, name)
    path, part = locate(source.name, source.split), source.part
    rows = list(read_opinions(path, layout, known))
    examples = [row for row in rows if not isinstance(row, BadRow)]
    bad_rows = [row for row in rows if isinstance(row, BadRow)] if source.reports_bad_rows else []
    digest = _sha256(path, layout, source)
    return OpinionSplit(name, path, digest, part.select(examples) if part else examples, bad_rows, part)


def opinions_sha256(source: Source, layout: OpinionLayout) -> str:
    """Return the ``sha256`` of the `OpinionSplit` that this source gives, without checking its rows.

    Raises:
        UserError: there is no such file or name, or its format cannot be identified.
    """
    return _sha256(locate(source.name, source.split), layout, source)


def _sha256(path: Path, layout: OpinionLayout, source: Source) -> str:
    files = find_both_files(path) if opinion_format(path, layout) == "two_csv" else (path,)
    # With other settings the same file gives other examples.
    settings = [str(source.part)] if source.part else []
    settings += [value for value, usual in ((layout.occurrences, "all"), (layout.overlaps, "keep")) if value != usual]
    content = [sha256(file) for file in files]
    if len(content) == 1 and not settings:
        return content[0]
    return hashlib.sha256("\n".join([*content, *settings]).encode()).hexdigest()


def read_opinions(
    path: Path,
    layout: OpinionLayout,
    known: KnownNames = KnownNames(),  # noqa: B008
) -> Iterator[OpinionExample | BadRow]:
    """Yield the reviews of a file, and a `BadRow` for each that cannot be used.

    Raises:
        DataError: the file is missing, empty, or has no known format.
        ConfigError: the encoding is unknown.
    """
    form, n_rows = opinion_format(path, layout), 0
    file = str(find_both_files(path)[0] if form == "two_csv" else path)
    for row in _rows(path, form, layout):
        n_rows += 1
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield build_example(row[1], f"{file}:{row[0]}", known, layout)
        except DataError as error:
            yield BadRow(file, row[0], str(error))
    if not n_rows:
        raise DataError(f"{path}: the file is empty")


def _rows(path: Path, form: OpinionFormat, layout: OpinionLayout) -> Iterator[DraftRow]:
    if form == "two_csv":
        yield from read_two_csv(path, layout.encoding)
        return
    lines = read_lines(path, layout.encoding)
    if form == "conll":
        yield from read_conll(str(path), lines)
    elif form == "aste":
        yield from _aste_rows(str(path), lines)
    else:
        yield from _object_rows(str(path), lines, form, layout)


def _aste_rows(file: str, lines: Iterable[Line | BadRow]) -> Iterator[DraftRow]:
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            try:
                yield line[0], parse_aste(line[1])
            except DataError as error:
                yield BadRow(file, line[0], str(error))


def _object_rows(
    file: str, lines: Iterable[Line | BadRow], form: OpinionFormat, layout: OpinionLayout
) -> Iterator[DraftRow]:
    read = list(lines)
    first = next((line[1].lstrip() for line in read if not isinstance(line, BadRow) and line[1].strip()), "")
    for record in _array_records(file, read) if first.startswith("[") else json_records(file, read):
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            yield record[0], _OBJECT_PARSERS[form](record[1], layout)
        except DataError as error:
            yield BadRow(file, record[0], str(error))


def _array_records(file: str, lines: list[Line | BadRow]) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the objects of a JSON array with the numbers of their first lines."""
    broken = [line for line in lines if isinstance(line, BadRow)]
    text = "\n".join(line[1] for line in lines if not isinstance(line, BadRow))
    values = parse_json(text, (file, 1), "expected a JSON array")
    if broken or isinstance(values, BadRow):
        yield from broken or [values]
        return
    decoder, offset = json.JSONDecoder(), text.index("[") + 1
    for value in values:
        while text[offset] in " \t\r\n,":
            offset += 1
        number = text.count("\n", 0, offset) + 1
        _, offset = decoder.raw_decode(text, offset)
        if isinstance(value, dict):
            yield number, value
        else:
            yield BadRow(file, number, f"expected objects in the array, found {json.dumps(value)[:40]}")


# ---- the format of a file


def opinion_format(path: Path, layout: OpinionLayout) -> OpinionFormat:
    """Return the layout's format or, if it has none, the format that the file's first lines imply.

    Raises:
        DataError: the file is missing or empty, or its format cannot be identified.
    """
    if layout.format:
        return layout.format
    lines = [line[1] for line in read_lines(path, layout.encoding) if not isinstance(line, BadRow) and line[1].strip()]
    if not lines:
        raise DataError(f"{path}: the file is empty")
    form = _infer_format(lines)
    if form is None:
        raise DataError(f"{path}: cannot tell its format from {lines[0][:60]!r}; {_EXPECTED}")
    return form


def _infer_format(lines: list[str]) -> OpinionFormat | None:
    first = lines[0].lstrip()
    if SEPARATOR in first:
        return "aste"
    if first.startswith("["):
        return "label_studio"
    if first.startswith("{"):
        keys = next((keys for keys in map(_object_keys, lines) if keys), ())
        return next((form for key, form in _FORMAT_KEYS if key in keys), None)
    header = {cell.strip().strip('"') for cell in first.split(",")}
    if set(REVIEWS.values()) <= header or set(LABELS.values()) <= header:
        return "two_csv"
    tags = [line.split()[-1] for line in lines if len(line.split()) > 1]
    return "conll" if tags and is_tag(tags[0]) else None


def _object_keys(line: str) -> tuple[str, ...]:
    """Return the keys of a line that is a JSON object, or nothing for another line."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return tuple(value) if isinstance(value, dict) else ()
