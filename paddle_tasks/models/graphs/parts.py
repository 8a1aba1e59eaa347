"""The parts that several networks have: tensors by name, attention, recurrent layers, tied output layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.graphs.graph import Cell, Direction, Graph, Recurrence, RecurrentLayer, Value

NO_ATTENTION = -1e9
"""What is added to the score of a key that gets no attention."""

EPSILON = 1e-5
"""Of the layer normalisations of this project's own Transformers."""

CELLS: Mapping[str, Cell] = {"rnn": "rnn", "gru": "gru", "lstm": "lstm", "bilstm": "lstm"}
"""The cell of each recurrent encoder."""


@dataclass(frozen=True)
class Parts:
    """The tensors of a network by name, below a prefix.

    Attributes:
        arrays: all tensors.
        prefix: what their names begin with.
    """

    arrays: Mapping[str, Array]
    prefix: str = ""

    def __getitem__(self, name: str) -> Array:
        return np.ascontiguousarray(self.arrays[self.prefix + name], np.float32)

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.arrays

    def below(self, name: str) -> Parts:
        """Return the tensors whose names begin with a further part."""
        return Parts(self.arrays, self.prefix + name)

    def pair(self, name: str) -> tuple[Array, Array]:
        """Return the weight and the bias of a map or a norm."""
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def count(self, ending: str) -> int:
        """Return how many of the names have an ending."""
        return sum(name.startswith(self.prefix) and name.endswith(ending) for name in self.arrays)


def split_heads(graph: Graph, value: Value, n_heads: int, n_parts: int = 1) -> list[Value]:
    """Return projections side by side <float32>[batch, length, n_parts * width] as heads.

    Returns:
        ``n_parts`` values <float32>[batch, n_heads, length, size].
    """
    parts = graph.transpose(graph.reshape(value, (0, 0, n_parts, n_heads, -1)), (2, 0, 3, 1, 4))
    return [graph.squeeze(graph.cut(parts, 0, number, number + 1), 0) for number in range(n_parts)]


def attend(graph: Graph, queries: Value, keys: Value, values: Value, offsets: Value | None) -> tuple[Value, Value]:
    """Return contexts <float32>[batch, queries, width] and weights <float32>[batch, n_heads, queries, keys].

    Args:
        graph: the graph.
        queries: <float32>[batch, n_heads, queries, size].
        keys: <float32>[batch, n_heads, keys, size].
        values: as ``keys``.
        offsets: what is added to the scores, <float32>[batch or 1, 1, queries or 1, keys].
    """
    size = graph.cast(graph.size(queries, 3), "float32")
    scores = graph.matmul(
        graph.apply("divide", queries, graph.apply("sqrt", size)), graph.transpose(keys, (0, 1, 3, 2))
    )
    weights = graph.softmax(scores if offsets is None else graph.add(scores, offsets))
    contexts = graph.transpose(graph.matmul(weights, values), (0, 2, 1, 3))
    return graph.reshape(contexts, (0, 0, -1)), weights


def hide(graph: Graph, visible: Value, offset: float = NO_ATTENTION) -> Value:
    """Return what to add to scores, of the shape of ``visible`` <bool>: 0 where it is true."""
    return graph.where(visible, 0.0, offset)


def run_recurrent(
    graph: Graph, parts: Parts, cell: Cell, inputs: Value, lengths: Value | None, initial: Sequence[Value] = ()
) -> Recurrence:
    """Return the states of a stack of recurrent layers, as of `paddle.nn.LSTM`; the last ones are of the top layer.

    Args:
        graph: the graph.
        parts: its tensors.
        cell: the kind of the layers.
        inputs: <float32>[batch, length, inputs].
        lengths: <int64>[batch]; None: all rows are as long as the inputs.
        initial: see `Graph.recurrent`; for a stack of one layer only.
    """
    states, found = inputs, None
    is_bidirectional = "weight_ih_l0_reverse" in parts
    for number in range(_n_layers(parts)):
        suffixes = [f"l{number}", *([f"l{number}_reverse"] if is_bidirectional else [])]
        layer = RecurrentLayer(cell, tuple(_direction(parts, suffix) for suffix in suffixes))
        found = graph.recurrent(layer, states, lengths, initial)
        states = found.states
    if found is None:
        raise LookupError(f"{parts.prefix}weight_ih_l0")
    return found


def both_ends(graph: Graph, found: Recurrence, n_directions: int) -> Value:
    """Return the last hidden states <float32>[batch, directions * size]."""
    sides = [graph.squeeze(graph.cut(found.hidden, 0, number, number + 1), 0) for number in range(n_directions)]
    return graph.concat(sides, 1)


def _n_layers(parts: Parts) -> int:
    number = 0
    while f"weight_ih_l{number}" in parts:
        number += 1
    return number


def _direction(parts: Parts, suffix: str) -> Direction:
    of_inputs, of_states = ((parts[f"weight_{side}_{suffix}"], parts[f"bias_{side}_{suffix}"]) for side in ("ih", "hh"))
    return Direction(of_inputs, of_states)


def tied_log_probs(graph: Graph, states: Value, vectors: Array, parts: Parts, n_frequent: int | None) -> Value:
    """Return the log-probability of each word; see `paddle_tasks.models.tied_output.TiedOutput`.

    Args:
        graph: the graph.
        states: <float32>[..., width].
        vectors: <float32>[at least n_words, width].
        parts: the tensors of the output layer.
        n_frequent: the number of frequent words; None for a single softmax.

    Returns:
        <float32>[..., n_words].
    """
    bias = parts["bias"]
    vectors = vectors[: len(bias)]
    if "rare_bias" not in parts or n_frequent is None:
        return graph.softmax(graph.linear(states, vectors.T, bias), log=True)
    n = n_frequent
    first_vectors = np.concatenate([vectors[:n], parts["rare_vector"]])
    first_bias = np.concatenate([bias[:n], parts["rare_bias"]])
    first = graph.softmax(graph.linear(states, first_vectors.T, first_bias), log=True)
    rare = graph.softmax(graph.linear(states, vectors[n:].T, bias[n:]), log=True)
    return graph.concat([graph.cut(first, -1, 0, n), graph.add(graph.cut(first, -1, n), rare)], -1)
