"""Documents as passages: tokens one after another, cut into rows that fill the model's length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict, overload

import numpy as np

from paddle_tasks.text.packing import PackedIds, concatenate_ranges
from paddle_tasks.text.word_vectors import WordVectors

Ints = np.ndarray[Any, np.dtype[np.int64]]
Ids = np.ndarray[Any, np.dtype[np.int32]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

SENTENCE_ENDS = ("。", "！", "？", "!", "?", "；", ";", "…", "～", "~")
CLOSING = ("”", "’", "」", "』", "）", ")", '"', "》", "】")
# A rest behind the last whole passage of a document that is shorter says too little to be worth a row.
_SHORTEST_REST = 8


class Passage(TypedDict):
    """One row: its tokens <int32>[length] without special ones, and where a unit of masking starts <bool>[length]."""

    ids: Ids
    unit_starts: Flags


@dataclass(frozen=True, eq=False)
class Passages(Sequence[Passage]):
    """All documents' tokens in one array, and the rows that are cut from it; MapDataset carries it.

    Attributes:
        ids: <int32>[tokens].
        unit_starts: <bool>[tokens], where a character or word starts, which is masked whole.
        sentences: <int64>[sentences], rising, where a sentence starts.
        starts: <int64>[rows], a row's first token.
        ends: <int64>[rows], the token behind its last.
        documents: <int64>[rows], the number of its document.
        pairs: whether rows are made pairs of texts where they can be.
        words: the word that each token belongs to, where that is asked for.
    """

    ids: Ids
    unit_starts: Flags
    sentences: Ints
    starts: Ints
    ends: Ints
    documents: Ints
    pairs: bool = False
    words: WordVectors | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Ints:
        """The tokens of each row with [CLS] and [SEP], <int64>[rows]; a row that can be parted has a second [SEP]."""
        first, behind = self._inner
        return self.ends - self.starts + 2 + (self.pairs & (first < behind))

    def by_row(self) -> tuple[Ids, Ints]:
        """Return the tokens of all rows, <int32>[tokens], and the number of each one's row, <int64>[tokens]."""
        lengths = self.ends - self.starts
        return self.ids[concatenate_ranges(self.starts, lengths)], np.repeat(np.arange(len(self)), lengths)

    def can_be_parted(self, row: int) -> bool:
        """Tell whether a sentence starts inside a row, so that it can be made a pair."""
        return self.pairs and len(self.sentences_within(row)) > 0

    def sentences_within(self, row: int) -> Ints:
        """Return where sentences start inside a row, its own start excluded."""
        first, behind = self._inner
        return self.sentences[first[row] : behind[row]]

    @cached_property
    def _inner(self) -> tuple[Ints, Ints]:
        """Of the sentences that start inside a row the first, and the one behind the last, <int64>[rows] each."""
        first = np.searchsorted(self.sentences, self.starts, side="right")
        return first, np.searchsorted(self.sentences, self.ends, side="left")

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        if isinstance(row, slice):
            return [self[place] for place in range(*row.indices(len(self)))]
        place = range(len(self))[row]
        part = slice(self.starts[place], self.ends[place])
        return Passage(ids=self.ids[part], unit_starts=self.unit_starts[part])


def tokens_of(lines: PackedIds) -> tuple[Ids, Ints]:
    """Return lines' tokens without [CLS] and [SEP], <int32>[tokens], and their number in each line, <int64>[lines]."""
    counts = lines.lengths - 2
    return lines.input_ids[concatenate_ranges(lines.offsets[:-1] + 1, counts)], counts


def sentence_starts(ids: Ids, line_starts: Ints, ends: Flags, closing: Flags) -> Ints:
    """Return where sentences start: with each line, and behind what ends one with the quotes that close it.

    Args:
        ids: <int32>[tokens].
        line_starts: <int64>[lines], the first token of each line; the line may be empty.
        ends: <bool>[vocabulary], the tokens that end a sentence.
        closing: <bool>[vocabulary], the quotes and brackets that close.
    """
    starts = np.zeros(len(ids) + 1, bool)  # an empty last line starts behind the last token
    starts[line_starts] = True
    is_mark, places = (ends | closing)[ids], np.arange(len(ids))
    # Each run of ends and closing marks, within a line, is over with its last; it ends a sentence if an end is in it.
    last_break = np.maximum.accumulate(np.where(starts[:-1] | ~is_mark, places, 0))
    last_end = np.maximum.accumulate(np.where(ends[ids], places, -1))
    starts[1:-1] |= (last_end >= last_break)[:-1] & ~is_mark[1:]
    return np.flatnonzero(starts[:-1])


def cut(counts: Ints, room: int) -> tuple[Ints, Ints, Ints]:
    """Cut documents into rows of ``room`` tokens; what is left of one is a shorter row.

    Args:
        counts: <int64>[documents], their tokens, one document after another.
        room: tokens of a row.

    Returns:
        Starts, ends and the document of each row, <int64>[rows] each.
    """
    n_rows = -(-counts // room)
    rest = counts - (n_rows - 1) * room
    n_rows -= (n_rows > 1) & (rest < min(room, _SHORTEST_REST))
    documents = np.repeat(np.arange(len(counts)), n_rows)
    document_starts = np.cumsum(counts) - counts
    within = concatenate_ranges(np.zeros(len(counts), np.int64), n_rows)
    starts = document_starts[documents] + within * room
    ends = np.minimum(starts + room, (document_starts + counts)[documents])
    return starts, ends, documents
