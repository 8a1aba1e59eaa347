"""Batches for word vectors: blocks of consecutive words with their contexts, and noise words that a block shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.word_streams import WordRows

NO_ROW = -1
_SMALLEST_TABLE = 2**16
_PLACES_OF_A_WORD = 32


@dataclass(frozen=True)
class WordBlocks:
    """Consecutive words in blocks, after subsampling.

    Attributes:
        centres: <int64>[blocks, size], the words; 0 after the last one.
        contexts: <int64>[blocks, size + 2 * window], the same words with those around the block.
        is_pair: <bool>[blocks, size, size + 2 * window], which contexts are within the window of a word, in its row.
        noise: <int64>[blocks, shared], random words, the negative examples.
        rows: the row numbers in the data set.
        n_tokens: the number of words.
    """

    centres: Array
    contexts: Array
    is_pair: Array
    noise: Array
    rows: tuple[int, ...]
    n_tokens: int

    @property
    def n_padded_tokens(self) -> int:
        """The number of places for words, and at least one."""
        return max(1, self.centres.size)

    @cached_property
    def n_contexts(self) -> Array:
        """The number of contexts of each word, <int64>[blocks, size]."""
        counts: Array = self.is_pair.sum(axis=2)
        return counts

    def split(self, n_parts: int) -> list[WordBlocks]:
        """Split the blocks into at most ``n_parts`` batches; all of them name all rows."""
        parts = np.array_split(np.arange(len(self.centres)), min(n_parts, max(1, len(self.centres))))
        return [self] if len(parts) == 1 else [self._part(blocks) for blocks in parts]

    def _part(self, blocks: Array) -> WordBlocks:
        return replace(
            self,
            centres=self.centres[blocks],
            contexts=self.contexts[blocks],
            is_pair=self.is_pair[blocks],
            noise=self.noise[blocks],
        )


@dataclass(frozen=True, eq=False)
class BlockBuilder:
    """Builds batches of rows.

    Attributes:
        counts: <int64>[vocabulary], how often each word occurs in train.
        window: contexts on either side; each word has from 1 to that many, at random.
        threshold: a word with a larger share than this is left out at random (Mikolov et al. 2013, as in their code).
        n_shared: noise words of a block; 0 for none.
        size: words of a block.
        exponent: of the counts, for the probabilities of noise words.
    """

    counts: Array
    window: int
    threshold: float
    n_shared: int
    size: int = 64
    exponent: float = 0.75

    @cached_property
    def keep_probability(self) -> Array:
        """The probability with which each occurrence of a word is kept, <float64>[vocabulary]."""
        if not self.threshold:
            return np.ones(len(self.counts))
        ratio = self.threshold * self.counts.sum() / np.maximum(1, self.counts)
        probability: Array = np.minimum(1.0, np.sqrt(ratio) + ratio)
        return probability

    @cached_property
    def noise_table(self) -> Array:
        """Words in proportion to their noise probabilities, <int32>[places]; places of it are drawn at random.

        A search in the sums of the probabilities for each draw takes six times as long.
        """
        sums = np.cumsum(self.counts.astype(np.float64) ** self.exponent)
        n_places = max(_SMALLEST_TABLE, _PLACES_OF_A_WORD * len(self.counts))
        middles = (np.arange(n_places) + 0.5) / n_places * sums[-1]
        table: Array = np.searchsorted(sums, middles).astype(np.int32)
        return table

    def expected_lengths(self, rows: WordRows) -> Array:
        """Return how many words of each row are kept on average, <float64>[rows]."""
        return np.add.reduceat(self.keep_probability[rows.ids], rows.offsets[:-1]) if len(rows) else np.zeros(0)

    def build(self, data: WordRows, rows: Sequence[int], generator: np.random.Generator) -> WordBlocks:
        """Return a batch of rows; the generator decides on subsampling, windows and noise."""
        ids, row_of_word = data.select(np.asarray(rows, np.int64))
        is_kept = generator.random(len(ids)) < self.keep_probability[ids]
        ids, row_of_word = ids[is_kept].astype(np.int64), row_of_word[is_kept]
        n_blocks = max(1, -(-len(ids) // self.size))
        contexts, context_rows = self._around(ids, n_blocks, 0), self._around(row_of_word, n_blocks, NO_ROW)
        inside = slice(self.window, self.window + self.size)
        return WordBlocks(
            centres=contexts[:, inside],
            contexts=contexts,
            is_pair=self._pairs(context_rows, context_rows[:, inside], generator),
            noise=self._draw((n_blocks, self.n_shared), generator),
            rows=tuple(rows),
            n_tokens=len(ids),
        )

    def _around(self, values: Array, n_blocks: int, filling: int) -> Array:
        """Return the values of each block and the window on either side of it."""
        after = n_blocks * self.size - len(values) + self.window
        padded = np.pad(values, (self.window, after), constant_values=filling)
        places = np.arange(n_blocks)[:, None] * self.size + np.arange(self.size + 2 * self.window)
        around: Array = padded[places]
        return around

    def _pairs(self, context_rows: Array, centre_rows: Array, generator: np.random.Generator) -> Array:
        reach = generator.integers(1, self.window + 1, centre_rows.shape)
        distance = np.abs(np.arange(context_rows.shape[1]) - self.window - np.arange(self.size)[:, None])
        near = (distance <= reach[:, :, None]) & (distance > 0)
        is_word = (centre_rows != NO_ROW)[:, :, None]
        pairs: Array = near & is_word & (context_rows[:, None, :] == centre_rows[:, :, None])
        return pairs

    def _draw(self, shape: tuple[int, int], generator: np.random.Generator) -> Array:
        drawn: Array = self.noise_table[generator.integers(0, len(self.noise_table), shape)].astype(np.int64)
        return drawn
