"""Numpy views of Paddle's tensors, dropout masks of one byte per element, and checks that the kernels share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.onednn import library, primitives

_GENERATOR = paddle.framework.core.default_cpu_generator


class _Interface:
    """The numpy array interface of a tensor; keeps the tensor alive."""

    def __init__(self, tensor: Tensor, shape: tuple[int, ...]) -> None:
        self._tensor = tensor
        self.__array_interface__ = {"data": (tensor.data_ptr(), False), "shape": shape, "typestr": "<f4", "version": 3}


def view(tensor: Tensor) -> Array:
    """Return an array that shares the memory of a contiguous <float32> tensor on the CPU.

    Raises:
        ValueError: the tensor has another type, is on another device or is not contiguous, so that its memory would be
            misread.
    """
    if tensor.dtype != paddle.float32 or not tensor.place.is_cpu_place() or not tensor.is_contiguous():
        actual = f"{tensor.dtype} {list(tensor.shape)} with strides {list(tensor.strides)} on {tensor.place}"
        raise ValueError(f"view: expected a contiguous float32 tensor on the CPU, found {actual}")
    shape = tuple(tensor.shape)  # not `tensor.size`, which takes 25 µs
    if 0 in shape:
        return np.empty(shape, np.float32)  # an empty tensor has no memory
    return np.asarray(_Interface(tensor, shape))


def empty(*shape: int) -> tuple[Tensor, Array]:
    """Return a new, uninitialised <float32>[shape] and its `view`."""
    tensor = paddle.empty(shape, dtype="float32")
    return tensor, view(tensor)


def to_tensor(array: Array) -> Tensor:
    """Return a copy of <float32>[shape] as a tensor.

    Not `paddle.from_dlpack`, which would share the memory: when one thread frees such a tensor while another makes one,
    both wait for each other for ever (Paddle 3.3.1 holds a lock while it waits for Python's). The copy of 3,520 x 256
    takes 0.1 ms, and `paddle.to_tensor` takes 40 µs more.
    """
    tensor, values = empty(*array.shape)
    np.copyto(values, array)
    return tensor


def need_gradients(*tensors: Tensor | None) -> list[bool]:
    """Return whether each tensor needs a gradient; `backward` must return None for the others."""
    return [not tensor.stop_gradient for tensor in tensors if tensor is not None]


def first_order_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Make `backward` refuse second derivatives, which would treat what numpy computes as constant."""

    @wraps(backward)
    def checked(ctx: Any, *gradients: Tensor | None) -> Any:
        if paddle.is_grad_enabled():
            raise RuntimeError("derivatives of derivatives (create_graph=True) are refused here; see models/cpu")
        return backward(ctx, *gradients)

    return checked


def is_plain(layer: nn.Layer, kind: type[nn.Layer]) -> bool:
    """Return whether a Layer is of exactly this class and has no hooks, which a replaced forward would not call."""
    return type(layer) is kind and not layer._forward_pre_hooks and not layer._forward_post_hooks


class Mask:
    """The elements that a dropout keeps, and the factor that scales them up.

    The probability is rounded to a multiple of 1/256, and the scale is the exact inverse of the share that is kept, so
    the expectation is unchanged. One draw gives eight elements, which takes a twentieth of the time of Paddle's
    generator with its one float per element. The seed comes from Paddle's generator: `paddle.seed` makes masks
    reproducible.

    Attributes:
        kept: <bool>[shape].
        scale: 1 / (1 - p) for the rounded p.
    """

    def __init__(self, shape: tuple[int, ...], probability: float) -> None:
        dropped, size = round(probability * 256), int(np.prod(shape))
        draws = np.random.SFC64(_GENERATOR().random()).random_raw(-(-size // 8))
        self.kept: Array = (draws.view(np.uint8)[:size] >= dropped).reshape(shape)
        self.scale = np.float32(256 / max(1, 256 - dropped))

    @classmethod
    def draw(cls, shape: tuple[int, ...], probability: float) -> Mask | None:
        """Return a mask, or None if the probability rounds to 0."""
        return cls(shape, probability) if round(probability * 256) else None

    def apply(self, values: Array, out: Array) -> None:
        """Write the scaled kept values to ``out``, which may be ``values``; dropped elements are 0."""
        if library.get() is not None and values.size:
            primitives.multiply(values, self.kept, out, factor=float(self.scale))
            return
        np.multiply(values, self.kept, out=out)
        out *= self.scale
