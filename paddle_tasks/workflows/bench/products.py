"""The matrix products of a model: how much arithmetic a training step needs, and how fast this machine does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paddle
from paddle import nn

_ONCE_A_TEXT = ("pooler", "head")  # parts of a name; everything else works on each token


@dataclass(frozen=True)
class Weight:
    """One matrix of weights.

    Attributes:
        shape: its two sizes; a convolution's kernel counts as [outputs, inputs times width].
        is_per_text: whether it is used once a text, instead of once a token.
        is_trained: whether it gets a gradient.
    """

    shape: tuple[int, int]
    is_per_text: bool
    is_trained: bool


def weights(model: nn.Layer) -> list[Weight]:
    """Return the matrices that a model multiplies with; tables of embeddings are looked up, not multiplied with."""
    tables = [layer for layer in model.sublayers() if isinstance(layer, nn.Embedding)]
    looked_up = {parameter.name for table in tables for parameter in table.parameters()}
    return [
        Weight(
            (parameter.shape[0], math.prod(parameter.shape[1:])),
            is_per_text=any(part in name.split(".") for part in _ONCE_A_TEXT),
            is_trained=not parameter.stop_gradient,
        )
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and parameter.name not in looked_up
    ]


def step_flops(model: nn.Layer, batch_size: int, length: int) -> int:
    """Return the floating-point operations in the matrix products of one training step.

    A product of [m, k] and [k, n] takes 2mkn. So each weight takes 2 for every position that it is used at; attention
    takes 2 * batch * length^2 * width for the scores and as many for the weighted sum; and the backward pass takes
    twice the forward pass (a gradient for each of the two factors), or nothing for weights that are frozen. Additions
    of biases, activations, normalisation, softmax, dropout and the optimiser are not counted, and what an
    implementation can leave out (states that nothing looks at) is: it is the same for all that train this model.
    """
    positions = {False: batch_size * length, True: batch_size}
    total = sum(
        2 * math.prod(weight.shape) * positions[weight.is_per_text] * _passes(weight.is_trained)
        for weight in weights(model)
    )
    return total + sum(4 * batch_size * length**2 * width * passes for width, passes in _attentions(model))


def _passes(is_trained: bool) -> int:
    return 3 if is_trained else 1


def _attentions(model: nn.Layer) -> Iterator[tuple[int, int]]:
    for layer in model.sublayers():
        if hasattr(layer, "embed_dim") and hasattr(layer, "num_heads"):
            yield layer.embed_dim, _passes(any(not parameter.stop_gradient for parameter in layer.parameters()))


class Products:
    """The products of a model's own sizes in float32: each distinct weight forward, and both its gradients.

    Attributes:
        flops: operations of one call.
    """

    def __init__(self, model: nn.Layer, n_tokens: int) -> None:
        shapes = sorted({weight.shape for weight in weights(model) if not weight.is_per_text})
        self.flops = sum(3 * 2 * n_tokens * k * n for k, n in shapes)
        self._calls = [self._products(n_tokens, k, n) for k, n in shapes]

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
        settle()


def settle() -> None:
    """Wait for what a GPU still computes; a CPU is never behind."""
    if paddle.device.get_device().startswith("gpu"):
        paddle.device.synchronize()
