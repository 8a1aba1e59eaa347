"""The decoder of a recurrent encoder-decoder on numpy arrays, one position after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.operations import Arrays, Linear, apply_map, read_output, softmax
from paddle_tasks.models.paddle_free.sources import SourceStates, check_prompts


class RecurrentShape(NamedTuple):
    """What the tensors of a decoder do not tell.

    Attributes:
        cell: of all layers.
        attention: ``none``, ``additive`` or ``multiplicative``.
        n_frequent: see `paddle_tasks.models.tied_output.TiedOutput`.
        start_id: the entry before each output.
    """

    cell: Literal["gru", "lstm"]
    attention: Literal["none", "additive", "multiplicative"]
    n_frequent: int | None
    start_id: int


class _Cell(NamedTuple):
    """The maps of a layer to its gates, in Paddle's order."""

    of_inputs: Linear
    of_states: Linear


@dataclass
class RecurrentState:
    """The states of several outputs.

    Attributes:
        sources: <int64>[rows], the source of each output.
        hidden: of each layer, <float32>[rows, size].
        cells: of each layer of an LSTM; of a GRU they are not used.
        read: what attention reads of the sources: keys, values and offsets <float32>[rows, 1, source length].
    """

    sources: Array
    hidden: list[Array]
    cells: list[Array]
    read: tuple[Array, ...]


class RecurrentWriter:
    """Rates the next entry of outputs for sources that were read before; a `NextTokenModel`.

    Its prompts are empty, one for each source.
    """

    def __init__(self, arrays: Arrays, shape: RecurrentShape, sources: SourceStates) -> None:
        """Take the tensors of a `paddle_tasks.models.seq2seq.recurrent.RecurrentModel` by name."""
        self._shape = shape
        parts = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        self._words, self._combine = parts["words.weight"], _pair(parts, "combine")
        self._output = read_output(parts, shape.n_frequent)
        n_layers = sum(name.startswith("starts.") for name in parts) // 2
        self._cells = [_read_cell(parts, f"decoder.{number}.") for number in range(n_layers)]
        last = sources.states[:, -1] if sources.last is None else sources.last
        self._starts = [np.tanh(apply_map(last, _pair(parts, f"starts.{number}"))) for number in range(n_layers)]
        self._queries = None if shape.attention == "none" else _pair(parts, "attend.queries")
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
        contexts = [] if self._queries is None else [self._attend(apply_map(states, self._queries), state.read)]
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
            keys = apply_map(keys, _pair(parts, "attend.keys"))
        return keys, sources.states, sources.offsets[:, 0]

    def _attend(self, queries: Array, read: tuple[Array, ...]) -> Array:
        """Return the contexts <float32>[rows, source width] of queries <float32>[rows, size]."""
        keys, values, offsets = read
        if self._vector is None:
            scores = queries[:, None] @ keys.swapaxes(1, 2)
        else:
            scores = (np.tanh(queries[:, None] + keys) @ self._vector)[:, None]
        scores += offsets
        softmax(scores)
        contexts: Array = (scores @ values)[:, 0]
        return contexts

    def _step(self, state: RecurrentState, number: int, inputs: Array) -> Array:
        """Return the hidden states <float32>[rows, size] of a layer after its next inputs."""
        cell, hidden = self._cells[number], state.hidden[number]
        of_inputs, of_states = apply_map(inputs, cell.of_inputs), apply_map(hidden, cell.of_states)
        if self._shape.cell == "gru":
            state.hidden[number] = _gru(of_inputs, of_states, hidden)
        else:
            state.hidden[number], state.cells[number] = _lstm(of_inputs + of_states, state.cells[number])
        return state.hidden[number]


def _gru(of_inputs: Array, of_states: Array, hidden: Array) -> Array:
    """Return the next hidden states; the gates are reset, update and candidate."""
    first, second = (np.split(values, 3, axis=-1) for values in (of_inputs, of_states))
    reset, update = expit(first[0] + second[0]), expit(first[1] + second[1])
    candidate = np.tanh(first[2] + reset * second[2])
    result: Array = candidate + update * (hidden - candidate)
    return result


def _lstm(gates: Array, cells: Array) -> tuple[Array, Array]:
    """Return the next hidden states and cells; the gates are input, forget, candidate and output."""
    entry, forget, candidate, output = np.split(gates, 4, axis=-1)
    cells = expit(forget) * cells + expit(entry) * np.tanh(candidate)
    return expit(output) * np.tanh(cells), cells


def _read_cell(parts: Arrays, prefix: str) -> _Cell:
    pairs = [(parts[f"{prefix}weight_{side}_l0"].T, parts[f"{prefix}bias_{side}_l0"]) for side in ("ih", "hh")]
    return _Cell(*pairs)


def _pair(parts: Arrays, name: str) -> Linear:
    return parts[f"{name}.weight"], parts[f"{name}.bias"]
