"""From one vector a token to one vector a text."""

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
"""Takes an encoder's states, the texts' own vectors and the lengths, as `pool` does."""


def build_pooling(pooling: Pooling, width: int) -> Pool:
    """Return the pooling of that name over vectors of that width; `attention` is a Layer with fresh weights."""
    return AttentionPooling(width) if pooling == "attention" else partial(pool, pooling)


def pool(pooling: FixedPooling, states: Tensor, first: Tensor, lengths: Tensor) -> Tensor:
    """Return one vector a text from what an encoder returned.

    Args:
        pooling: `cls` takes the text's own vector ``first``, as the encoder defines it; `mean` and `max` go over
            the real positions of ``states`` only, whatever the padding holds.
        states: <float>[batch, length, width].
        first: <float>[batch, width].
        lengths: <int64>[batch], at least 1.

    Returns:
        <float>[batch, width], of the type of ``states``.
    """
    if pooling == "cls":
        return first
    # In float32: a sum in half precision overflows at 65,504, and a CPU can choose nothing from half precision.
    wide = states.astype("float32")
    pooled = _mean(wide, lengths) if pooling == "mean" else _max(wide, lengths)
    return pooled.astype(states.dtype)


def _mean(states: Tensor, lengths: Tensor) -> Tensor:
    return zeroed(states, lengths).sum(axis=1) / lengths.unsqueeze(1).astype("float32")


def _max(states: Tensor, lengths: Tensor) -> Tensor:
    # Picked by place: on a CPU the gradient of paddle.max takes 2 s at 32 x 128 x 384, that of picking 12 ms.
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    values = states.detach()
    places = paddle.where(real, values, paddle.full_like(values, -float("inf"))).argmax(axis=1, keepdim=True)
    return paddle.take_along_axis(states, places, axis=1).squeeze(1)


class AttentionPooling(nn.Layer):  # type: ignore[misc]
    """A weighted mean of the states, whose weights are learnt (Yang et al., 2016), https://aclanthology.org/N16-1174.

    With the paper's names: u_t = tanh(W h_t + b), a_t = exp(u_t . u_w) / sum over the text, and the pooled vector is
    the sum of a_t h_t. The context vector u_w is as wide as the states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, width)
        self.context = nn.Linear(width, 1, bias_attr=False)  # a bias would move all scores of a text alike

    def forward(self, states: Tensor, first: Tensor, lengths: Tensor) -> Tensor:
        """Return <float>[batch, width], of the type of ``states``; see `pool` for the arguments."""
        del first
        wide = zeroed(states.astype("float32"), lengths)
        pooled = paddle.bmm(self._weights(wide, lengths).unsqueeze(1), wide).squeeze(1)
        return pooled.astype(states.dtype)

    def weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return each position's weight <float32>[batch, length]: 1 together in each text, and 0 in the padding."""
        return self._weights(zeroed(states.astype("float32"), lengths), lengths)

    def _weights(self, states: Tensor, lengths: Tensor) -> Tensor:
        scores = self.context(functional.tanh(self.projection(states))).squeeze(2).astype("float32")
        real = real_positions(lengths, states.shape[1])
        weights = functional.softmax(paddle.where(real, scores, paddle.full_like(scores, -1e9)), axis=1)
        # Paddle's softmax on a CPU takes exp(-64) for whatever is smaller.
        return paddle.where(real, weights, paddle.zeros_like(weights))


def zeroed(states: Tensor, lengths: Tensor) -> Tensor:
    """Return the states with zeros in the padding. Chosen, not multiplied by 0 and 1: NaN x 0 is NaN."""
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    return paddle.where(real, states, paddle.zeros_like(states))
