"""Dropout with masks of one byte per element."""

from __future__ import annotations

from typing import Any

from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.models.cpu.arrays import Mask, empty, first_order_only, is_plain, view


def can_replace(layer: nn.Layer) -> bool:
    """Return whether a Layer drops single elements and scales up during training, as `dropout` does."""
    return is_plain(layer, nn.Dropout) and layer.mode == "upscale_in_train" and layer.axis is None


def forward(layer: nn.Dropout, states: Tensor) -> Tensor:
    """Compute what the Layer's own forward computes."""
    return dropout(states, layer.p, training=layer.training)


def dropout(states: Tensor, probability: float, *, training: bool) -> Tensor:
    """Drop elements of <float32>[...] and multiply the others by 1 / (1 - p) (Srivastava et al., 2014)."""
    mask = Mask.draw(tuple(states.shape), probability) if training else None
    return states if mask is None else _Dropout.apply(states, mask)


class _Dropout(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Mask) -> Tensor:
        ctx.mask = mask
        return _dropped(states, mask)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _dropped(gradient, ctx.mask)


def _dropped(states: Tensor, mask: Mask) -> Tensor:
    result, array = empty(*states.shape)
    mask.apply(view(states.contiguous()), array)
    return result
