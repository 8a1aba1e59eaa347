"""oneDNN's operations on numpy arrays, each result written into an array that the caller gives.

An array of uint16 holds bfloat16 numbers, one of bool or uint8 whole numbers. Arrays may have any strides that are
multiples of their item size. A primitive is made at its first use with the shapes, strides and types of its arrays and
then kept; each thread has its own, so that threads may compute at the same time.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from ctypes import byref, c_float, c_int64, c_void_p
from typing import Any, NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn import library
from paddle_tasks.onednn.library import OneDNN, check

BFLOAT16 = np.uint16
"""The numpy type of arrays that hold bfloat16 numbers."""

_TYPES = {"H": 2, "f": 3, "i": 4, "B": 6, "?": 6}
_TRAINING, _BACKWARD = 64, 128
_SRC, _SRC_1, _DST, _WEIGHTS, _BIAS = 1, 2, 17, 33, 41
_MEAN, _VARIANCE, _SCALE, _SHIFT = 49, 50, 51, 52
_DIFF_SRC, _DIFF_DST, _DIFF_SCALE, _DIFF_SHIFT = 129, 145, 255, 256
_POST_OP = 32768  # times the position of the post-operation, from 1
_SOFTMAX = 0x30000
_USE_SCALE_AND_SHIFT = 2 | 4
_BINARY = {"add": 0x1FFF0, "mul": 0x1FFF1}
_LINEAR = 0x26
ACTIVATIONS = {"relu": 0x20, "tanh": 0x21, "sigmoid": 0x29, "gelu_tanh": 0x2B, "silu": 0x2C, "gelu": 0x31}
"""The activations by name, with oneDNN's numbers."""

_MOST_PRIMITIVES = 4096
"""The most primitives that a thread keeps; those of a Transformer layer are some 40 for each shape of a batch."""


class Scale(NamedTuple):
    """A post-operation: multiply the result by a factor."""

    factor: float


class Combine(NamedTuple):
    """A post-operation: ``add`` a contiguous array to the result, or ``mul``-tiply them; sizes of 1 are broadcast."""

    how: str
    array: Array


class Accumulate(NamedTuple):
    """A post-operation: add what the array of the result held before."""


PostOp = Scale | Combine | Accumulate
Argument = tuple[int, Array]


class _MemoryArgument(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_int), ("memory", c_void_p))


class _Builder:
    """Makes the parts of a new primitive, and frees them with `close`; the primitive keeps copies."""

    def __init__(self, dnn: OneDNN) -> None:
        self.dnn, self._made = dnn, list[tuple[str, c_void_p]]()

    def _keep(self, kind: str, handle: c_void_p, status: int, what: object) -> c_void_p:
        check(status, f"{kind} of {what}")
        self._made.append((kind, handle))
        return handle

    def memory(self, array: Array) -> c_void_p:
        """Return the memory descriptor of an array."""
        sizes, strides = c_int64 * array.ndim, _strides(array)
        create, descriptor = self.dnn.api.dnnl_memory_desc_create_with_strides, c_void_p()
        status = create(byref(descriptor), array.ndim, sizes(*array.shape), _TYPES[array.dtype.char], sizes(*strides))
        return self._keep("memory_desc", descriptor, status, array.shape)

    def memories(self, *arrays: Array) -> list[c_void_p]:
        """Return the memory descriptors of arrays."""
        return [self.memory(array) for array in arrays]

    def attributes(self, post: Sequence[PostOp]) -> c_void_p | None:
        """Return the attributes with a chain of post-operations; None if there are none."""
        if not post:
            return None
        api, attributes, chain = self.dnn.api, c_void_p(), c_void_p()
        self._keep("primitive_attr", attributes, api.dnnl_primitive_attr_create(byref(attributes)), post)
        self._keep("post_ops", chain, api.dnnl_post_ops_create(byref(chain)), post)
        for operation in post:
            check(self._append(chain, operation), f"post-operation {type(operation).__name__}")
        check(api.dnnl_primitive_attr_set_post_ops(attributes, chain), "dnnl_primitive_attr_set_post_ops")
        return attributes

    def _append(self, chain: c_void_p, operation: PostOp) -> int:
        api = self.dnn.api
        if isinstance(operation, Scale):
            return int(api.dnnl_post_ops_append_eltwise(chain, _LINEAR, operation.factor, 0.0))
        if isinstance(operation, Combine):
            if not operation.array.flags.c_contiguous:
                raise ValueError("post-operation: expected a contiguous array, oneDNN ignores its strides")
            return int(api.dnnl_post_ops_append_binary(chain, _BINARY[operation.how], self.memory(operation.array)))
        return int(api.dnnl_post_ops_append_sum(chain, 1.0, 0, 0))

    def describe(self, function: str, *arguments: Any) -> c_void_p:
        """Return the primitive descriptor that one of oneDNN's functions makes on this engine."""
        descriptor = c_void_p()
        create = getattr(self.dnn.api, f"dnnl_{function}_primitive_desc_create")
        status = create(byref(descriptor), *arguments)
        return self._keep("primitive_desc", descriptor, status, function)

    def close(self) -> None:
        """Free what was made."""
        for kind, handle in reversed(self._made):
            getattr(self.dnn.api, f"dnnl_{kind}_destroy")(handle)
        self._made.clear()


def _strides(array: Array) -> list[int]:
    """Return the strides in items; those of axes with size 1, where numpy may hold anything, as if contiguous.

    oneDNN 3.6.2 writes no result for a product with a matrix of [1, 3] and strides of 1 and 1.
    """
    strides = [stride // array.itemsize for stride in array.strides]
    for axis in reversed(range(array.ndim)):
        if array.shape[axis] == 1:
            inner = range(axis + 1, array.ndim)
            strides[axis] = max((array.shape[other] * strides[other] for other in inner), default=1)
    return strides


class _Primitive:
    """A primitive with a memory object for each of its arguments; not for several threads at once."""

    def __init__(self, builder: _Builder, descriptor: c_void_p, arguments: Sequence[Argument]) -> None:
        self._dnn, self._primitive, self._memories = builder.dnn, c_void_p(), list[c_void_p]()
        create = self._dnn.api.dnnl_memory_create
        check(self._dnn.api.dnnl_primitive_create(byref(self._primitive), descriptor), "dnnl_primitive_create")
        self._arguments = (_MemoryArgument * len(arguments))()
        for slot, (number, array) in zip(self._arguments, arguments, strict=True):
            memory = c_void_p()
            check(create(byref(memory), builder.memory(array), self._dnn.engine, None), "dnnl_memory_create")
            slot.argument, slot.memory = number, memory
            self._memories.append(memory)

    def __call__(self, arguments: Sequence[Argument]) -> None:
        set_handle = self._dnn.api.dnnl_memory_set_data_handle
        for memory, (_, array) in zip(self._memories, arguments, strict=True):
            set_handle(memory, array.__array_interface__["data"][0])
        count = len(self._memories)
        status = self._dnn.api.dnnl_primitive_execute(self._primitive, self._dnn.stream, count, self._arguments)
        check(status, "dnnl_primitive_execute")

    def __del__(self) -> None:
        for memory in self._memories:
            self._dnn.api.dnnl_memory_destroy(memory)
        self._dnn.api.dnnl_primitive_destroy(self._primitive)


class _Kept(threading.local):
    """The primitives of a thread by what they compute, the one used last at the end."""

    def __init__(self) -> None:
        self.primitives: OrderedDict[Hashable, _Primitive] = OrderedDict()


_kept = _Kept()
Describe = Callable[[_Builder], c_void_p]
"""Returns the descriptor of a new primitive."""


def _run(name: Hashable, arguments: Sequence[Argument], describe: Describe) -> None:
    """Execute a primitive, which is made if there is none.

    Args:
        name: what it computes, apart from the shapes and types of its arrays.
        arguments: oneDNN's number of each argument, and its array.
        describe: describes a new primitive.
    """
    key = (name, *[(number, array.shape, array.strides, array.dtype.char) for number, array in arguments])
    primitive = _kept.primitives.get(key)
    if primitive is None:
        primitive = _kept.primitives[key] = _make(arguments, describe)
        if len(_kept.primitives) > _MOST_PRIMITIVES:
            _kept.primitives.popitem(last=False)
    else:
        _kept.primitives.move_to_end(key)
    primitive(arguments)


def _make(arguments: Sequence[Argument], describe: Describe) -> _Primitive:
    dnn = library.get()
    if dnn is None:
        raise RuntimeError(f"oneDNN is not used here: {library.why_not() or 'it is switched off'}")
    builder = _Builder(dnn)
    try:
        return _Primitive(builder, describe(builder), arguments)
    finally:
        builder.close()


def _post_arguments(post: Sequence[PostOp]) -> list[Argument]:
    return [
        (_POST_OP * position | _SRC_1, operation.array)
        for position, operation in enumerate(post, start=1)
        if isinstance(operation, Combine)
    ]


def _post_names(post: Sequence[PostOp]) -> tuple[Hashable, ...]:
    return tuple(
        operation.how if isinstance(operation, Combine) else (type(operation), *operation) for operation in post
    )


# ---- the operations


def matmul(left: Array, right: Array, out: Array, *, bias: Array | None = None, post: Sequence[PostOp] = ()) -> None:
    """Write the matrix product [..., m, k] @ [..., k, n], plus a bias, into ``out`` [..., m, n].

    Sums are float32, also those of bfloat16 numbers.

    Args:
        left: float32 or bfloat16.
        right: of the type of ``left``, with as many axes.
        out: float32, or of the type of ``left``.
        bias: <float32>[n], for products of two axes.
        post: what is done to the result, in this order, before it is written.
    """
    arguments = [(_SRC, left), (_WEIGHTS, right), (_DST, out)]
    if bias is not None:
        arguments.append((_BIAS, bias.reshape(1, -1)))
    if not left.shape[-1] or not out.size:
        raise ValueError(f"matmul: empty matrices {left.shape} and {right.shape}")

    def describe(build: _Builder) -> c_void_p:
        with_bias = None if bias is None else build.memory(bias.reshape(1, -1))
        memories = (build.memory(left), build.memory(right), with_bias, build.memory(out))
        return build.describe("matmul", build.dnn.engine, *memories, build.attributes(post))

    _run(("matmul", _post_names(post)), [*arguments, *_post_arguments(post)], describe)


def softmax(scores: Array, out: Array) -> None:
    """Write the softmax over the last axis into ``out``, which may be ``scores``."""

    def describe(build: _Builder) -> c_void_p:
        return _softmax(build, scores, out)

    _run("softmax", [(_SRC, scores), (_DST, out)], describe)


def _softmax(build: _Builder, scores: Array, out: Array) -> c_void_p:
    memories = build.memory(scores), build.memory(out)
    return build.describe("softmax_forward", build.dnn.engine, _TRAINING, _SOFTMAX, *memories, scores.ndim - 1, None)


def softmax_gradient(weights: Array, gradient: Array, out: Array) -> None:
    """Write the gradient of the scores into ``out``, which may be ``gradient``.

    Args:
        weights: the result of `softmax`.
        gradient: the gradient of the weights.
        out: of the same shape and type.
    """

    def describe(build: _Builder) -> c_void_p:
        memories = build.memory(out), build.memory(gradient), build.memory(weights)
        hint = _softmax(build, weights, weights)
        return build.describe("softmax_backward", build.dnn.engine, _SOFTMAX, *memories, weights.ndim - 1, hint, None)

    _run("softmax_gradient", [(_DST, weights), (_DIFF_DST, gradient), (_DIFF_SRC, out)], describe)


def activate(name: str, values: Array, out: Array) -> None:
    """Write an activation of `ACTIVATIONS` into ``out``, which may be ``values``."""

    def describe(build: _Builder) -> c_void_p:
        return _activation(build, name, values, out)

    _run(("activate", name), [(_SRC, values), (_DST, out)], describe)


def _activation(build: _Builder, name: str, values: Array, out: Array) -> c_void_p:
    memories = build.memory(values), build.memory(out)
    alpha = c_float(float(name == "silu"))
    return build.describe(
        "eltwise_forward", build.dnn.engine, _TRAINING, ACTIVATIONS[name], *memories, alpha, c_float(0), None
    )


def activation_gradient(name: str, values: Array, gradient: Array, out: Array) -> None:
    """Write the gradient of the values of `activate` into ``out``, which may be ``gradient``."""

    def describe(build: _Builder) -> c_void_p:
        memories = build.memory(out), build.memory(gradient), build.memory(values)
        alpha, hint = c_float(float(name == "silu")), _activation(build, name, values, values)
        kind = ACTIVATIONS[name]
        return build.describe("eltwise_backward", build.dnn.engine, kind, *memories, alpha, c_float(0), hint, None)

    arguments = [(_SRC, values), (_DIFF_DST, gradient), (_DIFF_SRC, out)]
    _run(("activation_gradient", name), arguments, describe)


class NormStatistics(NamedTuple):
    """The mean and the variance of each row, <float32>[rows]."""

    mean: Array
    variance: Array


def layer_norm(values: Array, weight: Array, bias: Array, epsilon: float, out: Array) -> NormStatistics:
    """Write the normalised rows of <float32>[rows, width] into ``out``, and return their statistics."""
    statistics = NormStatistics(np.empty(len(values), np.float32), np.empty(len(values), np.float32))

    def describe(build: _Builder) -> c_void_p:
        return _layer_norm(build, values, out, statistics.mean, epsilon)

    parameters = [(_SCALE, weight), (_SHIFT, bias), (_MEAN, statistics.mean), (_VARIANCE, statistics.variance)]
    _run(("layer_norm", epsilon), [(_SRC, values), *parameters, (_DST, out)], describe)
    return statistics


def _layer_norm(build: _Builder, values: Array, out: Array, mean: Array, epsilon: float) -> c_void_p:
    memories = build.memories(values, out, mean)
    options = c_float(epsilon), _USE_SCALE_AND_SHIFT, None
    return build.describe("layer_normalization_forward", build.dnn.engine, _TRAINING, *memories, *options)


def layer_norm_gradient(
    values: Array, parameters: tuple[Array, Array, float], statistics: NormStatistics, gradient: Array, out: Array
) -> tuple[Array, Array]:
    """Write the gradient of the values of `layer_norm` into ``out``, and return those of weight and bias.

    Args:
        values: <float32>[rows, width], as they were given to `layer_norm`.
        parameters: weight, bias and epsilon.
        statistics: what `layer_norm` returned.
        gradient: <float32>[rows, width], of the result.
        out: <float32>[rows, width]; not ``gradient``.
    """
    weight, bias, epsilon = parameters
    for_weight, for_bias = np.empty_like(weight), np.empty_like(bias)

    def describe(build: _Builder) -> c_void_p:
        memories = build.memories(out, gradient, values, statistics.mean)
        hint = _layer_norm(build, values, values, statistics.mean, epsilon)
        options = c_float(epsilon), _USE_SCALE_AND_SHIFT, hint, None
        return build.describe("layer_normalization_backward", build.dnn.engine, _BACKWARD, *memories, *options)

    inputs = [(_SRC, values), (_SCALE, weight), (_SHIFT, bias), (_MEAN, statistics.mean)]
    inputs += [(_VARIANCE, statistics.variance), (_DIFF_DST, gradient)]
    outputs = [(_DIFF_SRC, out), (_DIFF_SCALE, for_weight), (_DIFF_SHIFT, for_bias)]
    _run(("layer_norm_gradient", epsilon), [*inputs, *outputs], describe)
    return for_weight, for_bias


def multiply(left: Array, right: Array, out: Array, *, factor: float = 1.0) -> None:
    """Write ``left * right * factor`` into ``out``, which may be ``left`` and has its type; for masks of bytes too."""
    post = (Scale(factor),) if factor != 1.0 else ()

    def describe(build: _Builder) -> c_void_p:
        memories = build.memories(left, right, out)
        return build.describe("binary", build.dnn.engine, _BINARY["mul"], *memories, build.attributes(post))

    _run(("multiply", factor), [(_SRC, left), (_SRC_1, right), (_DST, out)], describe)


def convert(values: Array, out: Array) -> None:
    """Copy values into ``out``, which may have another type and other strides."""

    def describe(build: _Builder) -> c_void_p:
        source, target = build.memory(values), build.memory(out)
        return build.describe("reorder", source, build.dnn.engine, target, build.dnn.engine, None)

    _run("convert", [(_SRC, values), (_DST, out)], describe)


def to_bfloat16(values: Array) -> Array:
    """Return a contiguous copy of <float32>[...] in bfloat16."""
    out = np.empty(values.shape, BFLOAT16)
    if values.size:
        convert(values, out)
    return out
