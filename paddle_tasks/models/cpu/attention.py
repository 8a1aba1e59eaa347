"""Self-attention from one product for queries, keys and values; the only copies are those into heads and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import Mask, empty, first_order_only, need_gradients, view


def attention(projections: Tensor, offsets: Array | None, n_heads: int, dropout: float) -> Tensor:
    """Attend from every position to every position (Vaswani et al., 2017).

    Args:
        projections: <float32>[batch, length, 3 * width], queries, keys and values.
        offsets: <float32>, broadcast and added to the scores <float32>[batch, n_heads, length, length]: very negative
            for keys that must get no attention.
        n_heads: a divisor of the width.
        dropout: probability of dropping an attention weight.

    Returns:
        <float32>[batch, length, width].
    """
    return _Attention.apply(projections, None, offsets, n_heads, dropout)


def attention_from_first(
    queries: Tensor, keys_values: Tensor, offsets: Array | None, n_heads: int, dropout: float
) -> Tensor:
    """Attend from the first position to every position; otherwise as `attention`.

    Args:
        queries: <float32>[batch, 1, width].
        keys_values: <float32>[batch, length, 2 * width], keys and values.
        offsets: as in `attention`, with one query.
        n_heads: a divisor of the width.
        dropout: probability of dropping an attention weight.

    Returns:
        <float32>[batch, 1, width].
    """
    return _Attention.apply(queries, keys_values, offsets, n_heads, dropout)


class _Attention(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor | None, offsets: Array | None, n_heads: int, dropout: float
    ) -> Tensor:
        parts = _parts(first, second, n_heads)
        scale = np.float32(1 / np.sqrt(parts[0].shape[-1]))
        queries, keys, values = (_heads(part, factor) for part, factor in zip(parts, (scale, None, None), strict=True))
        weights = paddle.matmul(queries, keys, transpose_y=True)
        _softmax(view(weights), offsets)
        mask = Mask.draw(tuple(weights.shape), dropout)
        context = paddle.matmul(_kept(weights, mask), values)
        ctx.save_for_backward(queries, keys, values, weights, context)
        ctx.mask, ctx.scale, ctx.need_gradients = mask, scale, need_gradients(first, second)
        return _merge(context, mask)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, values, weights, context = ctx.saved_tensor()
        mask, n_heads = ctx.mask, queries.shape[1]
        rows = view(gradient.contiguous()).reshape(*gradient.shape[:2], n_heads, queries.shape[-1])
        outer = _heads(rows, mask.scale if mask else None)
        for_values = paddle.matmul(_kept(weights, mask), outer, transpose_x=True)
        inner = paddle.matmul(outer, values, transpose_y=True)
        scores = view(inner)
        if mask:
            scores *= mask.kept
        # Softmax's gradient needs sum over keys (weight * gradient), which equals sum over width (context * gradient),
        # with dropout too.
        scores -= np.einsum("...i,...i->...", view(outer), view(context))[..., None]
        scores *= view(weights)
        for_queries, for_keys = paddle.matmul(inner, keys), paddle.matmul(inner, queries, transpose_x=True)
        gradients = [_rows(part) for part in (for_queries, for_keys, for_values)]
        joined = join_gradients(gradients, ctx.scale, n_inputs=len(ctx.need_gradients))
        return tuple(part if needed else None for part, needed in zip(joined, ctx.need_gradients, strict=True))


def _parts(first: Tensor, second: Tensor | None, n_heads: int) -> list[Array]:
    """Return queries, keys and values as views <float32>[batch, length, n_heads, size]."""
    if second is None:
        batch, length, width = first.shape
        return list(np.moveaxis(view(first).reshape(batch, length, 3, n_heads, width // (3 * n_heads)), 2, 0))
    batch, length, width = second.shape
    keys_values = view(second).reshape(batch, length, 2, n_heads, width // (2 * n_heads))
    return [view(first).reshape(*first.shape[:2], n_heads, width // (2 * n_heads)), *np.moveaxis(keys_values, 2, 0)]


def _heads(part: Array, factor: np.float32 | None = None) -> Tensor:
    """Copy <float32>[batch, length, n_heads, size], times a factor, to <float32>[batch, n_heads, length, size]."""
    batch, length, n_heads, size = part.shape
    tensor, array = empty(batch, n_heads, length, size)
    if factor is None:
        np.copyto(array, part.transpose(0, 2, 1, 3))
    else:
        np.multiply(part.transpose(0, 2, 1, 3), factor, out=array)
    return tensor


def _rows(heads: Tensor) -> Array:
    return view(heads).transpose(0, 2, 1, 3)


def _softmax(scores: Array, offsets: Array | None) -> None:
    """Replace scores by attention weights, in place."""
    if offsets is not None:
        scores += offsets
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores *= 1 / scores.sum(axis=-1, keepdims=True)


def _kept(weights: Tensor, mask: Mask | None) -> Tensor:
    """Return the weights that dropout keeps, not scaled up: scaling their product with the values is cheaper."""
    if mask is None:
        return weights
    kept, array = empty(*weights.shape)
    np.multiply(view(weights), mask.kept, out=array)
    return kept


def _merge(context: Tensor, mask: Mask | None) -> Tensor:
    batch, n_heads, length, size = context.shape
    merged, array = empty(batch, length, n_heads * size)
    heads = array.reshape(batch, length, n_heads, size)
    np.multiply(_rows(context), mask.scale if mask else np.float32(1), out=heads)
    return merged


def join_gradients(gradients: list[Array], scale: np.float32, n_inputs: int) -> tuple[Tensor, ...]:
    """Lay out the gradients of queries, keys and values as the inputs were.

    Args:
        gradients: of queries, keys and values, <float32>[batch, length, n_heads, size] each.
        scale: factor of the queries' gradient.
        n_inputs: 1 for `attention`, 2 for `attention_from_first`.

    Returns:
        <float32>[batch, length, 3 * width], or <float32>[batch, 1, width] and <float32>[batch, length, 2 * width].
    """
    queries, keys, values = gradients
    batch, length, n_heads, size = keys.shape
    if n_inputs == 1:
        joined, array = empty(batch, length, 3 * n_heads * size)
        for part, gradient in zip(
            np.moveaxis(array.reshape(batch, length, 3, n_heads, size), 2, 0), gradients, strict=True
        ):
            part[...] = gradient
        array[..., : n_heads * size] *= scale
        return (joined,)
    for_queries, first = empty(batch, queries.shape[1], n_heads * size)
    np.multiply(queries, scale, out=first.reshape(queries.shape))
    for_keys_values, second = empty(batch, length, 2 * n_heads * size)
    both = second.reshape(batch, length, 2, n_heads, size)
    both[:, :, 0], both[:, :, 1] = keys, values
    return for_queries, for_keys_values
