"""The target phrase that each source token is aligned with most often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.lexicon.alignment import Aligner, Block

MAX_TOKENS = 3
"""Of a phrase. Up to 2**15 tokens, a source and its phrase fit into 64 bits."""
UNKNOWN = 0
"""The token that represents all that are in no vocabulary; it has no phrase and is in none."""


def learn_phrases(aligner: Aligner, table: Array) -> Mapping[int, tuple[int, ...]]:
    """Return the most frequent phrase of each source token that has one.

    Each target token is aligned with the most probable source token; a phrase is a run of target tokens that are
    aligned with the same one. Of equally frequent phrases the one with the lowest ids is returned.

    Args:
        aligner: the pairs.
        table: what `Aligner.fit` returned.
    """
    base = table.shape[1] + 1
    codes = np.concatenate([np.zeros(0, np.int64), *(_runs(block, table) for block in aligner.blocks())])
    phrases, counts = np.unique(codes, return_counts=True)
    sources = phrases // base**MAX_TOKENS
    order = np.lexsort((phrases, -counts, sources))
    first = order[np.unique(sources[order], return_index=True)[1]]
    return {int(sources[index]): tuple(_decode(int(phrases[index]), base)) for index in first}


def _runs(block: Block, table: Array) -> Array:
    """Return a code <int64>[runs] for each run of up to `MAX_TOKENS` targets: its source, and its tokens plus 1."""
    best = block.posteriors(table).argmax(axis=1)
    starts, lengths = _equal_ranges(best)
    rows, columns = np.divmod(starts, best.shape[1])
    cells = block.sources[rows, best.reshape(-1)[starts]]
    codes, base = cells.astype(np.int64), table.shape[1] + 1
    is_usable = (cells != UNKNOWN) & (cells != table.shape[0] - 1) & (lengths <= MAX_TOKENS)
    for offset in range(MAX_TOKENS):
        tokens = block.targets[rows, np.minimum(columns + offset, best.shape[1] - 1)]
        is_inside = offset < lengths
        is_usable &= ~is_inside | (tokens != UNKNOWN)
        codes = codes * base + np.where(is_inside, tokens + 1, 0)
    usable: Array = codes[is_usable]
    return usable


def _equal_ranges(rows: Array) -> tuple[Array, Array]:
    """Return the flat starts and the lengths <int64>[ranges] of ranges of equal numbers within each row."""
    is_start = np.ones(rows.shape, np.bool_)
    is_start[:, 1:] = rows[:, 1:] != rows[:, :-1]
    starts = np.flatnonzero(is_start)
    return starts, np.diff(starts, append=rows.size)


def _decode(code: int, base: int) -> Iterator[int]:
    for power in reversed(range(MAX_TOKENS)):
        token = code // base**power % base
        if token:
            yield token - 1
