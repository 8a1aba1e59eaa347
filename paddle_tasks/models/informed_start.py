"""A start for a masked language model that knows a little already, where random weights learn nothing for long.

From random weights a small model stays for thousands of steps at what single words' frequencies tell, until its attention
has found out where neighbours stand. Started from counts and from looking at neighbours, it is through at once
(docs/pretraining.md has the curves). The weights are a start only: everything is trained, and nothing in the model is
of another kind than in any BERT.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from paddle_tasks.models.bert import PretrainedEncoder
from paddle_tasks.models.transformer import sinusoids

Array = np.ndarray[Any, np.dtype[Any]]

_SHARPNESS, _REST = 3.0, 0.1


def start_informed(encoder: PretrainedEncoder, vectors: Array) -> None:
    """Set words, positions and the first layer's attention; the rest stays as it was drawn.

    Args:
        encoder: a BERT or ERNIE with fresh weights.
        vectors: <float32>[vocabulary, hidden size] of length 1, or 0 for a word of which nothing is known.
    """
    embeddings, deviation = encoder.model.embeddings, encoder.model.config.initializer_range
    words, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    known = vectors.any(axis=1, keepdims=True)
    # All three summands of the embedding keep the size that random ones have.
    words.set_value(np.where(known, vectors * (deviation * encoder.width**0.5), words.numpy()))
    positions.set_value(sinusoids(*positions.shape) * (deviation * 2**0.5))
    _look_around(encoder.model.encoder.layers[0].self_attn, encoder.width)


def _look_around(attention: Any, width: int) -> None:
    """Have the heads look at the places 1 before, 1 behind, 2 before, 2 behind, and so on.

    A head turns the sinusoids of a position by its offset (sin(p + d) = sin p cos d + cos p sin d, and so on) in its
    queries, and leaves them in its keys: their product is largest where the key stands at the offset.
    """
    size, n_pairs = attention.head_dim, attention.head_dim // 2
    queries, keys = (part.weight.numpy() * _REST for part in (attention.q_proj, attention.k_proj))
    sines, cosines = 2 * np.arange(n_pairs), 2 * np.arange(n_pairs) + 1  # the fastest of the width's frequencies
    rates = 10000 ** (-np.arange(n_pairs) * 2 / width)
    for head in range(attention.num_heads):
        offset = (head // 2 + 1) * (1 if head % 2 else -1)
        turned, still = _SHARPNESS * np.cos(rates * offset), _SHARPNESS * np.sin(rates * offset)
        first = head * size
        queries[sines, first + sines] += turned
        queries[cosines, first + sines] += still
        queries[sines, first + cosines] -= still
        queries[cosines, first + cosines] += turned
        keys[np.r_[sines, cosines], first + np.r_[sines, cosines]] += _SHARPNESS
    attention.q_proj.weight.set_value(queries)
    attention.k_proj.weight.set_value(keys)
