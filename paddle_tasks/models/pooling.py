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
    real = real_positions(lengths, states.shape[1]).unsqueeze(2)
    # In float32: a sum in half precision overflows at 65,504, and a CPU can choose nothing from half precision.
    wide = states.astype("float32")
    pooled = _mean(wide, real, lengths) if pooling == "mean" else _max(wide, real)
    return pooled.astype(states.dtype)


def _mean(states: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    # Chosen, not multiplied by 0 and 1: NaN x 0 is NaN.
    total = paddle.where(real, states, paddle.zeros_like(states)).sum(axis=1)
    return total / lengths.unsqueeze(1).astype("float32")


def _max(states: Tensor, real: Tensor) -> Tensor:
    # Picked by place: on a CPU the gradient of paddle.max takes 2 s at 32 x 128 x 384, that of picking 12 ms.
    values = states.detach()
    places = paddle.where(real, values, paddle.full_like(values, -float("inf"))).argmax(axis=1, keepdim=True)
    return paddle.take_along_axis(states, places, axis=1).squeeze(1)
