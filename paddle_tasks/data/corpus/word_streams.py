"""Lines of documents as numbered words, for word vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import compute_digest, load_or_compute
from paddle_tasks.text.packing import concatenate_ranges
from paddle_tasks.text.words import dictionary_version, word_starts

Unit = Literal["word", "character"]
MIN_CACHED_CHARACTERS = 1_000_000
"""From this size on, jieba's words are cached; it finds some 300,000 characters per second."""


def cut_lines(lines: Sequence[str], unit: Unit) -> Iterator[list[str]]:
    """Yield the words of each line, by jieba or as single characters; white space is left out."""
    if unit == "character":
        yield from ([character for character in line if not character.isspace()] for line in lines)
        return
    edges = np.append(np.flatnonzero(_starts(lines)), sum(map(len, lines)))
    first = 0
    start = 0
    for line in lines:
        end = start + len(line)
        last = int(np.searchsorted(edges, end))
        cuts = (edges[first : last + 1] - start).tolist()
        words = [line[left:right] for left, right in pairwise(cuts)]
        yield [word for word in words if not word.isspace()]
        first, start = last, end


def _starts(lines: Sequence[str]) -> Array:
    if sum(map(len, lines)) < MIN_CACHED_CHARACTERS:
        return word_starts(lines)
    size = sum(map(len, lines))
    arrays = load_or_compute(
        "words",
        compute_digest([dictionary_version()], lines),
        lambda: {"starts": np.packbits(word_starts(lines))},
        lambda found: "starts" in found and found["starts"].shape == (-(-size // 8),),
    )
    return np.unpackbits(arrays["starts"], count=size).astype(bool)


@dataclass(frozen=True, eq=False)
class WordRows:
    """The numbered words of many lines; words that the vocabulary lacks are left out.

    Attributes:
        ids: <int32>[words].
        offsets: <int64>[rows + 1]; row r is ``ids[offsets[r]:offsets[r + 1]]``.
    """

    ids: Array
    offsets: Array

    @classmethod
    def encode(cls, lines: Iterable[Sequence[str]], ids: Mapping[str, int]) -> WordRows:
        """Return the rows of lines with at least two known words; a single word has no context."""
        parts = [np.array([ids[word] for word in line if word in ids], np.int32) for line in lines]
        return cls._join([part for part in parts if len(part) > 1])

    @classmethod
    def _join(cls, parts: Sequence[Array]) -> WordRows:
        offsets = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, np.int32), *parts]), offsets)

    @classmethod
    def number(cls, lines: Iterable[Sequence[str]], min_count: int) -> tuple[dict[str, int], WordRows]:
        """Number the words that occur at least so often, the most frequent ones first.

        A word becomes a number as soon as it is read: 40 M words as texts take more than 3 GB.

        Returns:
            The words with their counts, and the rows of `encode` with these words.
        """
        seen: dict[str, int] = {}
        found = cls._join([np.array([seen.setdefault(word, len(seen)) for word in line], np.int32) for line in lines])
        counts = np.bincount(found.ids, minlength=len(seen)).tolist()
        kept = [word for word, place in seen.items() if counts[place] >= min_count]
        kept.sort(key=lambda word: (-counts[seen[word]], word))
        numbers = np.full(len(seen), -1, np.int32)
        numbers[[seen[word] for word in kept]] = np.arange(len(kept))
        return {word: counts[seen[word]] for word in kept}, found.renumber(numbers)

    def renumber(self, numbers: Array) -> WordRows:
        """Return the rows with other numbers, without the words whose number is negative, and without single words."""
        ids = numbers[self.ids]
        is_kept = ids >= 0
        rows = np.repeat(np.arange(len(self)), self.lengths)
        lengths = np.bincount(rows[is_kept], minlength=len(self))
        is_kept &= lengths[rows] > 1
        return WordRows(ids[is_kept], np.cumsum([0, *lengths[lengths > 1]], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Array:
        """The number of words of each row, <int64>[rows]."""
        return np.diff(self.offsets)

    def select(self, rows: Array) -> tuple[Array, Array]:
        """Return the words of some rows, <int32>[words], and the place of each word's row, <int64>[words]."""
        lengths = self.lengths[rows]
        return self.ids[concatenate_ranges(self.offsets[rows], lengths)], np.repeat(np.arange(len(rows)), lengths)
