"""Load one split: rows parsed into examples, bad ones named, skipped or stopped on."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from paddle_tasks.config import Section
from paddle_tasks.data.catalogue import SplitName, locate
from paddle_tasks.data.readers import Format, Layout, read_rows
from paddle_tasks.data.rows import BadRow, Row
from paddle_tasks.errors import DataError, did_you_mean

E = TypeVar("E")
_SHOWN = 10
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")

Label = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A label's name; YAML's plain ``0`` and ``1`` are taken as names too."""


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("distinct", "expected each label once")
    return labels


def _column(value: Any, validate: Callable[[Any], str | int]) -> str | int:
    try:
        return validate(value)
    except ValidationError:  # which would complain of each type by itself
        raise PydanticCustomError("column", "expected a name or a position, as in data.columns.text=1") from None


class LayoutSection(Section):
    """How data files are laid out, and what to do with rows that cannot be used."""

    format: Format | None = None
    encoding: str = "utf-8"
    header: bool | None = None
    columns: dict[str, Annotated[str | int, WrapValidator(_column)]] | None = None
    labels: Annotated[tuple[Label, ...], AfterValidator(_distinct)] | None = None
    on_bad_row: Literal["stop", "skip"] = "stop"

    @property
    def layout(self) -> Layout:
        """How the files are laid out, for the readers."""
        return Layout(self.format, self.encoding, self.header, self.columns)


class DataSection(LayoutSection):
    """The ``data`` section: a path or catalogue name for each split, and how the files are laid out."""

    train: str
    dev: str
    test: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with its label's name, and the place it was read from."""

    text: str
    label: str
    where: str


@dataclass(frozen=True)
class Split(Generic[E]):
    """The examples of one file, and the rows of it that could not be used."""

    name: SplitName
    path: Path
    sha256: str
    examples: Sequence[E]
    bad_rows: Sequence[BadRow]


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
        raise DataError(f"unknown label {label!r}{did_you_mean(label, labels)} (one of {', '.join(labels)})")
    return LabelledText(text, label, row.where)


def load_split(
    name: SplitName, source: str, layout: Layout, fields: Sequence[str], parse: Callable[[Row], E]
) -> Split[E]:
    """Read a file into examples; rows that cannot be read or parsed are collected with the reason.

    Raises:
        DataError: the file is missing, empty, or not of this layout.
    """
    path = locate(source, name)
    examples: list[E] = []
    bad_rows: list[BadRow] = []
    for row in read_rows(path, fields, layout):
        if isinstance(row, BadRow):
            bad_rows.append(row)
            continue
        try:
            examples.append(parse(row))
        except DataError as error:
            bad_rows.append(BadRow(row.file, row.line, str(error)))
    return Split(name, path, hashlib.sha256(path.read_bytes()).hexdigest(), examples, bad_rows)


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
        raise DataError(f"data.{split.name}: {split.path}: no row can be used")
    return split


def _n_rows(split: Split[E]) -> int:
    return len(split.examples) + len(split.bad_rows)


def label_order(split: Split[LabelledText]) -> tuple[str, ...]:
    """Return the labels of a split in a stable order: numbers by value, then names by code point."""
    return tuple(sorted({example.label for example in split.examples}, key=_rank))


def _rank(label: str) -> tuple[float, str]:
    return (float(label) if _NUMBER.fullmatch(label) else math.inf, label)


def describe(splits: Mapping[SplitName, Split[E]]) -> dict[str, dict[str, str | int]]:
    """Return path, rows, sha256 and skipped rows of each split, as result.json records them."""
    return {
        name: {
            "path": str(split.path),
            "rows": len(split.examples),
            "sha256": split.sha256,
            "skipped_rows": len(split.bad_rows),
        }
        for name, split in splits.items()
    }
