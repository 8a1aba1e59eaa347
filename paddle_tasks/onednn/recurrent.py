"""One recurrent layer in one direction on numpy arrays, forward and backward, in float32 or bfloat16.

Arrays begin with the time: [time, batch, size]. In bfloat16, inputs, weights and hidden states are rounded to it; the
gates, the cells of an LSTM and all gradients are float32.
"""

from __future__ import annotations

from ctypes import c_float, c_void_p
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.execution import Builder, Primitive, keep
from paddle_tasks.onednn.linear_map import as_type_of
from paddle_tasks.onednn.primitives import ACTIVATIONS

Kind = Literal["rnn", "gru", "lstm"]
"""The layers, as Paddle defines them: an `rnn` has tanh, a `gru` multiplies by the reset gate after the product."""

_INFERENCE, _TRAINING, _BACKWARD = 96, 64, 128
_LEFT_TO_RIGHT, _NO_FLAGS = 1, 0
_INPUTS, _HIDDEN, _CELLS = 1, 2, 3
_INPUT_WEIGHT, _STATE_WEIGHT, _BIAS = 33, 34, 41
_STATES, _LAST_HIDDEN, _LAST_CELLS = 17, 18, 19
_WORKSPACE = 64
_GRADIENT = 128  # added to the number of an argument, it gives that of its gradient
_WEIGHTS = {_INPUT_WEIGHT, _STATE_WEIGHT}
_WEIGHT_GRADIENTS = {_GRADIENT + number for number in _WEIGHTS}
_FROM, _TO = 1, 17  # of a reorder


class Parameters(NamedTuple):
    """The parameters of a layer or their gradients, <float32>, with the gates in Paddle's order.

    Attributes:
        input_weight: [gates * size, inputs].
        state_weight: [gates * size, size].
        input_bias: [gates * size].
        state_bias: [gates * size].
    """

    input_weight: Array
    state_weight: Array
    input_bias: Array
    state_bias: Array


class State(NamedTuple):
    """The state between two steps or its gradient, <float32>[batch, size] each; only an LSTM has cells."""

    hidden: Array
    cells: Array | None = None


class Gradients(NamedTuple):
    """The gradients of the inputs <float32>[time, batch, inputs], the parameters and the initial state."""

    inputs: Array
    parameters: Parameters
    initial: State


class _Cell(NamedTuple):
    """How oneDNN computes a kind of layer.

    Attributes:
        function: the name in oneDNN's functions.
        gates: for each of oneDNN's gates, its index in Paddle's order; the inverse permutation is the same.
        state_biases: for each of oneDNN's gates, which of oneDNN's biases the bias of the recurrent product is added
            to. A GRU has a bias of its own for the candidate, where the reset gate multiplies it.
    """

    function: str
    gates: tuple[int, ...]
    state_biases: tuple[int, ...]

    @property
    def n_biases(self) -> int:
        return self.state_biases[-1] + 1

    @property
    def has_cells(self) -> bool:
        return self.function == "lstm"

    def reorder(self, values: Array) -> Array:
        """Return [gates * size, ...] in the other library's order of gates."""
        if self.gates == tuple(range(len(self.gates))):
            return values
        gates = values.reshape(len(self.gates), -1, *values.shape[1:])
        return gates[list(self.gates)].reshape(values.shape)

    def join_biases(self, of_inputs: Array, of_states: Array) -> Array:
        """Return oneDNN's biases <float32>[n_biases, size] from Paddle's <float32>[gates * size]."""
        n_gates = len(self.gates)
        joined = np.zeros((self.n_biases, len(of_inputs) // n_gates), np.float32)
        joined[:n_gates] = self.reorder(of_inputs).reshape(n_gates, -1)
        joined[list(self.state_biases)] += self.reorder(of_states).reshape(n_gates, -1)
        return joined

    def split_biases(self, gradient: Array) -> tuple[Array, Array]:
        """Return the gradients of the biases that `join_biases` joined."""
        of_inputs, of_states = gradient[: len(self.gates)], gradient[list(self.state_biases)]
        return self.reorder(of_inputs.reshape(-1)), self.reorder(of_states.reshape(-1))


_CELL: dict[Kind, _Cell] = {
    "rnn": _Cell("vanilla_rnn", (0,), (0,)),
    "gru": _Cell("lbr_gru", (1, 0, 2), (0, 1, 3)),  # Paddle: reset, update, candidate; oneDNN: update, reset, candidate
    "lstm": _Cell("lstm", (0, 1, 2, 3), (0, 1, 2, 3)),  # input, forget, candidate, output
}


class _Shape(NamedTuple):
    """What a layer's primitives depend on; ``dtype`` is the type of inputs and states, as numpy's letter for it."""

    cell: _Cell
    dtype: str
    time: int
    batch: int
    inputs: int
    size: int

    def arguments(self, dtype: str) -> dict[int, Array]:
        """Return an array for each argument of a forward pass, in oneDNN's order, or for each of their gradients.

        Args:
            dtype: the type of inputs and states.
        """
        n_gates, state = len(self.cell.gates), (1, 1, self.batch, self.size)
        arguments = {
            _INPUTS: np.empty((self.time, self.batch, self.inputs), dtype),
            _HIDDEN: np.empty(state, dtype),
            _CELLS: np.empty(state, np.float32),
            _INPUT_WEIGHT: _operand(np.empty((n_gates * self.size, self.inputs), np.float32), n_gates),
            _STATE_WEIGHT: _operand(np.empty((n_gates * self.size, self.size), np.float32), n_gates),
            _BIAS: np.empty((1, 1, self.cell.n_biases, self.size), np.float32),
            _STATES: np.empty((self.time, self.batch, self.size), dtype),
            _LAST_HIDDEN: np.empty(state, dtype),
            _LAST_CELLS: np.empty(state, np.float32),
        }
        left_out = set() if self.cell.has_cells else {_CELLS, _LAST_CELLS}
        return {number: array for number, array in arguments.items() if number not in left_out}

    def memories(self, build: Builder, dtype: str) -> list[c_void_p | None]:
        """Return the memory descriptors of `arguments`, as oneDNN's functions take them."""
        memories: list[c_void_p | None] = []
        for number, array in self.arguments(dtype).items():
            is_weight = number in _WEIGHTS
            memories.append(build.any_layout(dtype, *array.shape) if is_weight else build.memory(array))
            if number == _STATE_WEIGHT and self.cell.has_cells:
                memories += [None, None]  # oneDNN's LSTM may have peepholes and a projection
        return memories

    def describe(self, build: Builder, direction: str, *options: Any, hint: c_void_p | None = None) -> c_void_p:
        """Return the primitive descriptor of a pass.

        Args:
            build: makes it.
            direction: ``forward`` or ``backward``.
            options: the kind of pass, and its memory descriptors.
            hint: the descriptor of the forward pass, for the backward pass.
        """
        kind, *memories = options
        is_rnn = self.cell.function == "vanilla_rnn"
        activation = [ACTIVATIONS["tanh"]] if is_rnn else []
        slopes = [c_float(0), c_float(0)] if is_rnn else []
        hints = [] if hint is None else [hint]
        function = f"{self.cell.function}_{direction}"
        arguments = [kind, *activation, _LEFT_TO_RIGHT, *memories, _NO_FLAGS, *slopes, *hints, None]
        return build.describe(function, build.dnn.engine, *arguments)


def _operand(weight: Array, n_gates: int) -> Array:
    """Return a view of Paddle's weight [gates * size, inputs] with oneDNN's axes [1, 1, inputs, gates, size]."""
    return weight.reshape(n_gates, -1, weight.shape[1]).transpose(2, 0, 1)[None, None]


def _parameter(operand: Array) -> Array:
    """Undo `_operand`: return the array [gates * size, inputs]."""
    inputs, n_gates, size = operand.shape[2:]
    parameter: Array = operand[0, 0].transpose(1, 2, 0).reshape(n_gates * size, inputs)
    return parameter


class _Layout:
    """The layout that a pass chose for weights or their gradient."""

    def __init__(self, build: Builder, descriptor: c_void_p, number: int, plain: Array) -> None:
        self._n_bytes = build.n_bytes(descriptor, number)
        is_gradient = number > _GRADIENT
        layouts = [build.memory(plain), build.layout(descriptor, number)]
        source, target = reversed(layouts) if is_gradient else layouts
        reorder = build.describe("reorder", source, build.dnn.engine, target, build.dnn.engine, None)
        self._reorder = Primitive(build, reorder, [(_FROM, plain), (_TO, plain)], {_FROM if is_gradient else _TO})

    def zeros(self) -> Array:
        """Return zeros in this layout."""
        return np.zeros(self._n_bytes, np.uint8)

    def enter(self, plain: Array) -> Array:
        """Return plain weights in this layout."""
        weights = self.zeros()
        self._reorder([(_FROM, plain), (_TO, weights)])
        return weights

    def leave(self, gradient: Array, plain: Array) -> None:
        """Write a gradient in this layout to a plain array."""
        self._reorder([(_FROM, gradient), (_TO, plain)])


class _Pass:
    """A primitive of a layer, which copies the weights into the layouts that it chose.

    Attributes:
        n_workspace: the bytes that a forward pass leaves for the backward pass.
    """

    def __init__(self, build: Builder, descriptor: c_void_p, arguments: dict[int, Array]) -> None:
        self.n_workspace = build.n_bytes(descriptor, _WORKSPACE) if _WORKSPACE in arguments else 0
        self._layouts = {
            number: _Layout(build, descriptor, number, array)
            for number, array in arguments.items()
            if number in _WEIGHTS | _WEIGHT_GRADIENTS
        }
        self._numbers = list(arguments)
        self._primitive = Primitive(build, descriptor, list(arguments.items()), {_WORKSPACE, *self._layouts})

    def __call__(self, arguments: dict[int, Array]) -> None:
        """Execute it on plain arrays by the numbers of the arguments."""
        chosen = {
            number: layout.enter(arguments[number]) if number in _WEIGHTS else layout.zeros()  # oneDNN adds gradients
            for number, layout in self._layouts.items()
        }
        self._primitive([(number, chosen.get(number, arguments[number])) for number in self._numbers])
        for number in _WEIGHT_GRADIENTS & chosen.keys():
            self._layouts[number].leave(chosen[number], arguments[number])


def _forward_pass(shape: _Shape, *, keep_workspace: bool) -> _Pass:
    def make(build: Builder) -> _Pass:
        kind = _TRAINING if keep_workspace else _INFERENCE
        descriptor = shape.describe(build, "forward", kind, *shape.memories(build, shape.dtype))
        workspace = {_WORKSPACE: np.empty(0, np.uint8)} if keep_workspace else {}
        return _Pass(build, descriptor, shape.arguments(shape.dtype) | workspace)

    return keep(("recurrent", keep_workspace, shape), make)


def _backward_pass(shape: _Shape) -> _Pass:
    def make(build: Builder) -> _Pass:
        memories, gradients = shape.memories(build, shape.dtype), shape.memories(build, "f")
        hint = shape.describe(build, "forward", _TRAINING, *memories)
        descriptor = shape.describe(build, "backward", _BACKWARD, *memories, *gradients, hint=hint)
        arguments = shape.arguments(shape.dtype) | {_WORKSPACE: np.empty(0, np.uint8)}
        return _Pass(build, descriptor, arguments | _gradients(shape))

    return keep(("recurrent_gradient", shape), make)


def _gradients(shape: _Shape) -> dict[int, Array]:
    """Return an array for the gradient of each argument; oneDNN adds to that of the biases."""
    gradients = shape.arguments("f")
    gradients[_BIAS] = np.zeros_like(gradients[_BIAS])
    return {_GRADIENT + number: array for number, array in gradients.items()}


@dataclass
class Call:
    """One call of a layer, which keeps what its gradient needs.

    Attributes:
        states: [time, batch, size], the hidden state after each step, of the type of the inputs.
        cells: <float32>[batch, size], the cells of an LSTM after the last step; None for other layers.
    """

    states: Array
    cells: Array | None
    _shape: _Shape
    _arguments: dict[int, Array]

    @classmethod
    def compute(
        cls, kind: Kind, inputs: Array, parameters: Parameters, initial: State | None = None, *, keeps: bool = True
    ) -> Call:
        """Compute the states.

        Args:
            kind: of the layer.
            inputs: float32 or bfloat16 [time, batch, inputs], contiguous and not empty.
            parameters: contiguous.
            initial: the state before the first step; zeros by default.
            keeps: whether `backward` will be called.
        """
        cell, (time, batch, n_inputs) = _CELL[kind], inputs.shape
        shape = _Shape(cell, inputs.dtype.char, time, batch, n_inputs, parameters.state_weight.shape[1])
        forward = _forward_pass(shape, keep_workspace=keeps)
        weights = [_operand(cell.reorder(weight), len(cell.gates)) for weight in parameters[:2]]
        arguments = shape.arguments(shape.dtype)
        arguments |= _state(arguments, initial, _HIDDEN, _CELLS)
        arguments |= {_INPUTS: inputs, _INPUT_WEIGHT: weights[0], _STATE_WEIGHT: weights[1]}
        arguments[_BIAS] = cell.join_biases(*parameters[2:])
        arguments[_WORKSPACE] = np.empty(forward.n_workspace, np.uint8)
        forward(arguments)
        cells = arguments[_LAST_CELLS][0, 0] if cell.has_cells else None
        return cls(arguments[_STATES], cells, shape, arguments)

    def backward(self, states: Array, cells: Array | None = None) -> Gradients:
        """Return the gradients.

        Args:
            states: <float32>[time, batch, size], contiguous, the gradient of the states.
            cells: <float32>[batch, size], that of the cells after the last step; zeros by default.
        """
        cell, gradients = self._shape.cell, _gradients(self._shape)
        last = State(np.zeros(states.shape[1:], np.float32), cells)
        gradients |= _state(gradients, last, _GRADIENT + _LAST_HIDDEN, _GRADIENT + _LAST_CELLS)
        gradients[_GRADIENT + _STATES] = states
        _backward_pass(self._shape)(self._arguments | gradients)
        of = {number - _GRADIENT: array for number, array in gradients.items()}
        of_inputs, of_states = (cell.reorder(_parameter(of[number])) for number in (_INPUT_WEIGHT, _STATE_WEIGHT))
        parameters = Parameters(of_inputs, of_states, *cell.split_biases(of[_BIAS][0, 0]))
        initial = State(of[_HIDDEN][0, 0], of[_CELLS][0, 0] if cell.has_cells else None)
        return Gradients(of[_INPUTS], parameters, initial)


def _state(arguments: dict[int, Array], state: State | None, *numbers: int) -> dict[int, Array]:
    """Return a state as arguments of these numbers, with the shapes and types of ``arguments``; zeros by default."""
    found: dict[int, Array] = {}
    for number, values in zip(numbers, state or (None, None), strict=True):
        if number in arguments:
            like = arguments[number]
            given = np.zeros_like(like) if values is None else as_type_of(np.ascontiguousarray(values), like)
            found[number] = given.reshape(like.shape)
    return found
