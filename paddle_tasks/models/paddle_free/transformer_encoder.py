"""The encoder of a Transformer encoder-decoder on numpy arrays."""

from __future__ import annotations

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.operations import (
    Arrays,
    activate,
    apply_map,
    layer_norm,
    read_pair,
    sinusoids,
    softmax,
)
from paddle_tasks.models.paddle_free.sources import SourceStates, padding_offsets


def read_sources(parts: Arrays, n_heads: int, activation: str, ids: Array, lengths: Array) -> SourceStates:
    """Return the states of padded sources.

    Args:
        parts: the tensors of a `paddle_tasks.models.seq2seq.transformer.TransformerModel` by name.
        n_heads: of each attention.
        activation: see `paddle_tasks.models.paddle_free.transformer_decoder.DecoderShape`.
        ids: <int64>[sources, length].
        lengths: <int64>[sources], the ids of each without padding, at least 1.
    """
    words, length = parts["words.weight"], ids.shape[1]
    states = words[ids] * np.float32(words.shape[1] ** 0.5) + sinusoids(length, words.shape[1])
    offsets = padding_offsets(np.arange(length) < lengths[:, None])
    for number in range(sum(name.startswith("encoder.") and name.endswith("inner.bias") for name in parts)):
        states = states + _attend(parts, f"encoder.{number}.attention.", n_heads, states, offsets)
        states = states + _feed_forward(parts, f"encoder.{number}.feed_forward.", activation, states)
    return SourceStates(layer_norm(states, read_pair(parts, "encoder_norm")), offsets)


def _attend(parts: Arrays, prefix: str, n_heads: int, states: Array, offsets: Array) -> Array:
    """Return what self-attention adds to states <float32>[rows, length, width]."""
    normalised = layer_norm(states, read_pair(parts, f"{prefix}norm"))
    projected = apply_map(normalised, read_pair(parts, f"{prefix}projections"))
    heads = projected.reshape(*states.shape[:2], 3, n_heads, -1).transpose(2, 0, 3, 1, 4)
    queries, keys, values = heads
    scores = queries @ keys.swapaxes(2, 3)
    scores *= np.float32(queries.shape[-1] ** -0.5)
    scores += offsets
    softmax(scores)
    contexts = (scores @ values).transpose(0, 2, 1, 3).reshape(states.shape)
    return apply_map(contexts, read_pair(parts, f"{prefix}output"))


def _feed_forward(parts: Arrays, prefix: str, activation: str, states: Array) -> Array:
    """Return what the feed-forward part adds to states <float32>[rows, length, width]."""
    normalised = layer_norm(states, read_pair(parts, f"{prefix}norm"))
    inner = activate(activation, apply_map(normalised, read_pair(parts, f"{prefix}inner")))
    return apply_map(inner, read_pair(parts, f"{prefix}outer"))
