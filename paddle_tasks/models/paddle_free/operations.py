"""Operations of models on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array

Arrays = Mapping[str, Array]
Linear = tuple[Array, Array]
"""Weight <float32>[inputs, outputs] and bias <float32>[outputs]."""

_EPSILON = 1e-5


class Output(NamedTuple):
    """The output layer; see `paddle_tasks.models.tied_output.TiedOutput`.

    Attributes:
        words: <float32>[width, words], with the entry for rare words after the frequent ones, if there is one.
        bias: <float32>[words].
        n_frequent: the number of frequent words; None for a single softmax.
    """

    words: Array
    bias: Array
    n_frequent: int | None

    def log_probs(self, states: Array) -> Array:
        """Return the log-probability of every word <float32>[rows, words] from states <float32>[rows, width]."""
        logits = states @ self.words
        logits += self.bias
        n = self.n_frequent
        if n is None:
            return log_softmax(logits)
        frequent, rare = log_softmax(logits[:, : n + 1]), log_softmax(logits[:, n + 1 :])
        return np.concatenate([frequent[:, :n], frequent[:, n:] + rare], axis=1)


def read_output(parts: Arrays, n: int | None) -> Output:
    """Return the output layer of a model from its tensors by name, and the number of frequent words."""
    words, bias = parts["words.weight"][: len(parts["output.bias"])], parts["output.bias"]
    if n is None:
        return Output(np.ascontiguousarray(words.T), bias, None)
    words = np.concatenate([words[:n], parts["output.rare_vector"], words[n:]])
    bias = np.concatenate([bias[:n], parts["output.rare_bias"], bias[n:]])
    return Output(np.ascontiguousarray(words.T), bias, n)


def read_pair(parts: Arrays, name: str) -> Linear:
    """Return the weight and the bias of a map or a norm."""
    return parts[f"{name}.weight"], parts[f"{name}.bias"]


def apply_map(states: Array, linear: Linear) -> Array:
    """Return <float32>[..., outputs] from <float32>[..., inputs]."""
    result: Array = states @ linear[0]
    result += linear[1]
    return result


def layer_norm(states: Array, parameters: Linear) -> Array:
    """Return <float32>[..., width], normalised, times a weight, plus a bias."""
    centred: Array = states - states.mean(axis=-1, keepdims=True)
    variance = np.einsum("...i,...i->...", centred, centred)[..., None] / centred.shape[-1]
    centred *= 1 / np.sqrt(variance + np.float32(_EPSILON))
    centred *= parameters[0]
    centred += parameters[1]
    return centred


def log_softmax(logits: Array) -> Array:
    """Return log-probabilities <float32>[rows, words]."""
    shifted: Array = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def softmax(scores: Array) -> None:
    """Replace scores <float32>[..., keys] by weights, in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)


def activate(name: str, values: Array) -> Array:
    """Return values <float32>[...] after ``relu``, ``gelu`` or ``silu``; they may be changed in place."""
    if name == "relu":
        return np.maximum(values, 0, out=values)
    if name == "silu":
        values *= 1 / (1 + np.exp(-values))
        return values
    from scipy.special import ndtr  # slow to import

    values *= ndtr(values)
    return values


def sinusoids(n_positions: int, size: int) -> Array:
    """Return the position encodings <float32>[n_positions, size] of Vaswani et al. (2017), section 3.5.

    PE(p, 2i) = sin(p / 10000^(2i / size)) and PE(p, 2i + 1) = cos(p / 10000^(2i / size)).

    Args:
        n_positions: number of positions; the first is 0.
        size: size of an encoding; even.
    """
    rates = 10000.0 ** (-np.arange(0, size, 2) / size)
    angles = np.arange(n_positions)[:, None] * rates
    table: Array = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(n_positions, size).astype(np.float32)
    return table
