"""Load a split: parse rows into examples, and collect, skip or refuse bad rows."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.folds import Part
from paddle_tasks.data.tables.imdb import folder_sha256
from paddle_tasks.data.tables.readers import Layout, file_format, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.sources import Source, resolve_source
from paddle_tasks.data.tables.values import MISSING
from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.files import sha256
from paddle_tasks.language import _

E = TypeVar("E")
_MAX_LISTED = 10
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text and its label; ``where`` is the ``file:line`` that it was read from."""

    text: str
    label: str
    where: str


@dataclass(frozen=True)
class Split(Generic[E]):
    """The examples of one file or part of a file, and the rows that could not be used.

    Attributes:
        name: train, dev or test.
        path: the file.
        sha256: the digest of the file, or of the file and the part; splits with different examples have different
            digests.
        examples: the parsed rows.
        bad_rows: the rows that could not be read or parsed.
        part: the part of the file, or None for all of it.
        dropped: the number of repeated headers and byte-order marks that were left out, by kind.
    """

    name: SplitName
    path: Path
    sha256: str
    examples: Sequence[E]
    bad_rows: Sequence[BadRow]
    part: Part | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> Mapping[str, int]:
        """Further numbers about the split for result.json."""
        return {}

    @property
    def remark(self) -> str:
        """A message for the user about the split's content, or an empty string."""
        return ""


def parse_labelled_text(row: Row, labels: Sequence[str] | None = None) -> LabelledText:
    """Turn a row with the fields ``text`` and ``label`` into an example.

    Args:
        row: the record.
        labels: the known labels, or None to accept any.

    Raises:
        DataError: the text or the label is empty or stands for a missing value, or the label is not among ``labels``.
    """
    text, label = row.fields["text"], row.fields["label"].strip()
    if not text.strip():
        raise DataError(_("empty text"))
    if not label:
        raise DataError(_("empty label"))
    if label in MISSING and label not in (labels or ()):
        message = _("the label is {label!r}, which stands for a missing value (data.labels may name it)")
        raise DataError(message.format(label=label))
    if labels is not None and label not in labels:
        message = _("unknown label {label!r}{hint} (one of {labels}; data.labels may name others)")
        hint = did_you_mean(label, labels)
        raise DataError(message.format(label=label, hint=hint, labels=join_names(labels)))
    return LabelledText(text, label, row.where)


def load_split(
    name: SplitName, source: str | Source, layout: Layout, fields: Sequence[str], parse: Callable[[Row], E]
) -> Split[E]:
    """Read a file, or a part of it, into examples; collect the rows that cannot be read or parsed.

    Args:
        name: the split.
        source: a path or catalogue name, or a source as `resolve_source` returns it.
        layout: the known part of the file's layout.
        fields: the fields of a row, such as ``("text", "label")``.
        parse: turns a row into an example; its `DataError` makes the row a bad one.

    Raises:
        DataError: the file is missing, empty, or does not have this layout.
        ConfigError: the layout's columns do not match the fields, or a fold is empty.
    """
    if isinstance(source, str):
        source = resolve_source(name, {name: source}, layout)
    path, part = locate(source.name, source.split), source.part
    examples: list[E] = []
    bad_rows: list[BadRow] = []
    dropped: Counter[str] = Counter()
    for row in read_rows(path, fields, layout, source.split, dropped):
        if isinstance(row, BadRow):
            bad_rows.append(row)
            continue
        try:
            examples.append(parse(row))
        except DataError as error:
            bad_rows.append(BadRow(row.file, row.line, str(error)))
    digest = _sha256(path, source, layout)
    selected = part.select(examples) if part else examples
    return Split(name, path, digest, selected, bad_rows if source.reports_bad_rows else [], part, dropped)


def source_sha256(source: Source, layout: Layout) -> str:
    """Return the ``sha256`` of the `Split` that this source gives, without parsing its rows.

    Raises:
        UserError: there is no such file or name.
    """
    return _sha256(locate(source.name, source.split), source, layout)


def _sha256(path: Path, source: Source, layout: Layout) -> str:
    """Return the file's SHA-256, combined with the split of an archive and the part, if there are any."""
    content = folder_sha256(path, source.split) if path.is_dir() else sha256(path)
    selection: list[str] = [source.split] if file_format(path, layout) == "imdb" else []
    selection += [str(source.part)] if source.part else []
    return hashlib.sha256("\n".join([content, *selection]).encode()).hexdigest() if selection else content


def require_good(split: Split[E], on_bad_row: Literal["stop", "skip"]) -> Split[E]:
    """Return the split if it can be used.

    Raises:
        DataError: there are bad rows and ``on_bad_row`` is ``stop`` (the message lists the first ten by file and
            line), or there is no good row.
    """
    if split.bad_rows and on_bad_row == "stop":
        raise DataError(_list_bad_rows(split))
    if not split.examples:
        message, remark = _("data.{split}: {file}: no row can be used{remark}"), split.remark and f" ({split.remark})"
        raise DataError(message.format(split=split.name, file=split.path, remark=remark))
    return split


def _list_bad_rows(split: Split[Any]) -> str:
    n_bad, n_good = len(split.bad_rows), len(split.examples)
    heading = _("data.{split}: {count} of {total} rows cannot be used:")
    listed = [f"  {bad}" for bad in split.bad_rows[:_MAX_LISTED]]
    more = [_("  … and {count} more").format(count=n_bad - _MAX_LISTED)] if n_bad > _MAX_LISTED else []
    advice = _("fix them, or set data.on_bad_row=skip to leave them out")
    return "\n".join([heading.format(split=split.name, count=n_bad, total=n_bad + n_good), *listed, *more, advice])


def ordered_labels(*splits: Split[LabelledText]) -> tuple[str, ...]:
    """Return the distinct labels of splits, numbers by value first, then names by code point.

    ``["b", "10", "9", "a"]`` gives ``("9", "10", "a", "b")``.
    """
    return tuple(sorted({example.label for split in splits for example in split.examples}, key=_sort_key))


def _sort_key(label: str) -> tuple[float, str]:
    return (float(label) if _NUMBER.fullmatch(label) else math.inf, label)
