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
    return _mean(states, real, lengths) if pooling == "mean" else _max(states, real)


def _mean(states: Tensor, real: Tensor, lengths: Tensor) -> Tensor:
    # In float32, since a sum in half precision overflows at 65,504; chosen, not multiplied, since NaN x 0 is NaN.
    wide = states.astype("float32")
    total = paddle.where(real, wide, paddle.zeros_like(wide)).sum(axis=1)
    return (total / lengths.unsqueeze(1).astype("float32")).astype(states.dtype)


def _max(states: Tensor, real: Tensor) -> Tensor:
    # Picked by place: on a CPU the gradient of paddle.max takes 3 s at 32 x 128 x 384, that of picking 15 ms.
    values = states.detach().astype("float32")  # `where` takes no half precision on a CPU
    places = paddle.where(real, values, paddle.full_like(values, -float("inf"))).argmax(axis=1, keepdim=True)
    return paddle.take_along_axis(states, places, axis=1).squeeze(1)
