"""The linear map: its weight in the precision of the products, and its gradients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.execution import BFLOAT16
from paddle_tasks.onednn.primitives import convert, matmul, to_bfloat16


class Map(NamedTuple):
    """A linear map: weight [inputs, outputs] in the precision of the products, bias <float32>[outputs]."""

    weight: Array
    bias: Array


def prepare_map(*parts: tuple[Array, Array], bfloat16: bool) -> Map:
    """Return linear maps side by side, from pairs of <float32>[inputs, outputs] and <float32>[outputs]."""
    weights, biases = zip(*parts, strict=True)
    bias = biases[0] if len(parts) == 1 else np.concatenate(biases)
    if len(parts) == 1 and not bfloat16:
        return Map(weights[0], bias)
    joined = np.empty((len(weights[0]), len(bias)), BFLOAT16 if bfloat16 else np.float32)
    start = 0
    for weight in weights:
        convert(weight, joined[:, start : start + weight.shape[1]])
        start += weight.shape[1]
    return Map(joined, bias)


def as_type_of(values: Array, other: Array) -> Array:
    """Return float32 values in the precision of another array."""
    return values if values.dtype == other.dtype else to_bfloat16(values)


def map_gradient(inputs: Array, gradient: Array) -> Map:
    """Return the gradients of a linear map's weight and bias, <float32>.

    Args:
        inputs: [rows, inputs].
        gradient: [rows, outputs], of the result, of the type of ``inputs``.
    """
    weight = np.empty((inputs.shape[1], gradient.shape[1]), np.float32)
    matmul(inputs.T, gradient, weight)
    return Map(weight, column_sums(gradient))


def column_sums(values: Array) -> Array:
    """Return the sums over the rows of [rows, columns], <float32>[columns], as a product with ones."""
    sums, one = np.empty((1, values.shape[1]), np.float32), 0x3F80 if values.dtype == BFLOAT16 else 1
    matmul(np.full((1, len(values)), one, values.dtype), values, sums)
    result: Array = sums[0]
    return result
