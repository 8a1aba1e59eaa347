"""Graphs as static programs of Paddle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.graphs.graph import Cell, Graph, Kind, Operand, Recurrence, RecurrentLayer, Value
from paddle_tasks.models.graphs.network import Network

_MAX_SIZE = 2**31 - 1
_MIN_PARAMETER = 64
"""Arrays of floats with fewer elements become constants of the program instead of parameters."""
_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": paddle.add,
    "subtract": paddle.subtract,
    "multiply": paddle.multiply,
    "modulo": paddle.mod,
    "minimum": paddle.minimum,
    "maximum": paddle.maximum,
    "less": paddle.less_than,
    "less_equal": paddle.less_equal,
    "equal": paddle.equal,
    "both": paddle.logical_and,
    "either": paddle.logical_or,
    "invert": paddle.logical_not,
    "relu": functional.relu,
    "tanh": paddle.tanh,
    "sigmoid": functional.sigmoid,
    "erf": paddle.erf,
    "exp": paddle.exp,
    "sqrt": paddle.sqrt,
    "absolute": paddle.abs,
}
_CELLS: Mapping[Cell, Any] = {"rnn": nn.SimpleRNN, "gru": nn.GRU, "lstm": nn.LSTM}


def write(network: Network, folder: Path) -> list[str]:
    """Write a network as NAME.json and NAME.pdiparams into a folder, and return the names of its outputs.

    Raises:
        ConfigError: the network has a part that cannot be described.
    """
    with _static_mode() as (program, startup):
        graph = PaddleGraph()
        inputs = {
            name: paddle.static.data(name, [axis if isinstance(axis, int) else None for axis in one.axes], one.kind)
            for name, one in network.inputs.items()
        }
        outputs = network.build(graph, inputs)
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(startup)
        graph.fill_parameters()
        fetched = list(outputs.values())
        paddle.static.save_inference_model(
            str(folder / network.name), list(inputs.values()), fetched, executor, program=program
        )
    return list(outputs)


@contextmanager
def _static_mode() -> Iterator[tuple[Any, Any]]:
    """Build a program of its own within the block, whose variables are dropped at its end."""
    program, startup = paddle.static.Program(), paddle.static.Program()
    paddle.enable_static()
    try:
        with (
            paddle.static.scope_guard(paddle.static.Scope()),
            paddle.static.program_guard(program, startup),
            paddle.utils.unique_name.guard(),
        ):
            yield program, startup
    finally:
        paddle.disable_static()


class PaddleGraph(Graph):
    """Adds operations to the current static program; a value is one of its variables."""

    def __init__(self) -> None:
        self._parameters: dict[str, Array] = {}
        self._has_recurrent = False

    def fill_parameters(self) -> None:
        """Give the parameters their values, in the current scope."""
        scope = paddle.static.global_scope()
        for name, array in self._parameters.items():
            scope.find_var(name).get_tensor().set(array, paddle.CPUPlace())

    # ---- constants and sizes

    def constant(self, value: Operand) -> Value:
        """See `Graph.constant`."""
        if not isinstance(value, (np.ndarray, np.generic, int, float)):
            return value
        array = np.asarray(value, np.float32 if isinstance(value, float) else None)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        if array.dtype != np.float32 or array.size < _MIN_PARAMETER:
            return paddle.assign(array) if array.ndim else paddle.full([], array.item(), str(array.dtype))
        parameter = paddle.static.create_parameter(list(array.shape), "float32")
        self._parameters[parameter.name] = np.ascontiguousarray(array)
        return parameter

    def size(self, value: Value, axis: int) -> Value:
        """See `Graph.size`."""
        return paddle.shape(value)[axis].astype("int64")

    def arange(self, size: Value) -> Value:
        """See `Graph.arange`."""
        return paddle.arange(0, size, 1, dtype="int64")

    def cast(self, value: Value, kind: Kind) -> Value:
        """See `Graph.cast`."""
        return paddle.cast(value, kind)

    # ---- one element at a time

    def apply(self, name: str, *operands: Operand) -> Value:
        """See `Graph.apply`."""
        values = [self.constant(operand) for operand in operands]
        if name == "divide":
            is_whole = values[0].dtype == paddle.int64
            return paddle.floor_divide(*values) if is_whole else paddle.divide(*values)
        return _OPERATIONS[name](*values)

    def where(self, condition: Value, chosen: Operand, other: Operand) -> Value:
        """See `Graph.where`."""
        return paddle.where(condition, self.constant(chosen), self.constant(other))

    # ---- along axes

    def matmul(self, first: Value, second: Operand) -> Value:
        """See `Graph.matmul`."""
        return paddle.matmul(first, self.constant(second))

    def layer_norm(self, value: Value, weight: Array, bias: Array, epsilon: float) -> Value:
        """See `Graph.layer_norm`."""
        sides = [self._parameter(array) for array in (weight, bias)]
        return functional.layer_norm(value, [len(weight)], *sides, epsilon)

    def softmax(self, value: Value, *, log: bool = False) -> Value:
        """See `Graph.softmax`."""
        return functional.log_softmax(value, axis=-1) if log else functional.softmax(value, axis=-1)

    def total(self, value: Value, axis: int, *, keep: bool = False) -> Value:
        """See `Graph.total`."""
        return paddle.sum(value, axis=axis, keepdim=keep)

    def highest(self, value: Value, axis: int) -> Value:
        """See `Graph.highest`."""
        return paddle.max(value, axis=axis)

    # ---- moving elements

    def gather(self, table: Operand, indices: Value) -> Value:
        """See `Graph.gather`."""
        return paddle.gather_nd(self.constant(table), indices.unsqueeze(-1))

    def take_along(self, value: Value, indices: Value) -> Value:
        """See `Graph.take_along`."""
        return paddle.take_along_axis(value, indices, axis=1, broadcast=False)

    def concat(self, values: Sequence[Operand], axis: int) -> Value:
        """See `Graph.concat`."""
        return paddle.concat([self.constant(value) for value in values], axis=axis)

    def cut(self, value: Value, axis: int, start: int, end: int | None = None) -> Value:
        """See `Graph.cut`."""
        place = axis % len(value.shape)
        return paddle.slice(value, [place], [start], [_MAX_SIZE if end is None else end])

    def reshape(self, value: Value, shape: Sequence[int | Value]) -> Value:
        """See `Graph.reshape`."""
        return paddle.reshape(value, list(shape))

    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """See `Graph.transpose`."""
        return paddle.transpose(value, list(axes))

    def expand(self, value: Value, axis: int) -> Value:
        """See `Graph.expand`."""
        return paddle.unsqueeze(value, axis)

    def squeeze(self, value: Value, axis: int) -> Value:
        """See `Graph.squeeze`."""
        return paddle.squeeze(value, axis)

    def pad(self, value: Value, before: int, after: int) -> Value:
        """See `Graph.pad`."""
        return functional.pad(value, [before, after], data_format="NLC")

    def recurrent(
        self, layer: RecurrentLayer, inputs: Value, lengths: Value | None, initial: Sequence[Value]
    ) -> Recurrence:
        """See `Graph.recurrent`.

        Raises:
            ConfigError: it is not the first one; Paddle 3.3 writes several into a file that it cannot read.
        """
        if self._has_recurrent:
            raise ConfigError(_("--format paddle: a network of several recurrent layers; --format onnx takes it"))
        self._has_recurrent = True
        first = layer.directions[0]
        direction = "forward" if len(layer.directions) == 1 else "bidirect"
        program = _CELLS[layer.cell](first.of_inputs[0].shape[1], first.size, direction=direction)
        for number, side in enumerate(layer.directions):
            suffix = "_reverse" if number else ""
            sides = zip(("ih", "hh"), (side.of_inputs, side.of_states), strict=True)
            for name, (weight, bias) in sides:
                self._parameters[getattr(program, f"weight_{name}_l0{suffix}").name] = weight
                self._parameters[getattr(program, f"bias_{name}_l0{suffix}").name] = bias
        is_lstm = layer.cell == "lstm"
        given = None if not initial else tuple(initial) if is_lstm else initial[0]
        states, last = program(inputs, given, lengths)
        hidden, cells = last if is_lstm else (last, None)
        return Recurrence(states, hidden, cells)

    def _parameter(self, array: Array) -> Value:
        parameter = paddle.static.create_parameter(list(array.shape), "float32")
        self._parameters[parameter.name] = np.ascontiguousarray(array, np.float32)
        return parameter
