"""Alignment of the tokens of two texts: IBM model 1, with a preference for the diagonal.

P. F. Brown et al., "The Mathematics of Statistical Machine Translation", Computational Linguistics 19 (2), 1993. Each
target token t comes from one source token s, or from an empty one that every source has, with the probability p(t | s).
Expectation maximisation finds these probabilities. The preference for the diagonal is that of C. Dyer, V. Chahuneau and
N. A. Smith, "A Simple, Fast, and Effective Reparameterization of IBM Model 2", NAACL 2013, with fixed parameters: token
j of m comes from token i of n with a weight of exp(-tension * abs(i / n - j / m)). A tension of 0 is IBM model 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.packing import PackedIds

_MAX_CELLS = 1 << 18
"""Cells of a block: pairs times source tokens times target tokens; a few arrays of a megabyte stay in the cache."""
_TINY = np.float32(1e-30)


@dataclass(frozen=True, eq=False)
class Block:
    """Pairs whose sources are of one length, and whose targets are of one length.

    Attributes:
        sources: <int64>[pairs, source tokens and 1]; the empty token is the last one.
        targets: <int64>[pairs, target tokens].
        weights: <float32>[source tokens and 1, target tokens], those of the diagonal.
    """

    sources: Array
    targets: Array
    weights: Array

    def cells(self, table: Array) -> Array:
        """Return the places <int64>[pairs, source tokens and 1, target tokens] of the pairs in the flattened table."""
        places: Array = self.sources[:, :, None] * table.shape[1] + self.targets[:, None, :]
        return places

    def posteriors(self, table: Array) -> Array:
        """Return the probability <float32>[pairs, source tokens and 1, target tokens] of each alignment."""
        probs: Array = table.reshape(-1)[self.cells(table)]
        probs *= self.weights
        probs /= np.maximum(probs.sum(axis=1, keepdims=True), _TINY)
        return probs


@dataclass(frozen=True)
class AlignmentSettings:
    """The settings of `fit_table`.

    Attributes:
        n_iterations: of expectation maximisation, at least 1.
        tension: the preference for the diagonal; 0 is none.
        empty_weight: the weight of the empty token beside those of a source, which have 1 together.
    """

    n_iterations: int = 5
    tension: float = 4.0
    empty_weight: float = 0.08


class Aligner:
    """Pairs, one block of equal lengths after another."""

    def __init__(self, sources: PackedIds, targets: PackedIds, n_tokens: int, settings: AlignmentSettings) -> None:
        """Take the ids of both sides, from 0 to ``n_tokens - 1``; no text is empty."""
        self._sources, self._targets, self._n_tokens, self._settings = sources, targets, n_tokens, settings
        keys = sources.lengths * (int(targets.lengths.max(initial=0)) + 1) + targets.lengths
        self._order = np.argsort(keys, kind="stable")
        cuts = np.flatnonzero(np.diff(keys[self._order])) + 1
        self._bounds = [0, *cuts.tolist(), len(keys)]

    def fit(self) -> Array:
        """Return the probability of each target token after each source token, <float32>[n_tokens and 1, n_tokens].

        The last row is that of the empty token. Rows of tokens that are in no source are 0.
        """
        table = np.ones((self._n_tokens + 1, self._n_tokens), np.float32)
        for _iteration in range(self._settings.n_iterations):
            counts = np.zeros_like(table)
            for block in self.blocks():
                np.add.at(counts.reshape(-1), block.cells(table).reshape(-1), block.posteriors(table).reshape(-1))
            table = counts
            table /= np.maximum(table.sum(axis=1, keepdims=True), _TINY)
        return table

    def blocks(self) -> Iterator[Block]:
        """Yield the pairs in blocks."""
        for start, end in zip(self._bounds, self._bounds[1:], strict=False):
            first = self._order[start]
            n_source, n_target = int(self._sources.lengths[first]), int(self._targets.lengths[first])
            weights = self._weights(n_source, n_target)
            step = max(1, _MAX_CELLS // weights.size)
            for at in range(start, end, step):
                yield self._block(self._order[at : min(at + step, end)], weights)

    def _block(self, rows: Array, weights: Array) -> Block:
        n_source, n_target = weights.shape[0] - 1, weights.shape[1]
        sources = np.full((len(rows), n_source + 1), self._n_tokens, np.int64)
        sources[:, :-1] = self._sources.input_ids[self._sources.offsets[rows][:, None] + np.arange(n_source)]
        targets = self._targets.input_ids[self._targets.offsets[rows][:, None] + np.arange(n_target)].astype(np.int64)
        return Block(sources, targets, weights)

    def _weights(self, n_source: int, n_target: int) -> Array:
        """Return the weight <float32>[n_source and 1, n_target] of each place of a source at one of a target."""
        places = (np.arange(size) + 0.5 for size in (n_source, n_target))
        source, target = (place / size for place, size in zip(places, (n_source, n_target), strict=True))
        near = np.exp(-self._settings.tension * np.abs(source[:, None] - target))
        near /= near.sum(axis=0)
        weights: Array = np.concatenate([near, np.full((1, n_target), self._settings.empty_weight)])
        return weights.astype(np.float32)
