"""Splits of pairs, and books that are held out whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from paddle_tasks.data.parallel.pairs import BOOK, FIELDS, Pair, parse_pair
from paddle_tasks.data.parallel.section import HeldOutBooks, ParallelData
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.section import LayoutSection
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.data.tables.splits import Split, load_split
from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.language import _, mark_in_context

COUNT_NAMES = (mark_in_context("count", "pairs left out for their books"),)
"""The names of `PairSplit.counts` in messages."""


@dataclass(frozen=True)
class PairSplit(Split[Pair]):
    """The pairs of a split.

    Attributes:
        n_other_books: the pairs that were left out for their books.
    """

    n_other_books: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Further numbers about the split for result.json."""
        return {"pairs_left_out_for_their_books": self.n_other_books} if self.n_other_books else {}


def load_pairs(data: ParallelData, name: SplitName, source: str | Source) -> PairSplit:
    """Read the pairs of a split; another file than the configuration's is read whole.

    Args:
        data: the ``data`` section.
        name: the split.
        source: a path or catalogue name, or the configuration's own source.

    Raises:
        DataError: the file cannot be used, or lacks a book that is held out.
        ConfigError: books are held out but ``data.columns`` does not name the column of books.
    """
    split = read_pairs(data, name, source)
    return split if isinstance(source, str) else select_books(split, data.held_out_books)


def read_pairs(layout: LayoutSection, name: SplitName, source: str | Source) -> PairSplit:
    """Read the pairs of a file, with their books if ``columns`` names them.

    Raises:
        DataError: the file cannot be used.
    """
    split = load_split(name, source, layout.layout, _fields(layout), parse_pair)
    return PairSplit(**{field.name: getattr(split, field.name) for field in fields(split)})


def _fields(layout: LayoutSection) -> tuple[str, ...]:
    return (*FIELDS, BOOK) if layout.columns and BOOK in layout.columns else FIELDS


def select_books(split: PairSplit, held_out: HeldOutBooks | None) -> PairSplit:
    """Return the pairs of the split's own books; all pairs if no books are held out.

    Raises:
        DataError: the file lacks a book.
        ConfigError: the pairs have no books.
    """
    if held_out is None:
        return split
    _check_books({pair.book for pair in split.examples}, split, held_out)
    of_split = {"dev": held_out.dev, "test": held_out.test}
    wanted = of_split.get(split.name, (*held_out.dev, *held_out.test))
    kept = [pair for pair in split.examples if (pair.book in wanted) != (split.name == "train")]
    return PairSplit(
        split.name,
        split.path,
        _digest(split, wanted),
        kept,
        split.bad_rows,
        split.part,
        split.dropped,
        n_other_books=len(split.examples) - len(kept),
    )


def _check_books(found: Collection[str], split: PairSplit, held_out: HeldOutBooks) -> None:
    if not any(found):
        message = _("data.held_out_books: expected data.columns.book, the column of the books, found none")
        raise ConfigError(message)
    if split.name == "train":
        return  # it may have been written without them
    for book in getattr(held_out, split.name):
        if book not in found:
            message = _("data.held_out_books.{split}: {file} has no pair of the book {book!r}{hint}")
            hint = did_you_mean(book, sorted(found))
            raise DataError(message.format(split=split.name, file=split.path, book=book, hint=hint))


def _digest(split: PairSplit, books: Collection[str]) -> str:
    """Return a digest of the file and of the books that were kept, or left out of train."""
    content = [split.name == "train", split.sha256, sorted(books)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
