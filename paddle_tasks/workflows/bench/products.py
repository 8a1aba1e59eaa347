"""Matrix products of a model: how many operations a training step needs, and how fast this machine computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.onednn.primitives import matmul, to_bfloat16
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.settings import Dtype

_PER_TEXT_PARTS = ("pooler", "head")  # parts of a parameter's name; all other weights work on each token


@dataclass(frozen=True)
class WeightMatrix:
    """A weight that a model multiplies by.

    Attributes:
        shape: its two sizes; a convolution's kernel counts as [outputs, inputs * width].
        is_per_text: whether it is used once for each text instead of once for each token.
        is_trained: whether it gets a gradient.
    """

    shape: tuple[int, int]
    is_per_text: bool
    is_trained: bool


def weight_matrices(model: nn.Layer) -> list[WeightMatrix]:
    """Return the matrices that a model multiplies by; embedding tables are not among them, they are looked up."""
    tables = [layer for layer in model.sublayers() if isinstance(layer, nn.Embedding)]
    looked_up = {parameter.name for table in tables for parameter in table.parameters()}
    return [
        WeightMatrix(
            (parameter.shape[0], math.prod(parameter.shape[1:])),
            is_per_text=any(part in name.split(".") for part in _PER_TEXT_PARTS),
            is_trained=not parameter.stop_gradient,
        )
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and parameter.name not in looked_up
    ]


def step_flops(model: nn.Layer, batch_size: int, length: int) -> int:
    """Return the floating-point operations of the matrix products in one training step.

    A product of [m, k] and [k, n] takes 2mkn operations. So each weight takes 2 at every position where it is used.
    Attention takes 2 * batch * length^2 * width for the scores and the same for the weighted sum. The backward pass
    takes twice the forward pass (a gradient for each of the two factors), or nothing where weights are frozen.

    Not counted: addition of biases, activations, normalisation, softmax, dropout and the optimiser. Products that an
    implementation may skip (hidden states that nothing uses) are counted, so the number is the same for every
    implementation of a model.
    """
    positions = {False: batch_size * length, True: batch_size}
    total = sum(
        2 * math.prod(weight.shape) * positions[weight.is_per_text] * _n_passes(weight.is_trained)
        for weight in weight_matrices(model)
    )
    return total + sum(4 * batch_size * length**2 * width * n_passes for width, n_passes in _attentions(model))


def _n_passes(is_trained: bool) -> int:
    return 3 if is_trained else 1


def _attentions(model: nn.Layer) -> Iterator[tuple[int, int]]:
    """Yield the width and the number of passes of each attention layer."""
    for layer in model.sublayers():
        if hasattr(layer, "embed_dim") and hasattr(layer, "num_heads"):
            yield layer.embed_dim, _n_passes(any(not parameter.stop_gradient for parameter in layer.parameters()))


class MatrixProducts:
    """Matrix products of a model's sizes: for each distinct weight the forward one and both gradients.

    Attributes:
        flops: floating-point operations of one call.
    """

    def __init__(self, model: nn.Layer, n_tokens: int, precision: Dtype = "float32") -> None:
        """Prepare the products, by Paddle in float32, or on a CPU by oneDNN in bfloat16."""
        shapes = sorted({weight.shape for weight in weight_matrices(model) if not weight.is_per_text})
        self.flops = sum(3 * 2 * n_tokens * k * n for k, n in shapes)
        prepare = _in_bfloat16 if Precision.prepare(precision).on_cpu else self._products
        self._calls = [prepare(n_tokens, k, n) for k, n in shapes]

    @staticmethod
    def _products(m: int, k: int, n: int) -> Callable[[], None]:
        inputs, weight, outputs = (paddle.randn(shape, dtype="float32") for shape in ([m, k], [k, n], [m, n]))

        def multiply() -> None:
            paddle.matmul(inputs, weight)
            paddle.matmul(outputs, weight, transpose_y=True)
            paddle.matmul(inputs, outputs, transpose_x=True)

        return multiply

    def __call__(self) -> None:
        """Compute each product once."""
        for call in self._calls:
            call()
        synchronize()


def _in_bfloat16(m: int, k: int, n: int) -> Callable[[], None]:
    generator = np.random.default_rng(0)
    inputs, weight, outputs = (
        to_bfloat16(generator.standard_normal(shape, np.float32)) for shape in ((m, k), (k, n), (m, n))
    )
    forward, back, to_weight = (np.empty(shape, np.float32) for shape in ((m, n), (m, k), (k, n)))

    def multiply() -> None:
        matmul(inputs, weight, forward)
        matmul(outputs, weight.T, back)
        matmul(inputs.T, outputs, to_weight)

    return multiply


def synchronize() -> None:
    """Wait until a GPU has finished its queue; a CPU has none."""
    if paddle.device.get_device().startswith("gpu"):
        paddle.device.synchronize()
