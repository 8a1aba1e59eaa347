"""Graphs in the ONNX format."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from paddle_tasks.arrays import Array
from paddle_tasks.models.graphs.graph import Cell, Graph, Kind, Operand, Recurrence, RecurrentLayer, Value

OPSET = 17
"""The first one with LayerNormalization; ONNX Runtime has known it since 1.12 (2022)."""
_IR_VERSION = 8
_KINDS: Mapping[str, Any] = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}
_OPERATIONS = {
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "Div",
    "modulo": "Mod",
    "minimum": "Min",
    "maximum": "Max",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "equal": "Equal",
    "both": "And",
    "either": "Or",
    "invert": "Not",
    "relu": "Relu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
    "exp": "Exp",
    "sqrt": "Sqrt",
    "absolute": "Abs",
}
# Which of Paddle's gates ONNX has first, second and so on: LSTM input, output, forget, candidate of Paddle's input,
# forget, candidate, output; GRU update, reset, candidate of Paddle's reset, update, candidate.
_GATES: Mapping[Cell, tuple[int, ...]] = {"rnn": (0,), "lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}


class OnnxGraph(Graph):
    """Collects the nodes and constants of an ONNX graph; a value is the name of a tensor.

    Names count upwards, so that equal networks give equal files.
    """

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._tensors: list[Any] = []
        self._n_values = 0

    def write(
        self, path: Path, inputs: Mapping[str, tuple[Kind, Sequence[str | int]]], outputs: Mapping[str, Value]
    ) -> None:
        """Write the graph.

        Args:
            path: the file.
            inputs: the type of each input, and its axes: names of free ones and sizes of the others.
            outputs: the values of the graph by their names in the file.
        """
        named = [helper.make_node("Identity", [value], [name], name=name) for name, value in outputs.items()]
        infos = [helper.make_tensor_value_info(name, _KINDS[kind], list(axes)) for name, (kind, axes) in inputs.items()]
        results = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph([*self._nodes, *named], path.stem, infos, results, self._tensors)
        model = helper.make_model(graph, producer_name="paddle_tasks", opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = _IR_VERSION
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(inferred, full_check=True)
        onnx.save_model(inferred, str(path))

    # ---- constants and sizes

    def constant(self, value: Operand) -> Value:
        """See `Graph.constant`."""
        if isinstance(value, str):
            return value
        kind = np.float32 if isinstance(value, float) or getattr(value, "dtype", None) == np.float64 else None
        array = np.ascontiguousarray(np.asarray(value, kind))
        key = (str(array.dtype), np.shape(value), hashlib.sha256(array.tobytes()).digest())
        if key not in self._constants:
            self._constants[key] = name = f"constant_{len(self._constants)}"
            self._tensors.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return self._constants[key]

    def size(self, value: Value, axis: int) -> Value:
        """See `Graph.size`."""
        return self._node("Gather", self._node("Shape", value), axis, axis=0)

    def arange(self, size: Value) -> Value:
        """See `Graph.arange`."""
        return self._node("Range", 0, size, 1)

    def cast(self, value: Value, kind: Kind) -> Value:
        """See `Graph.cast`."""
        return self._node("Cast", value, to=_KINDS[kind])

    # ---- one element at a time

    def apply(self, name: str, *operands: Operand) -> Value:
        """See `Graph.apply`."""
        return self._node(_OPERATIONS[name], *operands)

    def where(self, condition: Value, chosen: Operand, other: Operand) -> Value:
        """See `Graph.where`."""
        return self._node("Where", condition, chosen, other)

    # ---- along axes

    def matmul(self, first: Value, second: Operand) -> Value:
        """See `Graph.matmul`."""
        return self._node("MatMul", first, second)

    def layer_norm(self, value: Value, weight: Array, bias: Array, epsilon: float) -> Value:
        """See `Graph.layer_norm`."""
        return self._node("LayerNormalization", value, weight, bias, axis=-1, epsilon=epsilon)

    def softmax(self, value: Value, *, log: bool = False) -> Value:
        """See `Graph.softmax`."""
        return self._node("LogSoftmax" if log else "Softmax", value, axis=-1)

    def total(self, value: Value, axis: int, *, keep: bool = False) -> Value:
        """See `Graph.total`."""
        return self._node("ReduceSum", value, np.array([axis]), keepdims=int(keep))

    def highest(self, value: Value, axis: int) -> Value:
        """See `Graph.highest`."""
        return self._node("ReduceMax", value, axes=[axis], keepdims=0)

    # ---- moving elements

    def gather(self, table: Operand, indices: Value) -> Value:
        """See `Graph.gather`."""
        return self._node("Gather", table, indices, axis=0)

    def take_along(self, value: Value, indices: Value) -> Value:
        """See `Graph.take_along`."""
        return self._node("GatherElements", value, indices, axis=1)

    def concat(self, values: Sequence[Operand], axis: int) -> Value:
        """See `Graph.concat`."""
        return self._node("Concat", *values, axis=axis) if len(values) > 1 else values[0]

    def cut(self, value: Value, axis: int, start: int, end: int | None = None) -> Value:
        """See `Graph.cut`."""
        bounds = ([start], [np.iinfo(np.int64).max if end is None else end], [axis])
        return self._node("Slice", value, *(np.array(bound) for bound in bounds))

    def reshape(self, value: Value, shape: Sequence[int | Value]) -> Value:
        """See `Graph.reshape`."""
        if all(isinstance(size, int) for size in shape):
            return self._node("Reshape", value, np.array(shape))
        return self._node("Reshape", value, self.concat([self.expand(size, 0) for size in shape], 0))

    def transpose(self, value: Value, axes: Sequence[int]) -> Value:
        """See `Graph.transpose`."""
        return self._node("Transpose", value, perm=list(axes))

    def expand(self, value: Value, axis: int) -> Value:
        """See `Graph.expand`."""
        return self._node("Unsqueeze", value, np.array([axis]))

    def squeeze(self, value: Value, axis: int) -> Value:
        """See `Graph.squeeze`."""
        return self._node("Squeeze", value, np.array([axis]))

    def pad(self, value: Value, before: int, after: int) -> Value:
        """See `Graph.pad`."""
        return self._node("Pad", value, np.array([0, before, 0, 0, after, 0]))

    def recurrent(
        self, layer: RecurrentLayer, inputs: Value, lengths: Value | None, initial: Sequence[Value]
    ) -> Recurrence:
        """See `Graph.recurrent`."""
        cell, directions = layer
        weights = np.stack([_reorder(cell, side.of_inputs[0]) for side in directions])
        states = np.stack([_reorder(cell, side.of_states[0]) for side in directions])
        biases = np.stack(
            [np.concatenate([_reorder(cell, side[number][1]) for number in (0, 1)]) for side in directions]
        )
        ends = "" if lengths is None else self._node("Cast", lengths, to=TensorProto.INT32)
        attributes: dict[str, Any] = {"linear_before_reset": 1} if cell == "gru" else {}
        found, hidden, *cells = self._nodes_of(
            cell.upper(),
            [self.transpose(inputs, (1, 0, 2)), weights, states, biases, ends, *initial],
            n_outputs=3 if cell == "lstm" else 2,
            hidden_size=directions[0].size,
            direction="forward" if len(directions) == 1 else "bidirectional",
            **attributes,
        )
        joined = self.reshape(self.transpose(found, (2, 0, 1, 3)), (0, 0, -1))  # [length, directions, batch, size]
        return Recurrence(joined, hidden, cells[0] if cells else None)

    # ---- nodes

    def _node(self, operation: str, *operands: Operand, **attributes: Any) -> Value:
        return self._nodes_of(operation, operands, **attributes)[0]

    def _nodes_of(
        self, operation: str, operands: Sequence[Operand], n_outputs: int = 1, **attributes: Any
    ) -> list[str]:
        names = [self.constant(operand) for operand in operands]
        self._n_values += 1
        name = f"{operation.lower()}_{self._n_values}"
        outputs = [name] if n_outputs == 1 else [f"{name}_{number}" for number in range(n_outputs)]
        self._nodes.append(helper.make_node(operation, names, outputs, name=name, **attributes))
        return outputs


def _reorder(cell: Cell, array: Array) -> Array:
    """Return the gates of Paddle's weights or biases in ONNX's order."""
    gates = np.split(np.asarray(array, np.float32), len(_GATES[cell]))
    return np.concatenate([gates[number] for number in _GATES[cell]])
