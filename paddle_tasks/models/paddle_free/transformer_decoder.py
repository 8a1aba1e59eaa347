"""The decoder of a Transformer on numpy arrays, which keeps keys and values to write one entry after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.operations import (
    Arrays,
    Linear,
    activate,
    apply_map,
    layer_norm,
    read_output,
    read_pair,
    sinusoids,
    softmax,
)
from paddle_tasks.models.paddle_free.sources import SourceStates, check_prompts, per_row

_SPARE = 32
"""Positions that are added when the arrays of keys and values are full."""


class DecoderShape(NamedTuple):
    """What the tensors of a decoder do not tell.

    Attributes:
        n_heads: of each attention.
        n_frequent: see `paddle_tasks.models.tied_output.TiedOutput`.
        activation: of the feed-forward parts: ``relu``, ``gelu`` or ``silu``.
        start_id: the entry before each output.
    """

    n_heads: int
    n_frequent: int | None
    activation: str
    start_id: int


class _Layer(NamedTuple):
    """The parameters of a layer: of self-attention, attention to the source, and the feed-forward part."""

    norms: tuple[Linear, Linear, Linear]
    projections: Linear
    output: Linear
    queries: Linear
    source_output: Linear
    inner: Linear
    outer: Linear


@dataclass
class Cache:
    """The keys and values of several outputs of the same length.

    Attributes:
        sources: <int64>[rows], the source of each output.
        length: the positions that are filled.
        positions: <float32>[capacity, width], the vectors of the positions.
        kept: of each layer, keys and values <float32>[rows, n_heads, capacity, size].
        source_kept: of each layer, keys and values of the sources <float32>[rows, n_heads, source length, size].
        offsets: <float32>[rows, 1, 1, source length], added to the scores of the sources.
        weights: <float32>[rows, source length], the attention with which the next entries are predicted, the mean over
            heads and layers.
    """

    sources: Array
    length: int
    positions: Array
    kept: list[tuple[Array, Array]]
    source_kept: list[tuple[Array, Array]]
    offsets: Array
    weights: Array


class TransformerWriter:
    """Rates the next entry of outputs for sources that were read before; a `NextTokenModel`.

    Its prompts are empty, one for each source.
    """

    def __init__(self, parts: Arrays, shape: DecoderShape, sources: SourceStates) -> None:
        """Take the tensors <float32> of a `paddle_tasks.models.seq2seq.transformer.TransformerModel` by name.

        Args:
            parts: the tensors.
            shape: what they do not tell.
            sources: the states of the encoder.
        """
        self._shape = shape
        self._words, self._norm = parts["words.weight"], (parts["decoder_norm.weight"], parts["decoder_norm.bias"])
        self._output = read_output(parts, shape.n_frequent)
        n_layers = sum(name.endswith("source_attention.norm.bias") for name in parts)
        prefixes = [f"decoder.{number}." for number in range(n_layers)]
        self._layers = [_read_layer(parts, prefix) for prefix in prefixes]
        self._sources = [self._keys_values(parts, sources.states, prefix) for prefix in prefixes]
        self._offsets = sources.offsets

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Cache, Array]:
        """Return the cache after the start entry, and the log-probabilities of the first entries."""
        check_prompts(prompts, len(self._offsets))
        size = self._words.shape[1] // self._shape.n_heads
        empty = len(prompts), self._shape.n_heads, _SPARE, size
        kept = [(np.zeros(empty, np.float32), np.zeros(empty, np.float32)) for _ in self._layers]
        positions = sinusoids(_SPARE, self._words.shape[1])
        weights = np.zeros((len(prompts), self._offsets.shape[-1]), np.float32)
        cache = Cache(np.arange(len(prompts)), 0, positions, kept, self._sources, self._offsets, weights)
        return self.advance(cache, [self._shape.start_id] * len(prompts))

    def advance(self, state: Cache, tokens: Sequence[int]) -> tuple[Cache, Array]:
        """Append one entry to each row; return the cache and the log-probabilities of the entries after it."""
        _make_room(state)
        width = self._words.shape[1]
        states = self._words[np.asarray(tokens, np.int64)] * np.float32(width**0.5) + state.positions[state.length]
        state.weights = np.zeros((len(tokens), self._offsets.shape[-1]), np.float32)
        for number, layer in enumerate(self._layers):
            states = self._layer(state, number, layer, states)
        state.length += 1
        return state, self._output.log_probs(layer_norm(states, self._norm))

    def select(self, state: Cache, rows: Sequence[int]) -> Cache:
        """Return the cache of these rows; arrays of sources are only copied if other sources are left."""
        index = np.asarray(rows, np.int64)
        sources = state.sources[index]
        kept = [(keys[index], values[index]) for keys, values in state.kept]
        source_kept, offsets = state.source_kept, state.offsets
        if not np.array_equal(sources, state.sources):
            source_kept = [(keys[index], values[index]) for keys, values in source_kept]
            offsets = offsets[index]
        return Cache(sources, state.length, state.positions, kept, source_kept, offsets, state.weights[index])

    def _keys_values(self, parts: Arrays, states: Array, prefix: str) -> tuple[Array, Array]:
        """Return keys and values of the sources for one layer."""
        projected = apply_map(states, read_pair(parts, f"{prefix}source_attention.other_projections"))
        n_rows, length = states.shape[:2]
        heads = projected.reshape(n_rows, length, 2, self._shape.n_heads, -1).transpose(2, 0, 3, 1, 4)
        return np.ascontiguousarray(heads[0]), np.ascontiguousarray(heads[1])

    def _layer(self, cache: Cache, number: int, layer: _Layer, states: Array) -> Array:
        """Return the states <float32>[rows, width] after a layer."""
        projected = per_row(apply_map(layer_norm(states, layer.norms[0]), layer.projections), 3, self._shape.n_heads)
        keys, values = cache.kept[number]
        keys[:, :, cache.length], values[:, :, cache.length] = projected[1], projected[2]
        read = keys[:, :, : cache.length + 1], values[:, :, : cache.length + 1]
        contexts, _ = _attend(projected[0], read, None)
        states = states + apply_map(contexts, layer.output)
        queries = per_row(apply_map(layer_norm(states, layer.norms[1]), layer.queries), 1, self._shape.n_heads)[0]
        contexts, weights = _attend(queries, cache.source_kept[number], cache.offsets)
        cache.weights += weights / len(self._layers)
        states = states + apply_map(contexts, layer.source_output)
        inner = apply_map(layer_norm(states, layer.norms[2]), layer.inner)
        return states + apply_map(activate(self._shape.activation, inner), layer.outer)


def _make_room(cache: Cache) -> None:
    if cache.length == cache.kept[0][0].shape[2]:
        spare = ((0, 0), (0, 0), (0, _SPARE), (0, 0))
        cache.kept = [(np.pad(keys, spare), np.pad(values, spare)) for keys, values in cache.kept]
        cache.positions = sinusoids(cache.length + _SPARE, cache.positions.shape[1])


def _attend(queries: Array, read: tuple[Array, Array], offsets: Array | None) -> tuple[Array, Array]:
    """Return contexts <float32>[rows, width] of queries <float32>[rows, n_heads, size], and the weights of the keys.

    The weights <float32>[rows, keys] are the mean over the heads.
    """
    keys, values = read
    scores = queries[:, :, None] @ keys.swapaxes(2, 3)
    scores *= np.float32(queries.shape[-1] ** -0.5)
    if offsets is not None:
        scores += offsets
    softmax(scores)
    return (scores @ values).reshape(len(queries), -1), scores[:, :, 0].mean(axis=1)


def _read_layer(parts: Arrays, prefix: str) -> _Layer:
    def pair(name: str) -> Linear:
        return read_pair(parts, prefix + name)

    return _Layer(
        (pair("attention.norm"), pair("source_attention.norm"), pair("feed_forward.norm")),
        pair("attention.projections"),
        pair("attention.output"),
        pair("source_attention.projections"),
        pair("source_attention.output"),
        pair("feed_forward.inner"),
        pair("feed_forward.outer"),
    )
