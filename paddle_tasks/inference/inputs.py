"""The input texts of a prediction, from arguments or from a file."""

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
class Inputs:
    """Texts, and an id for each: its ``id`` in the file, or its index from 0."""

    texts: list[str]
    ids: list[int | str]


def read_inputs(texts: Sequence[str], file: Path | None, fields: Sequence[str] = ("text",)) -> Inputs:
    """Return the given texts, or the texts of a file; a pair is one text with a tab between its two parts.

    Args:
        texts: the texts; empty if a file is given.
        file: a file with one text on each line, blank lines excepted; or JSON lines (.json, .jsonl) with the fields
            under one of their usual names and optionally an ``id``.
        fields: ``text``, or ``text_a`` and ``text_b`` for pairs.

    Raises:
        DataError: there are no texts, there are both texts and a file, a text is blank, or the file cannot be read.
    """
    if file is not None and texts:
        raise DataError("give texts or --input FILE, not both")
    if file is not None and not file.is_file():
        raise DataError(f"--input {file}: no such file")
    inputs = _numbered(list(texts)) if file is None else _read_file(file, fields)
    if not inputs.texts:
        raise DataError("nothing to predict: expected a text, or --input FILE with one text on each line")
    blank = [number for number, text in enumerate(inputs.texts, start=1) if not text.strip()]
    if blank:
        raise DataError(f"nothing to predict: text {blank[0]} of {len(inputs.texts)} is blank")
    undecodable = [
        text for text in inputs.texts if _SURROGATE.search(text)
    ]  # stand for bytes that are not UTF-8
    if undecodable:
        raise DataError(f"{undecodable[0]!r}: this text is not UTF-8")
    return inputs


def _numbered(texts: list[str]) -> Inputs:
    return Inputs(texts, list(range(len(texts))))


def _read_file(file: Path, fields: Sequence[str]) -> Inputs:
    return _read_records(file, fields) if file_format(file, Layout()) == "jsonl" else _numbered(_read_lines(file))


def _read_lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"--input {file}: not UTF-8 at byte {error.start}") from None
    return [line for line in text.split("\n") if line.strip()]


def _read_records(file: Path, fields: Sequence[str]) -> Inputs:
    rows = _require_good(read_rows(file, fields, Layout()))
    texts = [join_pair(*row.fields.values()) if len(fields) > 1 else row.fields["text"] for row in rows]
    try:
        id_rows = list(read_rows(file, ("id",), Layout()))
    except DataError:  # the first record has no id
        return _numbered(texts)
    return Inputs(texts, [_parse_id(row.fields["id"]) for row in _require_good(id_rows)])


def _require_good(rows: Iterable[Row | BadRow]) -> list[Row]:
    good: list[Row] = []
    for row in rows:
        if isinstance(row, BadRow):
            raise DataError(f"--input {row}")
        good.append(row)
    return good


def _parse_id(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
