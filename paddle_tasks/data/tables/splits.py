"""Load one split: rows parsed into examples, bad ones named, skipped or stopped on."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.imdb import folder_sha256
from paddle_tasks.data.tables.readers import Layout, file_format, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.sources import Source, published
from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.files import sha256

E = TypeVar("E")
_SHOWN = 10
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with its label's name, and the place it was read from."""

    text: str
    label: str
    where: str


@dataclass(frozen=True)
class Split(Generic[E]):
    """The examples of one file, and the rows of it that could not be used.

    ``sha256`` is that of the file, or of the part of a file: no two splits with different examples share it.
    """

    name: SplitName
    path: Path
    sha256: str
    examples: Sequence[E]
    bad_rows: Sequence[BadRow]
    part: Part | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """What result.json says of it besides."""
        return {}

    @property
    def remark(self) -> str:
        """What its reader has to tell people, if anything."""
        return ""


def parse_labelled_text(row: Row, labels: Sequence[str] | None = None) -> LabelledText:
    """Turn a row with the fields ``text`` and ``label`` into an example.

    Args:
        row: the record.
        labels: the names that are known, or None when any is welcome.

    Raises:
        DataError: empty text or label, or a label that is not among ``labels``.
    """
    text, label = row.fields["text"], row.fields["label"].strip()
    if not text.strip():
        raise DataError("empty text")
    if not label:
        raise DataError("empty label")
    if labels is not None and label not in labels:
        raise DataError(
            f"unknown label {label!r}{did_you_mean(label, labels)} "
            f"(one of {some_of(labels)}; data.labels may name others)"
        )
    return LabelledText(text, label, row.where)


def load_split(
    name: SplitName, source: str | Source, layout: Layout, fields: Sequence[str], parse: Callable[[Row], E]
) -> Split[E]:
    """Read a file, or a part of it, into examples; rows that cannot be read or parsed are collected with the reason.

    Raises:
        DataError: the file is missing, empty, or not of this layout.
        ConfigError: the layout is not that of the fields, or a fold is empty.
    """
    if isinstance(source, str):
        source = published(name, {name: source}, layout)
    path, part = locate(source.name, source.split), source.part
    examples: list[E] = []
    bad_rows: list[BadRow] = []
    for row in read_rows(path, fields, layout, source.split):
        if isinstance(row, BadRow):
            bad_rows.append(row)
            continue
        try:
            examples.append(parse(row))
        except DataError as error:
            bad_rows.append(BadRow(row.file, row.line, str(error)))
    digest = _sha256(path, source, layout)
    found = part.of(examples) if part else examples
    return Split(name, path, digest, found, bad_rows if source.tells_bad_rows else [], part)


def source_sha256(source: Source, layout: Layout) -> str:
    """Return the SHA-256 by which a `Split` of this source is known, without reading its rows.

    Raises:
        UserError: there is no such file or name.
    """
    return _sha256(locate(source.name, source.split), source, layout)


def _sha256(path: Path, source: Source, layout: Layout) -> str:
    """Return the file's SHA-256; of a part, or of one of an archive's splits, one over that and what it is."""
    content = folder_sha256(path, source.split) if path.is_dir() else sha256(path)
    what: list[str] = [source.split] if file_format(path, layout) == "imdb" else []
    what += [str(source.part)] if source.part else []
    return hashlib.sha256("\n".join([content, *what]).encode()).hexdigest() if what else content


def require_good(split: Split[E], on_bad_row: Literal["stop", "skip"]) -> Split[E]:
    """Return the split when it can be used: bad rows only where they may be skipped, and at least one good row.

    Raises:
        DataError: naming the first ten bad rows by file and line.
    """
    if split.bad_rows and on_bad_row == "stop":
        shown = [f"  {bad}" for bad in split.bad_rows[:_SHOWN]]
        more = [f"  … and {len(split.bad_rows) - _SHOWN} more"] if len(split.bad_rows) > _SHOWN else []
        heading = f"data.{split.name}: {len(split.bad_rows)} of {_n_rows(split)} rows cannot be used:"
        advice = "mend them, or set data.on_bad_row=skip to leave them out"
        raise DataError("\n".join([heading, *shown, *more, advice]))
    if not split.examples:
        raise DataError(f"data.{split.name}: {split.path}: no row can be used{split.remark and f' ({split.remark})'}")
    return split


def _n_rows(split: Split[E]) -> int:
    return len(split.examples) + len(split.bad_rows)


def label_order(*splits: Split[LabelledText]) -> tuple[str, ...]:
    """Return the labels of splits in a stable order: numbers by value, then names by code point."""
    return tuple(sorted({example.label for split in splits for example in split.examples}, key=_rank))


def _rank(label: str) -> tuple[float, str]:
    return (float(label) if _NUMBER.fullmatch(label) else math.inf, label)


def describe(splits: Mapping[SplitName, Split[E]]) -> dict[str, dict[str, str | int]]:
    """Return path, rows, sha256 and skipped rows of each split, and its part, as result.json records them."""
    return {
        name: {
            "path": str(split.path),
            "rows": len(split.examples),
            "sha256": split.sha256,
            "skipped_rows": len(split.bad_rows),
            **({"part": str(split.part)} if split.part else {}),
            **split.counts,
        }
        for name, split in splits.items()
    }
