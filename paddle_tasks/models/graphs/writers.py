"""Decoding with the networks of exported models, one entry after another; each class is a `NextTokenModel`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.graphs.causal_lm import STEP, cache_names
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.seq2seq import DECODER, ENCODER
from paddle_tasks.models.paddle_free.sources import check_prompts

PADDING = -1
"""The position of an entry that no other one reads."""


@dataclass
class Cache:
    """What a causal Transformer has computed of several rows.

    Attributes:
        ids: the entries of each row, also those that are not in the arrays any more.
        arrays: the inputs ``past_…`` of the network.
        lengths: <int64>[rows], the entries of each row in the arrays.
    """

    ids: list[list[int]]
    arrays: dict[str, Array]
    lengths: Array


class CausalNetworkWriter:
    """Rates the next entry of several rows with a step network; see `paddle_free.causal_lm.CausalWriter`.

    When a row has filled all positions, its older half is dropped, and the rest is read anew.

    Attributes:
        start_id: the entry before each prompt.
    """

    def __init__(self, networks: Networks, shape: tuple[int, int, int], n_positions: int, start_id: int) -> None:
        """Take a network.

        Args:
            networks: those of the exported folder.
            shape: the numbers of layers and heads and the size of a head.
            n_positions: the number of positions.
            start_id: the entry before each prompt.
        """
        self._networks, self._n_positions, self.start_id = networks, n_positions, start_id
        self._shape = shape

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Cache, Array]:
        """Return the cache after the start entry and the prompts, and the log-probabilities of the next entries."""
        rows = [[self.start_id, *prompt] for prompt in prompts]
        cache, log_probs = self._read([row[-self._n_positions :] for row in rows])
        cache.ids = rows
        return cache, log_probs

    def advance(self, state: Cache, tokens: Sequence[int]) -> tuple[Cache, Array]:
        """Append one entry to each row; return the cache and the log-probabilities of the entries after it."""
        self._make_room(state)
        for row, token in zip(state.ids, tokens, strict=True):
            row.append(token)
        return state, self._append(state, np.asarray(tokens, np.int64)[:, None], np.ones(len(tokens), np.int64))

    def select(self, state: Cache, rows: Sequence[int]) -> Cache:
        """Return the cache of these rows."""
        index = np.asarray(rows, np.int64)
        arrays = {name: array[index] for name, array in state.arrays.items()}
        return Cache([list(state.ids[row]) for row in rows], arrays, state.lengths[index])

    def rate_rows(self, ids: Array) -> Array:
        """Return the log-probabilities <float32>[rows, length, entries] after each entry of rows <int64>[rows, length].

        Nothing is added before the rows; padding at the end of a row changes nothing before it.
        """
        cache = self._empty(len(ids))
        positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        return self._networks.run(STEP, {"input_ids": ids, "positions": positions, **cache.arrays})["log_probs"]

    def _empty(self, n_rows: int) -> Cache:
        n_layers, n_heads, size = self._shape
        kept = {f"past_{name}": np.zeros((n_rows, n_heads, 0, size), np.float32) for name in cache_names(n_layers)}
        empty: dict[str, Array] = {"past_positions": np.zeros((n_rows, 0), np.int64), **kept}
        return Cache([[] for _ in range(n_rows)], empty, np.zeros(n_rows, np.int64))

    def _read(self, rows: Sequence[Sequence[int]]) -> tuple[Cache, Array]:
        lengths = np.array([len(row) for row in rows], np.int64)
        ids = np.zeros((len(rows), lengths.max(initial=1)), np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
        cache = self._empty(len(rows))
        cache.ids = [list(row) for row in rows]
        return cache, self._append(cache, ids, lengths)

    def _append(self, cache: Cache, ids: Array, counts: Array) -> Array:
        """Append entries to a cache, of which so many are real; return the log-probabilities after the last ones."""
        steps = np.arange(ids.shape[1])
        positions = np.where(steps < counts[:, None], cache.lengths[:, None] + steps, PADDING)
        found = self._networks.run(STEP, {"input_ids": ids, "positions": positions, **cache.arrays})
        cache.arrays = {name: found[name.replace("past_", "next_")] for name in cache.arrays}
        cache.lengths = cache.lengths + counts
        last: Array = found["log_probs"][np.arange(len(ids)), counts - 1]
        return last

    def _make_room(self, state: Cache) -> None:
        """Keep the later half of each row that has no free position."""
        full = np.flatnonzero(state.lengths == self._n_positions)
        if not len(full):
            return
        kept, _log_probs = self._read([state.ids[row][-(self._n_positions // 2) :] for row in full])
        for name, array in state.arrays.items():
            other, axis = kept.arrays[name], 1 if name == "past_positions" else 2
            missing = [(0, 0)] * array.ndim
            missing[axis] = (0, array.shape[axis] - other.shape[axis])
            filling = PADDING if name == "past_positions" else 0
            state.arrays[name] = array.copy()
            state.arrays[name][full] = np.pad(other, missing, constant_values=filling)
        state.lengths[full] = kept.lengths
        self._drop_padding(state)

    @staticmethod
    def _drop_padding(state: Cache) -> None:
        """Drop the places that hold padding in every row."""
        used = np.flatnonzero((state.arrays["past_positions"] != PADDING).any(axis=0))
        for name, array in state.arrays.items():
            state.arrays[name] = array[:, used] if name == "past_positions" else array[:, :, used]


@dataclass
class Outputs:
    """What a decoder has computed of several outputs.

    Attributes:
        sources: <int64>[rows], the source of each output.
        arrays: the inputs of the decoder besides the entries.
        weights: <float32>[rows, source length], the attention with which the next entries are predicted; None without.
    """

    sources: Array
    arrays: dict[str, Array]
    weights: Array | None = None


class NetworkSourceWriter:
    """Rates the next entry of outputs for sources that were read before; its prompts are empty."""

    def __init__(self, networks: Networks, start_id: int, ids: Array, lengths: Array) -> None:
        """Read padded sources <int64>[sources, length] of these lengths <int64>[sources]."""
        self._networks, self._start_id, self._n_sources = networks, start_id, len(ids)
        self._arrays = networks.run(ENCODER, {"input_ids": ids.astype(np.int64), "lengths": lengths.astype(np.int64)})

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Outputs, Array]:
        """Return the state after the start entry, and the log-probabilities of the first entries."""
        check_prompts(prompts, self._n_sources)
        state = Outputs(np.arange(len(prompts)), dict(self._arrays))
        return self.advance(state, [self._start_id] * len(prompts))

    def advance(self, state: Outputs, tokens: Sequence[int]) -> tuple[Outputs, Array]:
        """Append one entry to each row; return the state and the log-probabilities of the entries after it."""
        log_probs = self.extend(state, np.asarray(tokens, np.int64)[:, None])
        last: Array = log_probs[:, -1]
        return state, last

    def extend(self, state: Outputs, ids: Array) -> Array:
        """Append entries <int64>[rows, n] to each row; return the log-probabilities <float32>[rows, n, entries]."""
        found = self._networks.run(DECODER, {"input_ids": ids, **state.arrays})
        for name in state.arrays:
            state.arrays[name] = found.get(name.replace("past_", "next_"), state.arrays[name])
        state.weights = found["attention"][:, -1] if "attention" in found else None
        return found["log_probs"]

    def select(self, state: Outputs, rows: Sequence[int]) -> Outputs:
        """Return the state of these rows."""
        index = np.asarray(rows, np.int64)
        weights = None if state.weights is None else state.weights[index]
        return Outputs(state.sources[index], {name: array[index] for name, array in state.arrays.items()}, weights)

    def outputs(self) -> Outputs:
        """Return the state before any entry, with an output for each source."""
        return Outputs(np.arange(self._n_sources), dict(self._arrays))


@dataclass(frozen=True)
class NetworkTranslator:
    """Makes decoders for batches of sources; see `paddle_free.encoder_decoder.SourceTranslator`.

    Attributes:
        networks: an encoder and a decoder.
        start_id: the entry before each output.
        has_attention: whether `attention` returns weights.
    """

    networks: Networks
    start_id: int
    has_attention: bool

    def writer(self, ids: Array, lengths: Array) -> NetworkSourceWriter:
        """Return the decoder for padded sources <int64>[sources, length] of these lengths <int64>[sources]."""
        return NetworkSourceWriter(self.networks, self.start_id, ids, lengths)

    def attention(self, source: Array, target: Array) -> Array:
        """Return the attention <float32>[target length and 1, source length] with which each next entry is predicted.

        Raises:
            ValueError: the model has no attention.
        """
        if not self.has_attention:
            raise ValueError("attention: this model has none")
        writer = self.writer(source[None], np.array([len(source)]))
        state, _log_probs = writer.start([[]])
        found = [state.weights]
        for token in target.tolist():
            state, _log_probs = writer.advance(state, [token])
            found.append(state.weights)
        return np.concatenate([weights for weights in found if weights is not None])
