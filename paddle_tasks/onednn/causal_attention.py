"""Self-attention from every position to itself and the positions before it, in blocks of queries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.attention import Attention, Dropout, Heads

_BLOCK = 64
"""Queries of a block. Scores of keys after a block are not computed: 3/8 of all for 256 positions."""
NO_ATTENTION = -1e9
"""What is added to the score of a key that gets no attention; its exponential is 0 beside any other score."""


@dataclass
class CausalAttention:
    """One call of attention; see `paddle_tasks.onednn.attention.Attention`.

    Attributes:
        blocks: the range of the queries of each block, and its attention to the keys up to its last query.
    """

    blocks: list[tuple[slice, Attention]]

    @classmethod
    def attend(cls, heads: Heads, dropout: Dropout | None, out: Array) -> CausalAttention:
        """Attend from every query to the keys up to its own position.

        Args:
            heads: the inputs, with as many queries as keys.
            dropout: of the weights.
            out: the contexts [batch, n_heads, length, size] are written here.
        """
        blocks = []
        for rows in _ranges(heads.queries.shape[2]):
            part = _Part(rows)
            offsets = later_keys(rows.stop - rows.start, rows.stop)
            block = Attention.attend(part.heads(heads), offsets, part.dropout(dropout), out[:, :, rows])
            blocks.append((rows, block))
        return cls(blocks)

    def backward(self, gradient: Array, out: Heads) -> None:
        """Write the gradients of the inputs; see `Attention.backward`."""
        for number, (rows, block) in enumerate(reversed(self.blocks)):  # the last block has all keys
            block.backward(gradient[:, :, rows], _Part(rows).heads(out), adds=number > 0)


@dataclass(frozen=True)
class _Part:
    """A block's part of the arrays of a call."""

    rows: slice

    def heads(self, heads: Heads) -> Heads:
        keys = slice(0, self.rows.stop)
        return Heads(heads.queries[:, :, self.rows], heads.keys[:, :, keys], heads.values[:, :, keys])

    def dropout(self, dropout: Dropout | None) -> Dropout | None:
        if dropout is None:
            return None
        return Dropout(np.ascontiguousarray(dropout.kept[:, :, self.rows, : self.rows.stop]), dropout.scale)


def _ranges(length: int) -> Iterator[slice]:
    for start in range(0, length, _BLOCK):
        yield slice(start, min(start + _BLOCK, length))


@cache
def later_keys(n_queries: int, n_keys: int) -> Array:
    """Return what to add to scores <float32>[n_queries, n_keys] so that no query attends to a later key.

    The last query has the position of the last key.
    """
    first = n_keys - n_queries
    is_later = np.arange(n_keys) > np.arange(first, n_keys)[:, None]
    return np.where(is_later, np.float32(NO_ATTENTION), np.float32(0))
