"""The linear map, with its bias inside the product and the bias' gradient as a product with ones."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.models.cpu.arrays import is_plain, once, wanted


def can_take(layer: nn.Layer) -> bool:
    """Tell whether a Layer is a linear map with a bias."""
    return is_plain(layer, nn.Linear) and layer.bias is not None


def forward(layer: nn.Linear, states: Tensor) -> Tensor:
    """Do what the Layer's own forward does."""
    return linear(states, layer.weight, layer.bias)


def linear(states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Map <float32>[..., n_in] by ``weight`` <float32>[n_in, n_out] and ``bias`` <float32>[n_out].

    Measured at 3,520 x 256 -> 1,024 on two cores: Paddle's sum over the rows, which its own bias gradient is,
    takes 24 ms, a product with a row of ones 0.2 ms; adding the bias to the result takes 2 ms, starting the
    product from it nothing that can be measured.
    """
    return _Linear.apply(states, weight, bias)


class _Linear(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        rows = states.reshape([-1, weight.shape[0]])
        ctx.save_for_backward(rows, weight)
        ctx.shape = states.shape
        ctx.wanted = wanted(states, weight, bias)
        biases = paddle.matmul(_ones(rows.shape[0]), bias.unsqueeze(0))
        return paddle.addmm_(biases, rows, weight).reshape([*states.shape[:-1], weight.shape[1]])

    @staticmethod
    @once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensor()
        states_wanted, weight_wanted, bias_wanted = ctx.wanted
        gradient = gradient.reshape([-1, weight.shape[1]])
        return (
            paddle.matmul(gradient, weight, transpose_y=True).reshape(ctx.shape) if states_wanted else None,
            paddle.matmul(rows, gradient, transpose_x=True) if weight_wanted else None,
            column_sums(gradient) if bias_wanted else None,
        )


def column_sums(matrix: Tensor) -> Tensor:
    """Return the sum of the rows of <float32>[rows, columns], as a product with ones."""
    return paddle.matmul(_ones(matrix.shape[0]), matrix, transpose_x=True).squeeze(0)


def _ones(rows: int) -> Tensor:
    return paddle.ones([rows, 1], dtype="float32")


def tied_output(states: Tensor, word_vectors: Tensor, bias: Tensor) -> Tensor:
    """Score the words of a vocabulary: <float32>[n, width], <float32>[words, width], <float32>[words] -> [n, words].

    In another precision, or elsewhere than on a CPU, the same by Paddle's own operations.
    """
    if paddle.device.get_device() != "cpu" or states.dtype != paddle.float32:
        return paddle.matmul(states, word_vectors, transpose_y=True) + bias
    return _TiedOutput.apply(states, word_vectors, bias)


class _TiedOutput(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, word_vectors: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(states, word_vectors)
        ctx.wanted = wanted(states, word_vectors, bias)
        scores = paddle.matmul(_ones(states.shape[0]), bias.unsqueeze(0))
        return paddle.addmm_(scores, states, word_vectors.t())

    @staticmethod
    @once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, word_vectors = ctx.saved_tensor()
        states_wanted, vectors_wanted, bias_wanted = ctx.wanted
        return (
            paddle.matmul(gradient, word_vectors) if states_wanted else None,
            paddle.matmul(gradient, states, transpose_x=True) if vectors_wanted else None,
            column_sums(gradient) if bias_wanted else None,
        )
