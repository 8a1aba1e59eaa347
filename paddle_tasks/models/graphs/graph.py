"""The operations of which networks are built; each format of a graph has its own implementation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from paddle_tasks.arrays import Array

Value = Any
"""A tensor of the graph that is being built."""

Operand = Any
"""A `Value`, an array that becomes a constant of the graph, or a number."""

Kind = Literal["float32", "int64", "bool"]
Cell = Literal["rnn", "gru", "lstm"]


class Direction(NamedTuple):
    """One direction of a recurrent layer, in Paddle's order of gates.

    Attributes:
        of_inputs: weight <float32>[gates * size, inputs] and bias <float32>[gates * size].
        of_states: weight <float32>[gates * size, size] and bias, likewise.
    """

    of_inputs: tuple[Array, Array]
    of_states: tuple[Array, Array]

    @property
    def size(self) -> int:
        """The width of the hidden states."""
        return int(self.of_states[0].shape[1])


class RecurrentLayer(NamedTuple):
    """A recurrent layer.

    Attributes:
        cell: its kind.
        directions: forward and perhaps backward.
    """

    cell: Cell
    directions: tuple[Direction, ...]


class Recurrence(NamedTuple):
    """What a recurrent layer leaves.

    Attributes:
        states: <float32>[batch, length, directions * size].
        hidden: <float32>[directions, batch, size], the last hidden states.
        cells: as ``hidden``, those of an LSTM.
    """

    states: Value
    hidden: Value
    cells: Value | None


class Graph(ABC):
    """Adds operations to a graph. Every axis whose size is not a constant of the network stays free."""

    # ---- constants and sizes

    @abstractmethod
    def constant(self, value: Operand) -> Value:
        """Return an array or a number as a value; a value is returned as it is."""

    @abstractmethod
    def size(self, value: Value, axis: int) -> Value:
        """Return the size of an axis, <int64>[]."""

    @abstractmethod
    def arange(self, size: Value) -> Value:
        """Return the numbers below a size <int64>[], <int64>[size]."""

    @abstractmethod
    def cast(self, value: Value, kind: Kind) -> Value:
        """Return the values as another type."""

    # ---- one element at a time

    @abstractmethod
    def apply(self, name: str, *operands: Operand) -> Value:
        """Return the result of an operation on each element, with numpy's broadcasting.

        Args:
            name: ``add``, ``subtract``, ``multiply``, ``divide``, ``modulo``, ``minimum``, ``maximum``, ``less``,
                ``less_equal``, ``equal``, ``both``, ``either``, ``invert``, ``relu``, ``tanh``, ``sigmoid``, ``erf``,
                ``exp``, ``sqrt`` or ``absolute``.
            *operands: one or two.
        """

    @abstractmethod
    def where(self, condition: Value, chosen: Operand, other: Operand) -> Value:
        """Return the elements of ``chosen`` where a <bool> is true, and those of ``other`` elsewhere."""

    # ---- along axes

    @abstractmethod
    def matmul(self, first: Value, second: Operand) -> Value:
        """Return the product of the last two axes; the others are broadcast."""

    @abstractmethod
    def layer_norm(self, value: Value, weight: Array, bias: Array, epsilon: float) -> Value:
        """Return the values, normalised over the last axis."""

    @abstractmethod
    def softmax(self, value: Value, *, log: bool = False) -> Value:
        """Return probabilities, or their logarithms, over the last axis."""

    @abstractmethod
    def total(self, value: Value, axis: int, *, keep: bool = False) -> Value:
        """Return the sum over an axis, which is kept with size 1 if so asked."""

    @abstractmethod
    def highest(self, value: Value, axis: int) -> Value:
        """Return the maximum <float32> over an axis."""

    # ---- moving elements

    @abstractmethod
    def gather(self, table: Operand, indices: Value) -> Value:
        """Return the rows of a table, of shape [*indices, *row]."""

    @abstractmethod
    def take_along(self, value: Value, indices: Value) -> Value:
        """Return the elements of <...>[batch, length] at indices <int64>[batch, n] of each row."""

    @abstractmethod
    def concat(self, values: Sequence[Operand], axis: int) -> Value:
        """Return values side by side."""

    @abstractmethod
    def cut(self, value: Value, axis: int, start: int, end: int | None = None) -> Value:
        """Return the indices [start, end) of an axis; None is its end."""

    @abstractmethod
    def reshape(self, value: Value, shape: Sequence[int | Value]) -> Value:
        """Return the values in another shape of numbers and sizes <int64>[]; 0 keeps an axis, -1 takes the rest."""

    @abstractmethod
    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """Return the axes in another order."""

    @abstractmethod
    def expand(self, value: Value, axis: int) -> Value:
        """Return the values with a new axis of size 1."""

    @abstractmethod
    def squeeze(self, value: Value, axis: int) -> Value:
        """Return the values without an axis of size 1."""

    @abstractmethod
    def pad(self, value: Value, before: int, after: int) -> Value:
        """Return <float32>[batch, length, width] with positions of zeros before and after the others."""

    @abstractmethod
    def recurrent(
        self, layer: RecurrentLayer, inputs: Value, lengths: Value | None, initial: Sequence[Value]
    ) -> Recurrence:
        """Return the states of a recurrent layer, which stops at the length of each row.

        Args:
            layer: its weights.
            inputs: <float32>[batch, length, inputs].
            lengths: <int64>[batch]; None: all rows are as long as the inputs.
            initial: hidden states and, of an LSTM, cells <float32>[directions, batch, size]; none: zeros.
        """

    # ---- what is made of these

    def add(self, *operands: Operand) -> Value:
        """Return the sum of two or more operands."""
        total = operands[0]
        for other in operands[1:]:
            total = self.apply("add", total, other)
        return total

    def linear(self, value: Value, weight: Array, bias: Array) -> Value:
        """Return <float32>[..., outputs] of <float32>[..., inputs]."""
        return self.add(self.matmul(value, np.ascontiguousarray(weight, np.float32)), bias)

    def activate(self, name: str, value: Value) -> Value:
        """Return the values after ``relu``, ``gelu``, ``gelu_tanh`` or ``silu``."""
        if name == "relu":
            return self.apply("relu", value)
        if name == "silu":
            return self.apply("multiply", value, self.apply("sigmoid", value))
        if name == "gelu":
            inner = self.apply("erf", self.apply("divide", value, float(np.sqrt(2))))
        else:
            cube = self.apply("multiply", self.apply("multiply", value, value), value)
            shifted = self.add(value, self.apply("multiply", cube, 0.044715))
            inner = self.apply("tanh", self.apply("multiply", shifted, float(np.sqrt(2 / np.pi))))
        return self.apply("multiply", self.apply("multiply", value, self.add(inner, 1.0)), 0.5)

    def is_real(self, lengths: Value, like: Value) -> Value:
        """Return <bool>[batch, length], true at the positions of ``like`` <...>[batch, length, ...] below a length."""
        return self.apply("less", self.arange(self.size(like, 1)), self.expand(lengths, 1))
