"""A causal Transformer on numpy arrays that keeps keys and values, to write one character after another.

A step reads every weight once, in float32. For one row numpy's products take half the time of oneDNN's, which would
also wait for its other threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.operations import Arrays, Linear, apply_map, layer_norm, read_output, softmax
from paddle_tasks.onednn.causal_attention import NO_ATTENTION


class _Layer(NamedTuple):
    projections: Linear
    output: Linear
    inner: Linear
    outer: Linear
    norms: tuple[Linear, Linear]


class Shape(NamedTuple):
    """What the tensors of a model do not tell; see `paddle_tasks.models.causal_lm.CausalSizes`."""

    n_heads: int
    n_frequent: int | None
    pre_norm: bool


@dataclass
class Cache:
    """The keys and values of several rows.

    Attributes:
        ids: the entries of each row, also those that were dropped from the cache.
        keys: of each layer, <float32>[rows, n_heads, positions, size].
        values: as ``keys``.
        lengths: <int64>[rows], the positions of each row that are filled.
    """

    ids: list[list[int]]
    keys: list[Array]
    values: list[Array]
    lengths: Array


class CausalWriter:
    """A causal Transformer that rates the next entry of several rows; a `NextTokenModel`.

    When a row has filled all positions, its older half is dropped, and the rest is read anew from the first position
    on, as the model read windows in training.

    Attributes:
        start_id: the entry before each prompt.
    """

    def __init__(self, arrays: Arrays, shape: Shape, start_id: int) -> None:
        """Take the tensors of a `paddle_tasks.models.causal_lm.CausalLanguageModel` by name, and what they lack."""
        self.start_id, (self._n_heads, n_frequent, self._pre_norm) = start_id, shape
        parts = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        self._words, self._positions = parts["words.weight"], parts["positions.weight"]
        self._norm = parts["norm.weight"], parts["norm.bias"]
        n_layers = sum(name.endswith("linear1.bias") for name in parts)
        self._layers = [_read_layer(parts, f"layers.{number}.") for number in range(n_layers)]
        self._output = read_output(parts, n_frequent)

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Cache, Array]:
        """Return the cache after the start entry and the prompts, and the log-probabilities of the next entries."""
        rows = [[self.start_id, *prompt] for prompt in prompts]
        cache, states = self._read([row[-len(self._positions) :] for row in rows])
        cache.ids = rows
        return cache, self._output.log_probs(states)

    def advance(self, state: Cache, tokens: Sequence[int]) -> tuple[Cache, Array]:
        """Append one entry to each row; return the cache and the log-probabilities of the entries after it."""
        self._make_room(state)
        for row, token in zip(state.ids, tokens, strict=True):
            row.append(token)
        states = self._compute(state, np.asarray(tokens, np.int64)[:, None], np.ones(len(tokens), np.int64))
        return state, self._output.log_probs(states)

    def select(self, state: Cache, rows: Sequence[int]) -> Cache:
        """Return the cache of these rows."""
        index = np.asarray(rows, np.int64)
        keys, values = ([array[index] for array in arrays] for arrays in (state.keys, state.values))
        return Cache([list(state.ids[row]) for row in rows], keys, values, state.lengths[index])

    def _read(self, rows: Sequence[Sequence[int]]) -> tuple[Cache, Array]:
        """Return the cache of rows that fit it, and the last state <float32>[rows, width] of each."""
        lengths = np.array([len(row) for row in rows], np.int64)
        ids = np.zeros((len(rows), lengths.max(initial=1)), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
        n_positions, width = self._positions.shape
        shape = len(rows), self._n_heads, n_positions, width // self._n_heads
        keys, values = ([np.zeros(shape, np.float32) for _ in self._layers] for _ in range(2))
        cache = Cache([list(row) for row in rows], keys, values, np.zeros(len(rows), np.int64))
        return cache, self._compute(cache, ids, lengths)

    def _make_room(self, state: Cache) -> None:
        """Keep the later half of each row that has no free position."""
        n_positions = len(self._positions)
        full = np.flatnonzero(state.lengths == n_positions)
        if not len(full):
            return
        kept, _ = self._read([state.ids[row][-(n_positions // 2) :] for row in full])
        for arrays, others in ((state.keys, kept.keys), (state.values, kept.values)):
            for array, other in zip(arrays, others, strict=True):
                array[full] = other
        state.lengths[full] = kept.lengths

    def _compute(self, cache: Cache, ids: Array, counts: Array) -> Array:
        """Append entries to the rows of a cache and return the state <float32>[rows, width] of the last one of each.

        Args:
            cache: the cache, which is changed.
            ids: <int64>[rows, n].
            counts: <int64>[rows], how many of them are real.
        """
        steps = np.arange(ids.shape[1])
        positions = cache.lengths[:, None] + steps
        states = self._words[ids] + self._positions[np.minimum(positions, len(self._positions) - 1)]
        if not self._pre_norm:
            states = layer_norm(states, self._norm)
        n_keys = int(cache.lengths.max(initial=0)) + ids.shape[1]
        is_later = np.arange(n_keys) > positions[:, :, None]
        offsets = np.where(is_later, np.float32(NO_ATTENTION), np.float32(0))[:, None] if is_later.any() else None
        for number, layer in enumerate(self._layers):
            states = self._layer(cache, number, layer, states, offsets)
        cache.lengths = cache.lengths + counts
        last: Array = states[np.arange(len(ids)), counts - 1]
        return layer_norm(last, self._norm) if self._pre_norm else last

    def _layer(self, cache: Cache, number: int, layer: _Layer, states: Array, offsets: Array | None) -> Array:
        """Return the states <float32>[rows, n, width] after a layer."""
        first, second = layer.norms
        before = layer_norm(states, first) if self._pre_norm else states
        states = states + apply_map(self._attend(cache, number, layer.projections, before, offsets), layer.output)
        if not self._pre_norm:
            states = layer_norm(states, first)
        inner = apply_map(layer_norm(states, second) if self._pre_norm else states, layer.inner)
        inner *= ndtr(inner)  # GELU
        states = states + apply_map(inner, layer.outer)
        return states if self._pre_norm else layer_norm(states, second)

    def _attend(self, cache: Cache, number: int, projections: Linear, states: Array, offsets: Array | None) -> Array:
        """Add keys and values of new states to a layer's cache, and return their contexts <float32>[rows, n, width]."""
        n_rows, n_new, width = states.shape
        projected = apply_map(states, projections).reshape(n_rows, n_new, 3, self._n_heads, -1)
        queries, new_keys, new_values = projected.transpose(2, 0, 3, 1, 4)
        keys, values = cache.keys[number], cache.values[number]
        for row, start in enumerate(cache.lengths):
            n_stored = min(n_new, keys.shape[2] - start)  # the rest of a shorter row is padding
            keys[row, :, start : start + n_stored] = new_keys[row, :, :n_stored]
            values[row, :, start : start + n_stored] = new_values[row, :, :n_stored]
        n_keys = int(cache.lengths.max(initial=0)) + n_new
        scores = queries @ keys[:, :, :n_keys].swapaxes(2, 3)
        scores *= np.float32(1 / np.sqrt(queries.shape[-1]))
        if offsets is not None:
            scores += offsets[..., : scores.shape[-1]]
        softmax(scores)
        contexts: Array = (scores @ values[:, :, :n_keys]).transpose(0, 2, 1, 3)
        return contexts.reshape(n_rows, n_new, width)


def _read_layer(parts: Arrays, prefix: str) -> _Layer:
    def pair(name: str) -> Linear:
        return parts[f"{prefix}{name}.weight"], parts[f"{prefix}{name}.bias"]

    weights, biases = zip(*(pair(f"self_attn.{part}_proj") for part in "qkv"), strict=True)
    joined = np.concatenate(weights, axis=1), np.concatenate(biases)
    norms = pair("norm1"), pair("norm2")
    return _Layer(joined, pair("self_attn.out_proj"), pair("linear1"), pair("linear2"), norms)
