"""Read reviews with aspects and opinions, whatever form their publisher or annotators have given them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import (
    Draft,
    Known,
    OpinionExample,
    OpinionFormat,
    OpinionLayout,
    OpinionSplit,
    opinion_example,
)
from paddle_tasks.data.opinion.json_objects import Parse, cote, doccano, label_studio, own
from paddle_tasks.data.opinion.token_lines import SEPARATOR, aste, conll, is_tag
from paddle_tasks.data.opinion.two_tables import LABELS, REVIEWS, both_files, two_csv
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.readers import read_lines
from paddle_tasks.data.tables.records import json_records, parse_json
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.errors import DataError
from paddle_tasks.files import sha256

Found = tuple[int | str, Draft] | BadRow
"""A review with the line that it starts on, or what is wrong with it."""

_JSON: Mapping[OpinionFormat, Parse] = {"jsonl": own, "cote": cote, "doccano": doccano, "label_studio": label_studio}
_KEYS: tuple[tuple[str, OpinionFormat], ...] = (
    ("spans", "jsonl"),
    ("ot", "cote"),
    ("entities", "doccano"),
    ("annotations", "label_studio"),
    ("completions", "label_studio"),
    ("label", "doccano"),
    ("labels", "doccano"),
)
"""The key that tells each form, in the order in which they are looked for."""

_EXPECTED = (
    "expected JSON lines with spans (ours), s and ot (COTE), or label or entities (doccano), Label Studio's JSON, "
    "characters####triplets (ASTE), a token and its BIO tag a line (CoNLL), or the CSVs of reviews and labels; "
    "data.format names the form"
)


def load_opinions(
    name: SplitName,
    source: str | Source,
    layout: OpinionLayout,
    known: Known = Known(),  # noqa: B008
) -> OpinionSplit:
    """Read a file, or a part of it, into examples; what cannot be used is collected with the reason.

    `paddle_tasks.data.tables.splits.require_good` then stops on it, or lets it be left out.

    Args:
        name: the split.
        source: a path or catalogue name, or a part of one.
        layout: how the file is laid out.
        known: the labels and polarities of train, for the other splits.

    Raises:
        DataError: the file is missing, empty, or of no known form.
        ConfigError: the encoding is unknown, or a fold is empty.
    """
    place = Source(source, name) if isinstance(source, str) else source
    path, part = locate(place.name, place.split), place.part
    found = list(read_opinions(path, layout, known))
    examples = [row for row in found if not isinstance(row, BadRow)]
    bad_rows = [row for row in found if isinstance(row, BadRow)] if place.tells_bad_rows else []
    digest = _sha256(path, layout, place)
    return OpinionSplit(name, path, digest, part.of(examples) if part else examples, bad_rows, part)


def opinions_sha256(source: Source, layout: OpinionLayout) -> str:
    """Return the SHA-256 by which an `OpinionSplit` of this source is known, without checking its rows.

    Raises:
        UserError: there is no such file or name, or its form cannot be told.
    """
    return _sha256(locate(source.name, source.split), layout, source)


def _sha256(path: Path, layout: OpinionLayout, source: Source) -> str:
    files = both_files(path) if layout_of(path, layout) == "two_csv" else (path,)
    # The settings make other examples of the same file.
    what = [str(source.part)] if source.part else []
    what += [value for value, usual in ((layout.occurrences, "all"), (layout.overlaps, "keep")) if value != usual]
    content = [sha256(file) for file in files]
    return hashlib.sha256("\n".join([*content, *what]).encode()).hexdigest() if what or content[1:] else content[0]


def read_opinions(
    path: Path,
    layout: OpinionLayout,
    known: Known = Known(),  # noqa: B008
) -> Iterator[OpinionExample | BadRow]:
    """Yield the reviews of a file, and what cannot be used as `BadRow`.

    Raises:
        DataError: the file is missing, empty, or of no known form.
        ConfigError: the encoding is unknown.
    """
    form, n_rows = layout_of(path, layout), 0
    file = str(both_files(path)[0] if form == "two_csv" else path)
    for row in _rows(path, form, layout):
        n_rows += 1
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield opinion_example(row[1], f"{file}:{row[0]}", known, layout)
        except DataError as error:
            yield BadRow(file, row[0], str(error))
    if not n_rows:
        raise DataError(f"{path}: the file is empty")


def _rows(path: Path, form: OpinionFormat, layout: OpinionLayout) -> Iterator[Found]:
    if form == "two_csv":
        yield from two_csv(path, layout.encoding)
        return
    lines = read_lines(path, layout.encoding)
    if form == "conll":
        yield from conll(str(path), lines)
    elif form == "aste":
        yield from _aste(str(path), lines)
    else:
        yield from _objects(str(path), lines, form, layout)


def _aste(file: str, lines: Iterable[Line | BadRow]) -> Iterator[Found]:
    for line in lines:
        if isinstance(line, BadRow):
            yield line
        elif line[1].strip():
            try:
                yield line[0], aste(line[1])
            except DataError as error:
                yield BadRow(file, line[0], str(error))


def _objects(file: str, lines: Iterable[Line | BadRow], form: OpinionFormat, layout: OpinionLayout) -> Iterator[Found]:
    read = list(lines)
    first = next((line[1].lstrip() for line in read if not isinstance(line, BadRow) and line[1].strip()), "")
    for record in _array(file, read) if first.startswith("[") else json_records(file, read):
        if isinstance(record, BadRow):
            yield record
            continue
        try:
            yield record[0], _JSON[form](record[1], layout)
        except DataError as error:
            yield BadRow(file, record[0], str(error))


def _array(file: str, lines: list[Line | BadRow]) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    """Yield the objects of a JSON array with the lines that they start on."""
    broken = [line for line in lines if isinstance(line, BadRow)]
    text = "\n".join(line[1] for line in lines if not isinstance(line, BadRow))
    whole = parse_json(text, (file, 1), "expected a JSON array")
    if broken or isinstance(whole, BadRow):
        yield from broken or [whole]
        return
    decoder, place = json.JSONDecoder(), text.index("[") + 1
    for found in whole:
        while text[place] in " \t\r\n,":
            place += 1
        number = text.count("\n", 0, place) + 1
        _, place = decoder.raw_decode(text, place)
        if isinstance(found, dict):
            yield number, found
        else:
            yield BadRow(file, number, f"expected objects in the array, found {json.dumps(found)[:40]}")


# ---- which form it is


def layout_of(path: Path, layout: OpinionLayout) -> OpinionFormat:
    """Return the form that the layout tells, or else the first lines of the file.

    Raises:
        DataError: the file is missing or empty, or its form cannot be told.
    """
    if layout.format:
        return layout.format
    lines = [line[1] for line in read_lines(path, layout.encoding) if not isinstance(line, BadRow) and line[1].strip()]
    if not lines:
        raise DataError(f"{path}: the file is empty")
    form = _form(lines)
    if form is None:
        raise DataError(f"{path}: cannot tell its form from {lines[0][:60]!r}; {_EXPECTED}")
    return form


def _form(lines: list[str]) -> OpinionFormat | None:
    first = lines[0].lstrip()
    if SEPARATOR in first:
        return "aste"
    if first.startswith("["):
        return "label_studio"
    if first.startswith("{"):
        keys = next((found for found in map(_keys, lines) if found), ())
        return next((form for key, form in _KEYS if key in keys), None)
    header = {cell.strip().strip('"') for cell in first.split(",")}
    if set(REVIEWS.values()) <= header or set(LABELS.values()) <= header:
        return "two_csv"
    tags = [line.split()[-1] for line in lines if len(line.split()) > 1]
    return "conll" if tags and is_tag(tags[0]) else None


def _keys(line: str) -> tuple[str, ...]:
    """Return the keys of a line that is a JSON object; none of another."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, dict) else ()
