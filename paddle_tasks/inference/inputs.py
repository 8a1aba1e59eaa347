"""The texts that a prediction is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.data.pairs.text_pairs import join_pair
from paddle_tasks.data.tables.readers import Layout, file_format, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Asked:
    """The texts, and what their file calls each of them: its ``id``, or its place from 0."""

    texts: list[str]
    ids: list[int | str]


def read_texts(texts: Sequence[str], file: Path | None, fields: Sequence[str] = ("text",)) -> Asked:
    """Return the given texts, or those of a file; two texts that belong together have a tab between them.

    Args:
        texts: the texts.
        file: lines of text, of which the blank ones are left out; or JSON lines (.json, .jsonl) with the fields, under
            one of their usual names, and perhaps an ``id``.
        fields: ``text``, or ``text_a`` and ``text_b``.

    Raises:
        DataError: no text, both a file and texts, a blank text, or a file that cannot be read.
    """
    if file is not None and texts:
        raise DataError("give texts or --input FILE, not both")
    if file is not None and not file.is_file():
        raise DataError(f"--input {file}: no such file")
    found = _asked(list(texts)) if file is None else _of_file(file, fields)
    if not found.texts:
        raise DataError("nothing to predict: expected a text, or --input FILE with one text a line")
    blank = [place for place, text in enumerate(found.texts, start=1) if not text.strip()]
    if blank:
        raise DataError(f"nothing to predict: text {blank[0]} of {len(found.texts)} is blank")
    broken = [text for text in found.texts if _SURROGATE.search(text)]  # how Python takes arguments that are not UTF-8
    if broken:
        raise DataError(f"not UTF-8: {broken[0]!r}")
    return found


def _asked(texts: list[str]) -> Asked:
    return Asked(texts, list(range(len(texts))))


def _of_file(file: Path, fields: Sequence[str]) -> Asked:
    return _records(file, fields) if file_format(file, Layout()) == "jsonl" else _asked(_lines(file))


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"--input {file}: not UTF-8 at byte {error.start}") from None
    return [line for line in text.split("\n") if line.strip()]


def _records(file: Path, fields: Sequence[str]) -> Asked:
    rows = _good(read_rows(file, fields, Layout()))
    texts = [join_pair(*row.fields.values()) if len(fields) > 1 else row.fields["text"] for row in rows]
    try:
        named = list(read_rows(file, ("id",), Layout()))
    except DataError:  # the first record has none
        return _asked(texts)
    return Asked(texts, [_id(row.fields["id"]) for row in _good(named)])


def _good(rows: Iterable[Row | BadRow]) -> list[Row]:
    """Return records, all of which can be read."""
    found: list[Row] = []
    for row in rows:
        if isinstance(row, BadRow):
            raise DataError(f"--input {row}")
        found.append(row)
    return found


def _id(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
