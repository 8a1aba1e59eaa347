"""The losses of pretraining beside that of hidden tokens: the vectors of words, and those of a teacher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import Tensor
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.masked_batches import RANDOM, MaskedBatch
from paddle_tasks.models.encoders.base import Encoder


def states_at(encoder: Encoder, batch: MaskedBatch, groups: Sequence[Array]) -> tuple[list[Tensor], Tensor]:
    """Return the states of each group of positions, <float32>[n, width], and the vectors of the texts.

    A position of several groups is computed once.

    Args:
        encoder: the encoder.
        batch: the inputs.
        groups: <int64>[n] each, indices into the flattened [batch * length].
    """
    places = np.unique(np.concatenate(groups))
    ids, types, lengths, _positions = batch.inputs
    states, vectors = encoder.states_at(ids, types, lengths, paddle.to_tensor(places))
    return [_part(states, np.searchsorted(places, group)) for group in groups], vectors


def _part(states: Tensor, rows: Array) -> Tensor:
    return paddle.gather(states, paddle.to_tensor(rows)) if len(rows) else states[:0]


def tokens_of(batch: MaskedBatch, rows: Array) -> Array:
    """Return the real tokens of rows, <int64>[n], as indices into the flattened [batch * length].

    Args:
        batch: the batch.
        rows: <int64>[rows], places in the batch.
    """
    is_real = np.zeros(batch.input_ids.shape, bool)
    is_real[rows] = np.arange(batch.input_ids.shape[1]) < batch.lengths[rows, None]
    return np.flatnonzero(is_real)


def rows_of_one_text(batch: MaskedBatch) -> Array:
    """Return which rows are from one document, <int64>[n]; the others are pairs with a random second text."""
    return np.flatnonzero(batch.pairs != RANDOM)


def mean_states(states: Tensor, lengths: Array) -> Tensor:
    """Return the mean state of each row, <float32>[rows, width].

    Args:
        states: <float32>[tokens, width], the rows after one another.
        lengths: <int64>[rows].
    """
    rows = paddle.to_tensor(np.repeat(np.arange(len(lengths)), lengths))
    means: Tensor = paddle.geometric.segment_mean(states, rows)
    return means


def distances(vectors: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the cosine of each pair of vectors <float32>[n, size], <float32>[n]."""
    return 1 - functional.cosine_similarity(vectors, targets, axis=1)


def relation_errors(vectors: Tensor, targets: Tensor) -> Tensor:
    """Return the mean squared difference of each row's cosines with the other rows, <float32>[n].

    Args:
        vectors: <float32>[n, width].
        targets: <float32>[n, size], the vectors whose cosines are right.
    """
    found, right = (paddle.matmul(unit, unit, transpose_y=True) for unit in map(_normalise, (vectors, targets)))
    n_others = max(1, vectors.shape[0] - 1)
    errors: Tensor = ((found - right) ** 2).sum(axis=1) / n_others  # the diagonals are equal
    return errors


def _normalise(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors, axis=1)
