"""The linear map, by oneDNN or by Paddle's products.

The bias is added within the matrix product, and its gradient is a product with ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import first_order_only, is_plain, need_gradients, to_tensor, view
from paddle_tasks.onednn import library, precision
from paddle_tasks.onednn.linear_map import Map, as_type_of, map_gradient, prepare_map
from paddle_tasks.onednn.linear_map import column_sums as column_sums_of
from paddle_tasks.onednn.primitives import matmul


def can_replace(layer: nn.Layer) -> bool:
    """Return whether a Layer is a linear map with a bias."""
    return is_plain(layer, nn.Linear) and layer.bias is not None


def forward(layer: nn.Linear, states: Tensor) -> Tensor:
    """Compute what the Layer's own forward computes."""
    return linear(states, layer.weight, layer.bias)


def linear(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map <float32>[..., n_in] by ``weight`` <float32>[n_in, n_out] and ``bias`` <float32>[n_out].

    Measured at 3,520 x 256 -> 1,024 on two cores: the bias gradient takes 24 ms as Paddle's sum over the rows and
    0.2 ms as a product with a row of ones. Adding the bias to the result takes 2 ms; starting the product from the
    bias takes no measurable time.
    """
    if can_use_onednn(states):
        return _OneDnnLinear.apply(states, weight, bias, False)
    return _Linear.apply(states, weight, bias)


def can_use_onednn(states: Tensor) -> bool:
    """Return whether oneDNN can compute products with these states."""
    return (
        library.get() is not None
        and states.size > 0
        and states.dtype == paddle.float32
        and states.place.is_cpu_place()
        and paddle.in_dynamic_mode()
    )


class _OneDnnLinear(PyLayer):  # type: ignore[misc]
    """The linear map by oneDNN; with ``transposed`` the weight is [n_out, n_in]."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor, transposed: bool) -> Tensor:
        part = _prepare(view(weight).T if transposed else view(weight), view(bias))
        rows = as_type_of(view(states.contiguous()).reshape(-1, part.weight.shape[0]), part.weight)
        result = np.empty((*states.shape[:-1], part.weight.shape[1]), np.float32)
        matmul(rows, part.weight, result.reshape(-1, result.shape[-1]), bias=part.bias)
        ctx.rows, ctx.map, ctx.shape, ctx.transposed = rows, part, states.shape, transposed
        ctx.need_gradients = need_gradients(states, weight, bias)
        return to_tensor(result)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.rows, ctx.map.weight
        states_need, weight_needs, bias_needs = ctx.need_gradients
        outputs = as_type_of(view(gradient.contiguous()).reshape(-1, weight.shape[1]), rows)
        states = for_weight = for_bias = None
        if states_need:
            inputs = np.empty(ctx.shape, np.float32)
            matmul(outputs, weight.T, inputs.reshape(-1, weight.shape[0]))
            states = to_tensor(inputs)
        if weight_needs or bias_needs:
            for_weight, for_bias = map(to_tensor, _weight_gradients(rows, outputs, ctx.transposed))
        return states, for_weight if weight_needs else None, for_bias if bias_needs else None


def _prepare(weight: Array, bias: Array) -> Map:
    return prepare_map((weight, bias), bfloat16=precision.suits_bfloat16(*weight.shape))


def _weight_gradients(rows: Array, outputs: Array, transposed: bool) -> tuple[Array, Array]:
    if not transposed:
        return map_gradient(rows, outputs)
    weight = np.empty((outputs.shape[1], rows.shape[1]), np.float32)
    matmul(outputs.T, rows, weight)
    return weight, column_sums_of(outputs)


class _Linear(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        rows = states.reshape([-1, weight.shape[0]])
        ctx.save_for_backward(rows, weight)
        ctx.shape = states.shape
        ctx.need_gradients = need_gradients(states, weight, bias)
        biases = paddle.matmul(_ones(rows.shape[0]), bias.unsqueeze(0))
        return paddle.addmm_(biases, rows, weight).reshape([*states.shape[:-1], weight.shape[1]])

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensor()
        states_need, weight_needs, bias_needs = ctx.need_gradients
        gradient = gradient.reshape([-1, weight.shape[1]])
        return (
            paddle.matmul(gradient, weight, transpose_y=True).reshape(ctx.shape) if states_need else None,
            paddle.matmul(rows, gradient, transpose_x=True) if weight_needs else None,
            column_sums(gradient) if bias_needs else None,
        )


def column_sums(matrix: Tensor) -> Tensor:
    """Return the sum <float32>[columns] over the rows of <float32>[rows, columns], as a product with ones."""
    return paddle.matmul(_ones(matrix.shape[0]), matrix, transpose_x=True).squeeze(0)


def _ones(rows: int) -> Tensor:
    return paddle.ones([rows, 1], dtype="float32")


def tied_output(states: Tensor, word_vectors: Tensor, bias: Tensor) -> Tensor:
    """Score every word of a vocabulary: ``states @ word_vectors.T + bias``.

    In other precisions and on other devices it uses Paddle's own operations.

    Args:
        states: <float32>[n, width].
        word_vectors: <float32>[words, width].
        bias: <float32>[words].

    Returns:
        <float32>[n, words].
    """
    if paddle.device.get_device() != "cpu" or states.dtype != paddle.float32:
        return paddle.matmul(states, word_vectors, transpose_y=True) + bias
    if can_use_onednn(states):
        return _OneDnnLinear.apply(states, word_vectors, bias, True)
    return _TiedOutput.apply(states, word_vectors, bias)


class _TiedOutput(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, word_vectors: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, word_vectors)
        ctx.need_gradients = need_gradients(states, word_vectors, bias)
        scores = paddle.matmul(_ones(states.shape[0]), bias.unsqueeze(0))
        return paddle.addmm_(scores, states, word_vectors.t())

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, word_vectors = ctx.saved_tensor()
        states_need, vectors_need, bias_needs = ctx.need_gradients
        return (
            paddle.matmul(gradient, word_vectors) if states_need else None,
            paddle.matmul(gradient, states, transpose_x=True) if vectors_need else None,
            column_sums(gradient) if bias_needs else None,
        )
