"""Dropout with masks of bytes."""

from __future__ import annotations

from typing import Any

from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.models.cpu.arrays import Mask, empty, is_plain, once, view


def can_take(layer: nn.Layer) -> bool:
    """Tell whether a Layer is a dropout of single elements that scales up while it trains."""
    return is_plain(layer, nn.Dropout) and layer.mode == "upscale_in_train" and layer.axis is None


def forward(layer: nn.Dropout, states: Tensor) -> Tensor:
    """Do what the Layer's own forward does."""
    return dropout(states, layer.p, training=layer.training)


def dropout(states: Tensor, probability: float, *, training: bool) -> Tensor:
    """Drop elements and scale the rest up by 1 / (1 - p) (Srivastava et al., 2014): <float32>[...] -> the same."""
    mask = Mask.draw(tuple(states.shape), probability) if training else None
    return states if mask is None else _Dropout.apply(states, mask)


class _Dropout(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, mask: Mask) -> Tensor:
        ctx.mask = mask
        return _dropped(states, mask)

    @staticmethod
    @once
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _dropped(gradient, ctx.mask)


def _dropped(states: Tensor, mask: Mask) -> Tensor:
    result, array = empty(*states.shape)
    mask.apply(view(states.contiguous()), array)
    return result
