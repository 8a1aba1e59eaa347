"""Read annotated reviews in the formats of published data sets and annotation tools."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from paddle_tasks.data.opinion.doccano import parse_doccano
from paddle_tasks.data.opinion.examples import (
    Draft,
    KnownNames,
    OpinionExample,
    OpinionFormat,
    OpinionLayout,
    OpinionSplit,
    build_example,
)
from paddle_tasks.data.opinion.formats import infer_line_format, infer_object_format, require_object_format
from paddle_tasks.data.opinion.json_files import JsonRecord, is_json, read_objects
from paddle_tasks.data.opinion.json_objects import ObjectParser, parse_cote, parse_own
from paddle_tasks.data.opinion.label_studio import parse_label_studio
from paddle_tasks.data.opinion.token_lines import parse_aste, read_conll
from paddle_tasks.data.opinion.two_tables import find_both_files, read_two_csv
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.paths import readable_file
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.data.tables.text_files import read_lines
from paddle_tasks.errors import DataError
from paddle_tasks.files import sha256
from paddle_tasks.language import _

DraftRow = tuple[int | str, Draft] | BadRow
"""The number of a review's first line and the review, or a bad row."""

_OBJECT_PARSERS: Mapping[OpinionFormat, ObjectParser] = {
    "jsonl": parse_own,
    "cote": parse_cote,
    "doccano": parse_doccano,
    "label_studio": parse_label_studio,
}


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
    content = [sha256(readable_file(file) or file) for file in files]
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
    form, rows = _open(path, layout)
    file, n_rows = str(find_both_files(path)[0] if form == "two_csv" else path), 0
    for row in rows:
        n_rows += 1
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield build_example(row[1], f"{file}:{row[0]}", known, layout)
        except DataError as error:
            yield BadRow(file, row[0], str(error))
    if not n_rows:
        raise DataError(_("{file}: the file is empty").format(file=path))


def _open(path: Path, layout: OpinionLayout) -> tuple[OpinionFormat, Iterator[DraftRow]]:
    """Return the format of a file, and its rows."""
    if layout.format == "two_csv":
        return layout.format, read_two_csv(path, layout.encoding)
    file, lines = str(path), list(read_lines(path, layout.encoding))
    form, records = _identify(file, lines, layout.format)
    if form == "two_csv":
        return form, read_two_csv(path, layout.encoding)
    if form == "conll":
        return form, read_conll(file, lines)
    if form == "aste":
        return form, _aste_rows(file, lines)
    return form, _object_rows(file, records, form, layout)


def _identify(
    file: str, lines: Sequence[Line | BadRow], configured: OpinionFormat | None
) -> tuple[OpinionFormat, Sequence[JsonRecord | BadRow]]:
    """Return the configured format or, if there is none, the format of the content; and the objects of a JSON file."""
    if configured is not None and configured in _OBJECT_PARSERS:
        records = read_objects(file, lines)
        require_object_format(file, records, configured)
        return configured, records
    if configured or not is_json(lines):
        return configured or infer_line_format(file, lines), ()
    try:
        records = read_objects(file, lines)
        return infer_object_format(file, records), records
    except DataError as error:
        return _line_format_or_raise(file, lines, error), ()


def _line_format_or_raise(file: str, lines: Sequence[Line | BadRow], error: DataError) -> OpinionFormat:
    """Return the format of a file whose first token is a bracket; raise ``error`` if it is a JSON file."""
    try:
        return infer_line_format(file, lines)
    except DataError:
        raise error from None


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
    file: str, records: Iterable[JsonRecord | BadRow], form: OpinionFormat, layout: OpinionLayout
) -> Iterator[DraftRow]:
    for record in records:
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            yield record[0], _OBJECT_PARSERS[form](record[1], layout)
        except DataError as error:
            yield BadRow(file, record[0], str(error))


def opinion_format(path: Path, layout: OpinionLayout) -> OpinionFormat:
    """Return the layout's format or, if it has none, the format that the file's content implies.

    Raises:
        DataError: the file is missing or empty, or its format cannot be identified.
    """
    if layout.format:
        return layout.format
    return _identify(str(path), list(read_lines(path, layout.encoding)), None)[0]
