"""Cross-entropy over a large vocabulary, whose logits never exist for all rows at once.

The rows pass in chunks that fit the cache: logits, softmax, loss and, for training, the products of the gradient. In
bfloat16 the factors of the products are rounded to it, logits and probabilities are float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.execution import Accumulate
from paddle_tasks.onednn.linear_map import as_type_of, column_sums
from paddle_tasks.onednn.primitives import matmul, softmax, to_bfloat16

_CHUNK_BYTES = 1 << 24
"""Size of the logits of a chunk: 16 MB, 493 rows of 8,500 words."""
_TINY = np.finfo(np.float32).tiny


class TiedGradients(NamedTuple):
    """The gradients of states, word vectors and bias, <float32>."""

    states: Array
    words: Array
    bias: Array


class Scores(NamedTuple):
    """What a model says of each row's target.

    Attributes:
        losses: the cross-entropy in nats <float32>[rows]; at most 87.3, that of the smallest probability in float32.
        predicted: the most probable word <int64>[rows].
    """

    losses: Array
    predicted: Array


def score_targets(states: Array, words: Array, bias: Array, targets: Array) -> Scores:
    """Return the cross-entropy and the most probable word of each row.

    Args:
        states: <float32>[rows, width].
        words: <float32>[words, width].
        bias: <float32>[words].
        targets: <int64>[rows].
    """
    parts = [_target_scores(chunk, targets[rows]) for rows, chunk in _probabilities(states, words, bias)]
    losses, predicted = zip(*parts, strict=True) if parts else ((np.zeros(0, np.float32),), (np.zeros(0, np.int64),))
    return Scores(np.concatenate(losses), np.concatenate(predicted))


def loss_and_gradients(
    states: Array, words: Array, bias: Array, targets: Array, *, bfloat16: bool, smoothing: float = 0.0
) -> tuple[float, TiedGradients]:
    """Return the summed cross-entropy in nats and its gradients.

    Args:
        states: as in `score_targets`, like ``words``, ``bias`` and ``targets``.
        words: see there.
        bias: see there.
        targets: see there.
        bfloat16: whether the products are computed in it.
        smoothing: the share of each target that is spread evenly over all words (Szegedy et al., 2016,
            https://arxiv.org/abs/1512.00567, section 7).
    """
    gradients = TiedGradients(np.empty_like(states), np.zeros(words.shape, np.float32), np.zeros_like(bias))
    factors = (to_bfloat16(states), to_bfloat16(words)) if bfloat16 else (states, words)
    loss = 0.0
    for rows, chunk in _probabilities(*factors, bias):
        index = np.arange(len(chunk)), targets[rows]
        loss += float(_losses(chunk[index]).sum(dtype=np.float64))
        chunk[index] -= 1 - smoothing  # probabilities become the gradient of the logits
        for_logits = as_type_of(chunk, factors[1])
        matmul(for_logits, factors[1], gradients.states[rows])
        matmul(for_logits.T, factors[0][rows], gradients.words, post=(Accumulate(),))
        np.add(gradients.bias, column_sums(for_logits), out=gradients.bias)
    if smoothing:
        loss += smoothing * _lead_over_mean(states, words, bias, targets)
        _add_even_part(gradients, states, words, smoothing)
    return loss, gradients


def _lead_over_mean(states: Array, words: Array, bias: Array, targets: Array) -> float:
    """Return the sum over the rows of the target's logit minus the mean of all logits.

    It is the difference between the cross-entropy with an even distribution and that with the target.
    """
    vectors = words[targets] - words.mean(axis=0)
    leads = np.einsum("rw,rw->r", states, vectors) + bias[targets] - bias.mean()
    return float(leads.sum(dtype=np.float64))


def _add_even_part(gradients: TiedGradients, states: Array, words: Array, smoothing: float) -> None:
    """Add the gradients of the even part of the targets: ``-smoothing / words`` for every logit."""
    n_rows, n_words = len(states), len(words)
    np.subtract(gradients.states, smoothing * words.mean(axis=0), out=gradients.states)
    np.subtract(gradients.words, smoothing / n_words * states.sum(axis=0), out=gradients.words)
    np.subtract(gradients.bias, np.float32(smoothing * n_rows / n_words), out=gradients.bias)


def _probabilities(states: Array, words: Array, bias: Array) -> Iterator[tuple[slice, Array]]:
    """Yield chunks of rows and their probabilities <float32>[rows, words], which the next chunk overwrites."""
    n_rows = max(1, min(len(states), _CHUNK_BYTES // (4 * len(words))))
    buffer = np.empty((n_rows, len(words)), np.float32)
    for start in range(0, len(states), n_rows):
        rows = slice(start, min(start + n_rows, len(states)))
        chunk = buffer[: rows.stop - start]
        matmul(states[rows], words.T, chunk, bias=bias)
        softmax(chunk, chunk)
        yield rows, chunk


def _target_scores(probabilities: Array, targets: Array) -> tuple[Array, Array]:
    return _losses(probabilities[np.arange(len(targets)), targets]), probabilities.argmax(axis=1)


def _losses(probabilities: Array) -> Array:
    losses: Array = -np.log(np.maximum(probabilities, _TINY))
    return losses
