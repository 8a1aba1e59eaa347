"""A start for a masked language model that knows a little already, where random weights learn nothing for long.

From random weights a small model stays for thousands of steps at what the frequencies of single words tell, until its
attention has found out where neighbours stand. Started from counts and from looking at neighbours it is through at
once (docs/pretraining.md has the curves). The weights are a start only: everything is trained, and nothing in the
model is of another kind than in any BERT.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.encoders.transformer import sinusoids

_SHARPNESS, _REST = 3.0, 0.1


def start_informed(encoder: PretrainedEncoder, vectors: Array) -> None:
    """Set words, positions and the first layer's attention; the rest stays as it was drawn.

    Positions start in the first places of a state, as many as a head has, and words in the others (`word_width`), so
    that the heads can tell the ones from the others.

    Args:
        encoder: a BERT or ERNIE with fresh weights.
        vectors: <float32>[vocabulary, word_width(encoder)] of length 1, or 0 for a word of which nothing is known.
    """
    embeddings, deviation = encoder.model.embeddings, encoder.model.config.initializer_range
    first = encoder.width - word_width(encoder)
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    known = vectors.any(axis=1, keepdims=True)
    # What is set has the size that random weights have.
    scaled = vectors * (deviation * vectors.shape[1] ** 0.5)
    _set(words, np.where(known, scaled, words.numpy()[:, first:]), first)
    _set(embeddings.token_type_embeddings.weight, embeddings.token_type_embeddings.weight.numpy()[:, first:], first)
    table = np.zeros(positions.shape, np.float32)
    table[:, :first] = sinusoids(*positions.shape).numpy()[:, :first] * (deviation * 2**0.5)
    positions.set_value(table)
    _look_around(encoder.model.encoder.layers[0].self_attn, encoder.width)


def word_width(encoder: PretrainedEncoder) -> int:
    """Return how many places of a state words start in."""
    return int(encoder.width - encoder.model.encoder.layers[0].self_attn.head_dim)


def _set(weight: Any, values: Array, first: int) -> None:
    """Fill a table's columns from ``first`` on, and zeros before them."""
    table = np.zeros(weight.shape, np.float32)
    table[:, first:] = values
    weight.set_value(table)


def _look_around(attention: Any, width: int) -> None:
    """Have the heads look at the places 1 before, 1 behind, 2 before, 2 behind, and so on.

    A head turns the sinusoids of a position by its offset (sin(p + d) = sin p cos d + cos p sin d, and so on) in its
    queries, and leaves them in its keys: their product is largest where the key stands at the offset.
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
