"""Chapters as ids in one array, and the rows that models read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.characters import CharacterVocabulary


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """The ids of texts, one after another, each with the start entry before it.

    Attributes:
        ids: <int32>[entries].
        starts: <int64>[texts], the index of each start entry.
        ends: <int64>[texts], the index after the last character.
    """

    ids: Array
    starts: Array
    ends: Array

    @classmethod
    def encode(cls, texts: Sequence[str], vocabulary: CharacterVocabulary) -> EncodedTexts:
        """Return the ids of texts."""
        start = np.array([vocabulary.start_id], np.int32)
        parts = [part for text in texts for part in (start, vocabulary.encode(text))]
        ids = np.concatenate([np.zeros(0, np.int32), *parts])
        ends = np.cumsum([1 + len(text) for text in texts], dtype=np.int64)
        return cls(ids, ends - [1 + len(text) for text in texts], ends)

    @property
    def is_target(self) -> Array:
        """Whether each entry is a character, <bool>[entries]; models predict only characters."""
        is_target = np.ones(len(self.ids), np.bool_)
        is_target[self.starts] = False
        return is_target


@dataclass(frozen=True, eq=False)
class Rows:
    """Ranges of entries that models read, and of the entries that are predicted from them.

    A model reads the entries from ``starts`` to ``ends``. The entry after each from ``scored`` on is a target, so that
    a row has ``ends - scored`` targets.

    Attributes:
        texts: the entries.
        starts: <int64>[rows].
        ends: <int64>[rows].
        scored: <int64>[rows].
        moves: how far the starts of rows may move in training, <int64>[rows] down and up; None for not at all.
    """

    texts: EncodedTexts
    starts: Array
    ends: Array
    scored: Array
    moves: tuple[Array, Array] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def lengths(self) -> Array:
        """The number of entries that are read of each row, <int64>[rows]."""
        lengths: Array = self.ends - self.starts
        return lengths

    def shortened(self, seed: Sequence[int]) -> Rows:
        """Return rows that begin later, so that their lengths are uniform from 1 to what they were."""
        drawn = np.random.default_rng(seed).integers(1, np.maximum(self.lengths, 1) + 1)
        return replace(self, starts=self.ends - np.minimum(drawn, self.lengths))

    def moved(self, seed: Sequence[int]) -> Rows:
        """Return the rows of another epoch: each moved at random within its limits."""
        if self.moves is None:
            return self
        down, up = self.moves
        distance = np.random.default_rng(seed).integers(-down, up + 1)
        return replace(self, starts=self.starts + distance, ends=self.ends + distance, scored=self.scored + distance)


def training_segments(texts: EncodedTexts, window: int) -> Rows:
    """Cut texts into rows of ``window`` entries. Every entry has a target; a text shorter than that is one row.

    The rows of a text have equal distances, so that neighbours may overlap by some entries. All but the first and the
    last one may move by half a window in either direction within their text. If these two moved, they would leave out
    most beginnings and ends.
    """
    n_inputs = texts.ends - texts.starts - 1
    lengths, n_rows = np.minimum(n_inputs, window), -(-n_inputs // window)
    text = np.repeat(np.arange(len(n_rows)), n_rows)
    number = np.arange(len(text)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    room = (n_inputs - lengths)[text]
    offsets = (number * room) // np.maximum(n_rows[text] - 1, 1)
    starts = texts.starts[text] + offsets
    farthest = np.where((number > 0) & (number < n_rows[text] - 1), window // 2, 0)
    moves = np.minimum(offsets, farthest), np.minimum(room - offsets, farthest)
    return Rows(texts, starts, starts + lengths[text], starts, moves)


def scored_segments(texts: EncodedTexts, window: int, stride: int) -> Rows:
    """Cut texts into rows that score every character once, each from at least ``window - stride`` entries.

    The first row of a text has ``window`` entries and scores them all, however short the beginnings are. Each other row
    scores ``stride`` characters.
    """
    parts = [_scored_ranges(*bounds, window, stride) for bounds in zip(texts.starts, texts.ends - 1, strict=True)]
    starts, ends, scored = (_join([part[column] for part in parts]) for column in range(3))
    return Rows(texts, starts, ends, scored)


def _scored_ranges(start: int, end: int, window: int, stride: int) -> tuple[Array, Array, Array]:
    """Return start, end and first scored entry of the rows over the inputs from start to end of one text."""
    first = min(start + window, end)
    ends = np.array([first, *range(first + stride, end + stride, stride)], np.int64).clip(max=end)
    ends = ends[: end - start]  # none for a text without characters
    return np.maximum(ends - window, start), ends, np.concatenate([[start], ends[:-1]])[: len(ends)]


def windows(texts: EncodedTexts, window: int, stride: int = 1) -> Rows:
    """Return a row for each ``stride``-th character: the up to ``window`` characters before it, without start entry.

    With a stride of 1 every character is a target, the first one from an empty row. Otherwise the rows may move
    forward by less than the stride within their text, but keep the length of their window.
    """
    parts = [np.arange(start + 1, end, stride) for start, end in zip(texts.starts, texts.ends, strict=True)]
    targets = _join(parts)
    text = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    starts = np.maximum(targets - window, texts.starts[text] + 1)
    room = np.minimum(texts.ends[text] - 1 - targets, stride - 1)
    return Rows(texts, starts, targets, targets - 1, (np.zeros_like(room), room))


def _join(parts: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0, np.int64), *parts])
