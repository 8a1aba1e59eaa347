"""Numpy at work inside Paddle's memory, and dropout masks of bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array

_GENERATOR = paddle.framework.core.default_cpu_generator


class _Interface:
    """Numpy's array interface of a tensor; it keeps the tensor alive."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        address = {"data": (tensor.data_ptr(), False), "shape": tuple(tensor.shape), "typestr": "<f4", "version": 3}
        self.__array_interface__ = address


def view(tensor: Tensor) -> Array:
    """Return a contiguous <float32> CPU tensor's own memory as an array: what is written there is in the tensor.

    Raises:
        ValueError: another type or place, or not contiguous: its memory would be read as what it is not.
    """
    if tensor.dtype != paddle.float32 or not tensor.place.is_cpu_place() or not tensor.is_contiguous():
        found = f"{tensor.dtype} {list(tensor.shape)} with strides {list(tensor.strides)} on {tensor.place}"
        raise ValueError(f"view: expected a contiguous float32 tensor on the CPU, found {found}")
    if not tensor.size:
        return np.empty(tensor.shape, np.float32)  # it has no memory
    return np.asarray(_Interface(tensor))


def empty(*shape: int) -> tuple[Tensor, Array]:
    """Return a new <float32>[shape] whose values are not set, with its array."""
    tensor = paddle.empty(shape, dtype="float32")
    return tensor, view(tensor)


def wanted(*tensors: Tensor | None) -> list[bool]:
    """Tell of each tensor whether it wants a gradient, for which Paddle takes nothing but None when it does not."""
    return [not tensor.stop_gradient for tensor in tensors if tensor is not None]


def once(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Have a backward refuse to be part of a graph itself, where numpy's part would count as constant."""

    @wraps(backward)
    def checked(ctx: Any, gradient: Tensor) -> Any:
        if paddle.is_grad_enabled():
            raise RuntimeError("derivatives of derivatives (create_graph=True) are refused here; see models/cpu")
        return backward(ctx, gradient)

    return checked


def is_plain(layer: nn.Layer, kind: type[nn.Layer]) -> bool:
    """Tell whether a Layer is of this very class, and nothing hooked on it would miss a call."""
    return type(layer) is kind and not layer._forward_pre_hooks and not layer._forward_post_hooks


class Mask:
    """Which elements a dropout keeps, one byte an element, and what the kept ones are multiplied with.

    The probability is rounded to 1/256, and the scale is the exact inverse of what is kept, so the expectation is
    right. Eight bytes a draw cost a twentieth of Paddle's own generator, which draws a float for each element.
    The stream's seed comes from Paddle's generator: `paddle.seed` makes it reproducible.

    Attributes:
        kept: <bool>[shape].
        scale: 1 / (1 - p), for the rounded p.
    """

    def __init__(self, shape: tuple[int, ...], probability: float) -> None:
        dropped, size = round(probability * 256), int(np.prod(shape))
        draws = np.random.SFC64(_GENERATOR().random()).random_raw(-(-size // 8))
        self.kept: Array = (draws.view(np.uint8)[:size] >= dropped).reshape(shape)
        self.scale = np.float32(256 / max(1, 256 - dropped))

    @classmethod
    def draw(cls, shape: tuple[int, ...], probability: float) -> Mask | None:
        """Return a mask, or None when the probability rounds to 0 and all is kept."""
        return cls(shape, probability) if round(probability * 256) else None

    def apply(self, values: Array, out: Array) -> None:
        """Write the kept values, scaled, to ``out``, which may be ``values``."""
        np.multiply(values, self.kept, out=out)
        out *= self.scale
