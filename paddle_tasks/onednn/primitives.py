"""oneDNN's operations on numpy arrays, each result written into an array that the caller gives.

An array of uint16 holds bfloat16 numbers, one of bool or uint8 whole numbers. Arrays may have any strides that are
multiples of their item size.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_float, c_void_p
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.execution import (
    BFLOAT16,
    BINARY,
    SRC_1,
    Builder,
    Combine,
    PostOp,
    Scale,
    post_arguments,
    post_names,
    run,
)

_TRAINING, _BACKWARD = 64, 128
_SRC, _DST, _WEIGHTS, _BIAS = 1, 17, 33, 41
_MEAN, _VARIANCE, _SCALE, _SHIFT = 49, 50, 51, 52
_DIFF_SRC, _DIFF_DST, _DIFF_SCALE, _DIFF_SHIFT = 129, 145, 255, 256
_SOFTMAX = 0x30000
_USE_SCALE_AND_SHIFT = 2 | 4
ACTIVATIONS = {"relu": 0x20, "tanh": 0x21, "gelu_tanh": 0x2B, "silu": 0x2C, "gelu": 0x31}
"""The activations by name, with oneDNN's numbers."""


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
    if any(_is_misread(array) for array in (left, right, out)):
        for rows in (slice(0, 1), slice(1, None)):
            matmul(left[rows], right[rows], out[rows], bias=bias, post=[_part(operation, rows) for operation in post])
        return

    def describe(build: Builder) -> c_void_p:
        with_bias = None if bias is None else build.memory(bias.reshape(1, -1))
        memories = (build.memory(left), build.memory(right), with_bias, build.memory(out))
        return build.describe("matmul", build.dnn.engine, *memories, build.attributes(post))

    run(("matmul", post_names(post)), [*arguments, *post_arguments(post)], describe)


def _is_misread(array: Array) -> bool:
    """Return whether oneDNN 3.6.2 takes the strides of a factor or result [batch, heads, ...] for others.

    It does so, without an error, when the stride of the batch is that of the heads times the number of all heads in the
    batch: as for the keys of 52 texts of 26 positions, when keys and values of 4 heads are side by side.
    """
    return array.ndim == 4 and array.shape[0] > 1 and array.strides[0] == len(array) * array.shape[1] * array.strides[1]


def _part(operation: PostOp, rows: slice) -> PostOp:
    """Return a post-operation for some rows of the batch."""
    if isinstance(operation, Combine) and operation.array.ndim == 4 and len(operation.array) > 1:
        return operation._replace(array=operation.array[rows])
    return operation


def softmax(scores: Array, out: Array) -> None:
    """Write the softmax over the last axis into ``out``, which may be ``scores``."""

    def describe(build: Builder) -> c_void_p:
        return _softmax(build, scores, out)

    run("softmax", [(_SRC, scores), (_DST, out)], describe)


def _softmax(build: Builder, scores: Array, out: Array) -> c_void_p:
    memories = build.memory(scores), build.memory(out)
    return build.describe("softmax_forward", build.dnn.engine, _TRAINING, _SOFTMAX, *memories, scores.ndim - 1, None)


def softmax_gradient(weights: Array, gradient: Array, out: Array) -> None:
    """Write the gradient of the scores into ``out``, which may be ``gradient``.

    Args:
        weights: the result of `softmax`.
        gradient: the gradient of the weights.
        out: of the same shape and type.
    """

    def describe(build: Builder) -> c_void_p:
        memories = build.memory(out), build.memory(gradient), build.memory(weights)
        hint = _softmax(build, weights, weights)
        return build.describe("softmax_backward", build.dnn.engine, _SOFTMAX, *memories, weights.ndim - 1, hint, None)

    run("softmax_gradient", [(_DST, weights), (_DIFF_DST, gradient), (_DIFF_SRC, out)], describe)


def activate(name: str, values: Array, out: Array) -> None:
    """Write an activation of `ACTIVATIONS` into ``out``, which may be ``values``."""

    def describe(build: Builder) -> c_void_p:
        return _activation(build, name, values, out)

    run(("activate", name), [(_SRC, values), (_DST, out)], describe)


def _activation(build: Builder, name: str, values: Array, out: Array) -> c_void_p:
    memories = build.memory(values), build.memory(out)
    alpha = c_float(float(name == "silu"))
    return build.describe(
        "eltwise_forward", build.dnn.engine, _TRAINING, ACTIVATIONS[name], *memories, alpha, c_float(0), None
    )


def activation_gradient(name: str, values: Array, gradient: Array, out: Array) -> None:
    """Write the gradient of the values of `activate` into ``out``, which may be ``gradient``."""

    def describe(build: Builder) -> c_void_p:
        memories = build.memory(out), build.memory(gradient), build.memory(values)
        alpha, hint = c_float(float(name == "silu")), _activation(build, name, values, values)
        kind = ACTIVATIONS[name]
        return build.describe("eltwise_backward", build.dnn.engine, kind, *memories, alpha, c_float(0), hint, None)

    arguments = [(_SRC, values), (_DIFF_DST, gradient), (_DIFF_SRC, out)]
    run(("activation_gradient", name), arguments, describe)


class NormStatistics(NamedTuple):
    """The mean and the variance of each row, <float32>[rows]."""

    mean: Array
    variance: Array


def layer_norm(values: Array, weight: Array, bias: Array, epsilon: float, out: Array) -> NormStatistics:
    """Write the normalised rows of <float32>[rows, width] into ``out``, and return their statistics."""
    statistics = NormStatistics(np.empty(len(values), np.float32), np.empty(len(values), np.float32))

    def describe(build: Builder) -> c_void_p:
        return _layer_norm(build, values, out, statistics.mean, epsilon)

    parameters = [(_SCALE, weight), (_SHIFT, bias), (_MEAN, statistics.mean), (_VARIANCE, statistics.variance)]
    run(("layer_norm", epsilon), [(_SRC, values), *parameters, (_DST, out)], describe)
    return statistics


def _layer_norm(build: Builder, values: Array, out: Array, mean: Array, epsilon: float) -> c_void_p:
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

    def describe(build: Builder) -> c_void_p:
        memories = build.memories(out, gradient, values, statistics.mean)
        hint = _layer_norm(build, values, values, statistics.mean, epsilon)
        options = c_float(epsilon), _USE_SCALE_AND_SHIFT, hint, None
        return build.describe("layer_normalization_backward", build.dnn.engine, _BACKWARD, *memories, *options)

    inputs = [(_SRC, values), (_SCALE, weight), (_SHIFT, bias), (_MEAN, statistics.mean)]
    inputs += [(_VARIANCE, statistics.variance), (_DIFF_DST, gradient)]
    outputs = [(_DIFF_SRC, out), (_DIFF_SCALE, for_weight), (_DIFF_SHIFT, for_bias)]
    run(("layer_norm_gradient", epsilon), [*inputs, *outputs], describe)
    return for_weight, for_bias


def multiply(left: Array, right: Array, out: Array, *, factor: float = 1.0) -> None:
    """Write ``left * right * factor`` into ``out``, which may be ``left`` and has its type; for masks of bytes too."""
    post = (Scale(factor),) if factor != 1.0 else ()

    def describe(build: Builder) -> c_void_p:
        memories = build.memories(left, right, out)
        return build.describe("binary", build.dnn.engine, BINARY["mul"], *memories, build.attributes(post))

    run(("multiply", factor), [(_SRC, left), (SRC_1, right), (_DST, out)], describe)


def convert(values: Array, out: Array) -> None:
    """Copy values into ``out``, which may have another type and other strides."""

    def describe(build: Builder) -> c_void_p:
        source, target = build.memory(values), build.memory(out)
        return build.describe("reorder", source, build.dnn.engine, target, build.dnn.engine, None)

    run("convert", [(_SRC, values), (_DST, out)], describe)


def to_bfloat16(values: Array) -> Array:
    """Return a contiguous copy of <float32>[...] in bfloat16."""
    out = np.empty(values.shape, BFLOAT16)
    if values.size:
        convert(values, out)
    return out
