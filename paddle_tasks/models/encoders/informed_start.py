"""Informed initial weights for a masked language model, which learns nothing for long from random ones.

From random weights a small model predicts for thousands of steps only what word frequencies tell, until its attention
has learnt to look at neighbouring positions. Word vectors from counts, and heads that already attend to neighbours,
skip that phase (docs/pretraining.md has the curves). Only the initial values differ: every weight is trained, and the
model is an ordinary BERT.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.encoders.transformer import sinusoids

_SHARPNESS, _REST = 3.0, 0.1


def start_informed(encoder: PretrainedEncoder, vectors: Array) -> None:
    """Set the word embeddings, the position embeddings and the first layer's attention; keep the other fresh weights.

    Positions use the first dimensions of a state, as many as a head has, and words use the others (`word_width`), so
    that the heads can separate the two.

    Args:
        encoder: a BERT or ERNIE with fresh weights.
        vectors: <float32>[vocabulary, word_width(encoder)], of length 1; all 0 for a word without a vector, which keeps
            its fresh embedding.
    """
    embeddings, deviation = encoder.model.embeddings, encoder.model.config.initializer_range
    first = encoder.width - word_width(encoder)
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    known = vectors.any(axis=1, keepdims=True)
    # Scaled to the standard deviation of fresh weights.
    scaled = vectors * (deviation * vectors.shape[1] ** 0.5)
    _set(words, np.where(known, scaled, words.numpy()[:, first:]), first)
    _set(embeddings.token_type_embeddings.weight, embeddings.token_type_embeddings.weight.numpy()[:, first:], first)
    table = np.zeros(positions.shape, np.float32)
    table[:, :first] = sinusoids(*positions.shape).numpy()[:, :first] * (deviation * 2**0.5)
    positions.set_value(table)
    _attend_to_neighbours(encoder.model.encoder.layers[0].self_attn, encoder.width)


def word_width(encoder: PretrainedEncoder) -> int:
    """Return the number of dimensions of a state that word vectors initialise."""
    return int(encoder.width - encoder.model.encoder.layers[0].self_attn.head_dim)


def _set(weight: Any, values: Array, first: int) -> None:
    """Set a table's columns from ``first`` on to ``values``, and the others to 0."""
    table = np.zeros(weight.shape, np.float32)
    table[:, first:] = values
    weight.set_value(table)


def _attend_to_neighbours(attention: Any, width: int) -> None:
    """Make the heads attend to the positions 1 before, 1 after, 2 before, 2 after, and so on.

    The queries of a head rotate the sinusoids of a position by the head's offset
    (sin(p + d) = sin p cos d + cos p sin d, and so on); its keys leave them unchanged. Their product is largest where
    the key is at that offset.
    """
    size = attention.head_dim
    queries, keys = (part.weight.numpy() * _REST for part in (attention.q_proj, attention.k_proj))
    sines, cosines = np.arange(0, size, 2), np.arange(1, size, 2)  # the fastest of the width's frequencies
    rates = 10000.0 ** (-sines / width)
    for head in range(attention.num_heads):
        offset, first = (head // 2 + 1) * (1 if head % 2 else -1), head * size
        along, across = _SHARPNESS * np.cos(rates * offset), _SHARPNESS * np.sin(rates * offset)
        queries[sines, first + sines] += along
        queries[cosines, first + sines] += across
        queries[sines, first + cosines] -= across
        queries[cosines, first + cosines] += along
        keys[np.arange(size), first + np.arange(size)] += _SHARPNESS
    attention.q_proj.weight.set_value(queries)
    attention.k_proj.weight.set_value(keys)
