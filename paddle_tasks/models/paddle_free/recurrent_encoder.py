"""The bidirectional encoder of a recurrent encoder-decoder on numpy arrays."""

from __future__ import annotations

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.cells import Cell, CellKind, read_cell
from paddle_tasks.models.paddle_free.operations import Arrays, apply_map
from paddle_tasks.models.paddle_free.sources import SourceStates, padding_offsets


def read_sources(parts: Arrays, kind: CellKind, ids: Array, lengths: Array) -> SourceStates:
    """Return the states of padded sources.

    Args:
        parts: the tensors of a `paddle_tasks.models.seq2seq.recurrent.RecurrentModel` by name.
        kind: of its layers.
        ids: <int64>[sources, length].
        lengths: <int64>[sources], the ids of each without padding, at least 1.
    """
    is_real = np.arange(ids.shape[1]) < lengths[:, None]
    states, last = parts["words.weight"][ids], ids[:, :0].astype(np.float32)
    for number in range(sum(name.startswith("encoder.weight_ih_l") for name in parts) // 2):
        forward = read_cell(parts, kind, "encoder.", f"l{number}")
        backward = read_cell(parts, kind, "encoder.", f"l{number}_reverse")
        one, last_one = _run(forward, states, is_real)
        other, last_other = _run(backward, states[:, ::-1], is_real[:, ::-1])
        states = np.concatenate([one, other[:, ::-1]], axis=-1)
        last = np.concatenate([last_one, last_other], axis=-1)
    return SourceStates(states, padding_offsets(is_real), last)


def _run(cell: Cell, inputs: Array, is_real: Array) -> tuple[Array, Array]:
    """Return the states <float32>[rows, length, size] of all positions, and the last ones <float32>[rows, size].

    Padding, before or after the inputs of a row, changes no state.
    """
    of_inputs = apply_map(inputs, cell.of_inputs)
    hidden = cells = np.zeros((len(inputs), cell.size), np.float32)
    states = np.empty((*inputs.shape[:2], cell.size), np.float32)
    for position in range(inputs.shape[1]):
        found = cell.step(of_inputs[:, position], apply_map(hidden, cell.of_states), hidden, cells)
        real = is_real[:, position, None]
        hidden, cells = np.where(real, found[0], hidden), np.where(real, found[1], cells)
        states[:, position] = hidden
    return states, hidden
