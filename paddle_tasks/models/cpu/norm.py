"""Layer normalisation, alone or of the sum of a residual and a branch with dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import Mask, empty, first_order_only, is_plain, need_gradients, to_tensor, view
from paddle_tasks.models.cpu.linear import column_sums
from paddle_tasks.onednn import library, primitives


def can_replace(layer: nn.Layer) -> bool:
    """Return whether a Layer normalises the last axis only, with weight and bias."""
    if not is_plain(layer, nn.LayerNorm) or layer.weight is None or layer.bias is None:
        return False
    return len(layer._normalized_shape) == 1


def forward(layer: nn.LayerNorm, states: Tensor) -> Tensor:
    """Compute what the Layer's own forward computes."""
    return layer_norm(states, layer.weight, layer.bias, layer._epsilon)


def layer_norm(states: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
    """Normalise the last axis of <float32>[..., width] (Ba et al., 2016).

    Its gradient takes 1 ms where Paddle's takes 9 ms.
    """
    if library.get() is not None and states.size:
        return _OneDnnNorm.apply(states, weight, bias, epsilon)
    return _AddNorm.apply(states, None, weight, bias, (epsilon, None))


def add_norm(
    branch: Tensor, residual: Tensor, weight: Tensor, bias: Tensor, *, epsilon: float, mask: Mask | None
) -> Tensor:
    """Return ``layer_norm(residual + dropout(branch))``, all <float32>[..., width]."""
    return _AddNorm.apply(branch, residual, weight, bias, (epsilon, mask))


class _OneDnnNorm(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> Tensor:
        values = view(states.contiguous()).reshape(-1, states.shape[-1])
        result = np.empty(states.shape, np.float32)
        ctx.parameters = view(weight), view(bias), epsilon
        ctx.statistics = primitives.layer_norm(values, view(weight), view(bias), epsilon, result.reshape(values.shape))
        ctx.save_for_backward(states)
        ctx.need_gradients = need_gradients(states, weight, bias)
        return to_tensor(result)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (states,) = ctx.saved_tensor()
        values = view(states.contiguous()).reshape(-1, states.shape[-1])
        result, rows = np.empty(states.shape, np.float32), view(gradient.contiguous()).reshape(values.shape)
        parts = primitives.layer_norm_gradient(
            values, ctx.parameters, ctx.statistics, rows, result.reshape(values.shape)
        )
        return tuple(
            to_tensor(part) if needed else None
            for part, needed in zip((result, *parts), ctx.need_gradients, strict=True)
        )


class _AddNorm(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,
        branch: Tensor,
        residual: Tensor | None,
        weight: Tensor,
        bias: Tensor,
        options: tuple[float, Mask | None],
    ) -> Tensor:
        epsilon, mask = options
        normal, values = empty(*branch.shape)
        _sum(branch, residual, mask, values)
        values -= values.mean(axis=-1, keepdims=True)
        ctx.inverse = 1 / np.sqrt(_dots(values, values) / values.shape[-1] + np.float32(epsilon))
        values *= ctx.inverse
        ctx.save_for_backward(normal, weight)
        ctx.mask, ctx.need_gradients = mask, need_gradients(branch, residual, weight, bias)
        result, array = empty(*branch.shape)
        np.multiply(values, view(weight), out=array)
        array += view(bias)
        return result

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normal, weight = ctx.saved_tensor()
        gradient = gradient.contiguous()
        values, width = view(normal), normal.shape[-1]
        inner, array = empty(*gradient.shape)
        np.multiply(view(gradient), view(weight), out=array)
        slope = _dots(array, values) / width
        array -= array.mean(axis=-1, keepdims=True)
        array -= values * slope
        array *= ctx.inverse
        *inputs_need, weight_needs, bias_needs = ctx.need_gradients
        return (
            *_split(inner, array, ctx.mask, inputs_need),
            column_sums(paddle.multiply(gradient, normal).reshape([-1, width])) if weight_needs else None,
            column_sums(gradient.reshape([-1, width])) if bias_needs else None,
        )


def _sum(branch: Tensor, residual: Tensor | None, mask: Mask | None, out: Array) -> None:
    if mask is None:
        out[...] = view(branch.contiguous())
    else:
        mask.apply(view(branch.contiguous()), out)
    if residual is not None:
        out += view(residual.contiguous())


def _split(inner: Tensor, array: Array, mask: Mask | None, inputs_need: list[bool]) -> list[Tensor | None]:
    """Return the gradient of the branch and, if there is a residual, its gradient.

    They are two tensors even where they are equal: Paddle accumulates into a gradient in place, and would change both.
    """
    branch_needs, *residual_needs = inputs_need
    branch = inner
    if branch_needs and (mask is not None or any(residual_needs)):
        branch, values = empty(*inner.shape)
        if mask is None:
            np.copyto(values, array)
        else:
            mask.apply(array, values)
    return [branch if branch_needs else None, *(inner if needs else None for needs in residual_needs)]


def _dots(first: Array, second: Array) -> Array:
    """Return the inner products along the last axis, which is kept with length 1."""
    dots: Array = np.einsum("...i,...i->...", first, second)[..., None]
    return dots
