"""The decoder of a recurrent encoder-decoder on numpy arrays, one position after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.cells import CellKind, read_cell
from paddle_tasks.models.paddle_free.operations import Arrays, apply_map, read_output, read_pair, softmax
from paddle_tasks.models.paddle_free.sources import SourceStates, check_prompts


class RecurrentShape(NamedTuple):
    """What the tensors of a decoder do not tell.

    Attributes:
        cell: of all layers.
        attention: ``none``, ``additive`` or ``multiplicative``.
        n_frequent: see `paddle_tasks.models.tied_output.TiedOutput`.
        start_id: the entry before each output.
    """

    cell: CellKind
    attention: Literal["none", "additive", "multiplicative"]
    n_frequent: int | None
    start_id: int


@dataclass
class RecurrentState:
    """The states of several outputs.

    Attributes:
        sources: <int64>[rows], the source of each output.
        hidden: of each layer, <float32>[rows, size].
        cells: of each layer of an LSTM; of a GRU they are not used.
        read: what attention reads of the sources: keys, values and offsets <float32>[rows, 1, source length].
        weights: <float32>[rows, source length], the attention with which the next entries are predicted; empty without
            attention.
    """

    sources: Array
    hidden: list[Array]
    cells: list[Array]
    read: tuple[Array, ...]
    weights: Array = field(default_factory=lambda: np.zeros((0, 0), np.float32))


class RecurrentWriter:
    """Rates the next entry of outputs for sources that were read before; a `NextTokenModel`.

    Its prompts are empty, one for each source.
    """

    def __init__(self, parts: Arrays, shape: RecurrentShape, sources: SourceStates) -> None:
        """Take the tensors <float32> of a `paddle_tasks.models.seq2seq.recurrent.RecurrentModel` by name."""
        self._shape = shape
        self._words, self._combine = parts["words.weight"], read_pair(parts, "combine")
        self._output = read_output(parts, shape.n_frequent)
        n_layers = sum(name.startswith("starts.") for name in parts) // 2
        self._cells = [read_cell(parts, shape.cell, f"decoder.{number}.") for number in range(n_layers)]
        last = sources.states[:, -1] if sources.last is None else sources.last
        self._starts = [np.tanh(apply_map(last, read_pair(parts, f"starts.{number}"))) for number in range(n_layers)]
        self._queries = None if shape.attention == "none" else read_pair(parts, "attend.queries")
        self._vector = parts.get("attend.vector")
        self._read = self._readable(parts, sources)

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[RecurrentState, Array]:
        """Return the states after the start entry, and the log-probabilities of the first entries."""
        check_prompts(prompts, len(self._starts[0]))
        cells = [np.zeros_like(hidden) for hidden in self._starts]
        state = RecurrentState(np.arange(len(prompts)), list(self._starts), cells, self._read)
        return self.advance(state, [self._shape.start_id] * len(prompts))

    def advance(self, state: RecurrentState, tokens: Sequence[int]) -> tuple[RecurrentState, Array]:
        """Append one entry to each row; return the states and the log-probabilities of the entries after it."""
        states = self._step(state, 0, self._words[np.asarray(tokens, np.int64)])
        contexts = [] if self._queries is None else [self._attend(state, apply_map(states, self._queries))]
        read = np.concatenate([states, *contexts], axis=-1)
        for number in range(1, len(self._cells)):
            read = states = self._step(state, number, read)
        if len(self._cells) > 1:
            read = np.concatenate([states, *contexts], axis=-1)
        return state, self._output.log_probs(np.tanh(apply_map(read, self._combine)))

    def select(self, state: RecurrentState, rows: Sequence[int]) -> RecurrentState:
        """Return the states of these rows; arrays of sources are only copied if other sources are left."""
        index = np.asarray(rows, np.int64)
        sources = state.sources[index]
        same = np.array_equal(sources, state.sources)
        read = state.read if same else tuple(array[index] for array in state.read)
        return RecurrentState(sources, [h[index] for h in state.hidden], [c[index] for c in state.cells], read)

    def _readable(self, parts: Arrays, sources: SourceStates) -> tuple[Array, ...]:
        if self._shape.attention == "none":
            return ()
        keys = sources.states
        if self._shape.attention == "additive":
            keys = apply_map(keys, read_pair(parts, "attend.keys"))
        return keys, sources.states, sources.offsets[:, 0]

    def _attend(self, state: RecurrentState, queries: Array) -> Array:
        """Return the contexts <float32>[rows, source width] of queries <float32>[rows, size]."""
        keys, values, offsets = state.read
        if self._vector is None:
            scores = queries[:, None] @ keys.swapaxes(1, 2)
        else:
            scores = (np.tanh(queries[:, None] + keys) @ self._vector)[:, None]
        scores += offsets
        softmax(scores)
        state.weights = scores[:, 0]
        contexts: Array = (scores @ values)[:, 0]
        return contexts

    def _step(self, state: RecurrentState, number: int, inputs: Array) -> Array:
        """Return the hidden states <float32>[rows, size] of a layer after its next inputs."""
        cell, hidden = self._cells[number], state.hidden[number]
        maps = apply_map(inputs, cell.of_inputs), apply_map(hidden, cell.of_states)
        state.hidden[number], state.cells[number] = cell.step(*maps, hidden, state.cells[number])
        return state.hidden[number]
