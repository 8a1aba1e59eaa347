"""Pooling: from one vector per token to one vector per text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.models.encoders.base import real_positions

FixedPooling = Literal["cls", "mean", "max"]
Pooling = Literal["cls", "mean", "max", "attention"]
Pool = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes the states, the text vectors and the lengths of an encoder, as `pool` does."""


def build_pooling(pooling: Pooling, width: int) -> Pool:
    """Return the pooling of this name for states of this width; `attention` is a Layer with fresh weights."""
    return AttentionPooling(width) if pooling == "attention" else partial(pool, pooling)


def pool(pooling: FixedPooling, states: Tensor, vectors: Tensor, lengths: Tensor) -> Tensor:
    """Return one vector per text from the output of an encoder.

    Args:
        pooling: `cls` takes the encoder's text vector; `mean` and `max` pool the states at real positions, whatever
            the padding holds.
        states: <float>[batch, length, width].
        vectors: <float>[batch, width], the text vectors.
        lengths: <int64>[batch], at least 1.

    Returns:
        <float>[batch, width], of the type of ``states``.
    """
    if pooling == "cls":
        return vectors
    # In float32: a sum in half precision overflows at 65,504, and `where` has no half-precision kernel on a CPU.
    wide = states.astype("float32")
    pooled = _mean(wide, lengths) if pooling == "mean" else max_pool(wide, lengths)
    return pooled.astype(states.dtype)


def _mean(states: Tensor, lengths: Tensor) -> Tensor:
    return zero_padding(states, lengths).sum(axis=1) / lengths.unsqueeze(1).astype("float32")


def max_pool(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the maximum over the real positions of <float32>[batch, length, width], <float32>[batch, width].

    It gathers at the argmax: on a CPU at 32 x 128 x 384 its gradient takes 12 ms, that of `paddle.max` 2 s.
    """
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    values = states.detach()
    positions = paddle.where(real, values, paddle.full_like(values, -float("inf"))).argmax(axis=1, keepdim=True)
    return paddle.take_along_axis(states, positions, axis=1).squeeze(1)


class AttentionPooling(nn.Layer):  # type: ignore[misc]
    """A weighted mean of the states with learnt weights (Yang et al., 2016), https://aclanthology.org/N16-1174.

    In the paper's notation: u_t = tanh(W h_t + b), a_t = exp(u_t . u_w) / sum over the text, and the pooled vector is
    the sum of a_t h_t. The context vector u_w is as wide as the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.context = nn.Linear(width, 1, bias_attr=False)  # a bias would shift all scores of a text equally

    def forward(self, states: Tensor, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Return <float>[batch, width], of the type of ``states``; see `pool` for the arguments."""
        del vectors
        wide = zero_padding(states.astype("float32"), lengths)
        pooled = paddle.bmm(self._weights(wide, lengths).unsqueeze(1), wide).squeeze(1)
        return pooled.astype(states.dtype)

    def weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the weights <float32>[batch, length]: they sum to 1 in each text and are 0 in the padding."""
        return self._weights(zero_padding(states.astype("float32"), lengths), lengths)

    def _weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        scores = self.context(functional.tanh(self.projection(states))).squeeze(2).astype("float32")
        real = real_positions(lengths, states.shape[1])
        weights = functional.softmax(paddle.where(real, scores, paddle.full_like(scores, -1e9)), axis=1)
        # Paddle's softmax on a CPU computes exp(-64) for all smaller scores, which is not 0.
        return paddle.where(real, weights, paddle.zeros_like(weights))


def zero_padding(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the states with zeros in the padding, also where it holds NaN (which a product with 0 would keep)."""
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    return paddle.where(real, states, paddle.zeros_like(states))
