"""Passages of documents: tokens in one array, cut into rows that fill the model's length."""

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
# A shorter remainder at the end of a document is dropped, because it says too little to be worth a row.
_MIN_REMAINDER = 8


class Passage(TypedDict):
    """One row: its tokens <int32>[length] without special tokens, and which start a masking unit, <bool>[length]."""

    ids: Ids
    unit_starts: Flags


@dataclass(frozen=True, eq=False)
class Passages(Sequence[Passage]):
    """The tokens of all documents in one array, and the rows cut from it; a sequence that MapDataset accepts.

    Attributes:
        ids: <int32>[tokens].
        unit_starts: <bool>[tokens], which tokens start a character or word, which is masked as a whole.
        sentences: <int64>[sentences], ascending, the first token of each sentence.
        starts: <int64>[rows], the first token of each row.
        ends: <int64>[rows], the token after the last one of each row.
        documents: <int64>[rows], the document number of each row.
        pairs: whether rows become pairs of texts if they can.
        words: the word of each token, if words are used.
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
        """The length of each row with [CLS] and [SEP], <int64>[rows]; a row that can be a pair has a second [SEP]."""
        first, end = self._inner_sentences
        return self.ends - self.starts + 2 + (self.pairs & (first < end))

    def tokens_by_row(self) -> tuple[Ids, Ints]:
        """Return the tokens of all rows, <int32>[tokens], and each token's row number, <int64>[tokens]."""
        lengths = self.ends - self.starts
        return self.ids[concatenate_ranges(self.starts, lengths)], np.repeat(np.arange(len(self)), lengths)

    def can_be_pair(self, row: int) -> bool:
        """Return whether pairs are wanted and a sentence starts inside the row, where it can be divided."""
        return self.pairs and len(self.sentences_within(row)) > 0

    def sentences_within(self, row: int) -> Ints:
        """Return the tokens at which sentences start inside a row, excluding the row's own start."""
        first, end = self._inner_sentences
        return self.sentences[first[row] : end[row]]

    @cached_property
    def _inner_sentences(self) -> tuple[Ints, Ints]:
        """The half-open range of indices into ``sentences`` of those inside each row, <int64>[rows] each."""
        first = np.searchsorted(self.sentences, self.starts, side="right")
        return first, np.searchsorted(self.sentences, self.ends, side="left")

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        index = range(len(self))[row]  # supports negative rows, and raises IndexError
        tokens = slice(self.starts[index], self.ends[index])
        return Passage(ids=self.ids[tokens], unit_starts=self.unit_starts[tokens])


def strip_special_tokens(lines: PackedIds) -> tuple[Ids, Ints]:
    """Return the tokens of encoded lines without [CLS] and [SEP], <int32>[tokens], and their counts, <int64>[lines]."""
    counts = lines.lengths - 2
    return lines.input_ids[concatenate_ranges(lines.offsets[:-1] + 1, counts)], counts


def sentence_starts(ids: Ids, line_starts: Ints, ends: Flags, closing: Flags) -> Ints:
    """Return the first token of each sentence, <int64>[sentences].

    A sentence starts with each line, and after an end mark together with the closing quotes that follow it.

    Args:
        ids: <int32>[tokens].
        line_starts: <int64>[lines], the first token of each line; lines may be empty.
        ends: <bool>[vocabulary], the tokens that end a sentence.
        closing: <bool>[vocabulary], the closing quotes and brackets.
    """
    starts = np.zeros(len(ids) + 1, bool)  # an empty last line starts after the last token
    starts[line_starts] = True
    is_mark, positions = (ends | closing)[ids], np.arange(len(ids))
    # A sentence ends with a run of end and closing marks inside one line, if the run contains an end mark.
    last_break = np.maximum.accumulate(np.where(starts[:-1] | ~is_mark, positions, 0))
    last_end = np.maximum.accumulate(np.where(ends[ids], positions, -1))
    starts[1:-1] |= (last_end >= last_break)[:-1] & ~is_mark[1:]
    return np.flatnonzero(starts[:-1])


def cut_rows(counts: Ints, row_length: int) -> tuple[Ints, Ints, Ints]:
    """Cut documents into rows of ``row_length`` tokens; the last row of a document may be shorter.

    The last row is dropped if it has fewer than 8 tokens and the document has other rows.

    Args:
        counts: <int64>[documents], the number of tokens of each document.
        row_length: tokens per row.

    Returns:
        Start, end and document number of each row, <int64>[rows] each. ``cut_rows([20, 9], 10)`` gives starts
        ``[0, 10, 20]``, ends ``[10, 20, 29]`` and documents ``[0, 0, 1]``.
    """
    n_rows = -(-counts // row_length)
    remainder = counts - (n_rows - 1) * row_length
    n_rows -= (n_rows > 1) & (remainder < min(row_length, _MIN_REMAINDER))
    documents = np.repeat(np.arange(len(counts)), n_rows)
    document_starts = np.cumsum(counts) - counts
    row_in_document = concatenate_ranges(np.zeros(len(counts), np.int64), n_rows)
    starts = document_starts[documents] + row_in_document * row_length
    ends = np.minimum(starts + row_length, (document_starts + counts)[documents])
    return starts, ends, documents
