"""From one vector a token to one vector a text."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import Tensor

from paddle_tasks.models.base import real_positions

Pooling = Literal["cls", "mean", "max"]


def pool(pooling: Pooling, states: Tensor, first: Tensor, lengths: Tensor) -> Tensor:
    """Return one vector a text from what an encoder returned.

    Args:
        pooling: `cls` takes the text's own vector ``first``; `mean` and `max` go over the real positions of
            ``states`` only, whatever the padding holds.
        states: <float>[batch, length, width].
        first: <float>[batch, width].
        lengths: <int64>[batch], at least 1.

    Returns:
        <float>[batch, width], of the type of ``states``.
    """
    if pooling == "cls":
        return first
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    return _max(states, real) if pooling == "max" else _mean(states, real, lengths)


def _mean(states: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    # Summed in float32, since half precision overflows at 65,504; chosen, not multiplied, since NaN x 0 is NaN.
    wide = states.astype("float32")
    total = paddle.where(real, wide, paddle.zeros_like(wide)).sum(axis=1)
    return (total / lengths.unsqueeze(1).astype("float32")).astype(states.dtype)


def _max(states: Tensor, real: Tensor) -> Tensor:
    return paddle.where(real, states, paddle.full_like(states, -float("inf"))).max(axis=1)
