"""The recurrent layers of a trained model on numpy arrays."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import expit

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free.operations import Arrays, Linear

CellKind = Literal["gru", "lstm"]


class Cell(NamedTuple):
    """The maps of a recurrent layer to its gates, in Paddle's order.

    Attributes:
        kind: of the layer.
        of_inputs: weight <float32>[inputs, gates * size] and bias.
        of_states: weight <float32>[size, gates * size] and bias.
    """

    kind: CellKind
    of_inputs: Linear
    of_states: Linear

    @property
    def size(self) -> int:
        """The width of the hidden states."""
        return len(self.of_states[0])

    def step(self, of_inputs: Array, of_states: Array, hidden: Array, cells: Array) -> tuple[Array, Array]:
        """Return the next hidden states and cells <float32>[rows, size]; the cells of a GRU stay.

        Args:
            of_inputs: <float32>[rows, gates * size], the map of the next inputs.
            of_states: as ``of_inputs``, the map of the hidden states.
            hidden: <float32>[rows, size].
            cells: as ``hidden``.
        """
        if self.kind == "gru":
            return _gru(of_inputs, of_states, hidden), cells
        return _lstm(of_inputs + of_states, cells)


def read_cell(parts: Arrays, kind: CellKind, prefix: str, suffix: str = "l0") -> Cell:
    """Return the layer whose tensors have names such as ``PREFIXweight_ih_SUFFIX``."""
    pairs = [
        (parts[f"{prefix}weight_{side}_{suffix}"].T, parts[f"{prefix}bias_{side}_{suffix}"]) for side in ("ih", "hh")
    ]
    return Cell(kind, *pairs)


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
