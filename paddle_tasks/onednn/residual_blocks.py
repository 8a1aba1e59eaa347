"""The residual blocks of a pre-norm Transformer on numpy arrays: attention and the feed-forward part.

Precisions are as in `paddle_tasks.onednn.encoder_layer`. A block adds its branch to its inputs, whose norm the branch
reads; a model needs a layer norm after its last block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.attention import Attention, Dropout, Heads
from paddle_tasks.onednn.causal_attention import CausalAttention
from paddle_tasks.onednn.encoder_layer import BranchSum, Norm, Normalised
from paddle_tasks.onednn.linear_map import Map, as_type_of, map_gradient
from paddle_tasks.onednn.primitives import activate, activation_gradient, matmul


@dataclass(frozen=True)
class AttentionBlock:
    """The parameters of an attention block, ready for products.

    Attributes:
        projections: of self-attention, the map to queries, keys and values side by side; of attention to other states,
            the map of the inputs to queries, and that of the other states to keys and values.
        output: the map after attention.
        norm: of the inputs; the other states are read as they are.
        n_heads: a divisor of the width.
        causal: whether a position attends only to itself and to those before it.
    """

    projections: tuple[Map, ...]
    output: Map
    norm: Norm
    n_heads: int
    causal: bool = False


class AttentionGradients(NamedTuple):
    """The gradients of an attention block, <float32>; maps and norm as in `AttentionBlock`."""

    states: Array
    other: Array | None
    projections: tuple[Map, ...]
    output: Map
    norm: tuple[Array, Array]


class AttentionCall:
    """One call of an attention block, which keeps what its gradient needs.

    Attributes:
        result: <float32>[batch, length, width].
    """

    def __init__(
        self,
        block: AttentionBlock,
        states: Array,
        other: Array | None,
        offsets: Array | None,
        drops: tuple[Dropout | None, Dropout | None],
    ) -> None:
        """Compute ``states + dropout(output(attention(norm(states))))``.

        Args:
            block: the parameters.
            states: <float32>[batch, length, width], contiguous.
            other: the states that are attended to <float32>[batch, keys, width], contiguous; None for self-attention.
            offsets: <float32>[batch, 1, 1, keys], added to the scores; a causal block has none.
            drops: the dropouts of the attention weights and of the branch.
        """
        self._block, self._shape, self._other_shape = block, states.shape, None if other is None else other.shape
        rows = _rows(states)
        self._norm = Normalised.compute(rows, block.norm)
        read = [self._norm.result] if other is None else [self._norm.result, _rows(other)]
        self._inputs = [as_type_of(values, block.output.weight) for values in read]
        self._parts = [_apply(values, part) for values, part in zip(self._inputs, block.projections, strict=True)]
        context = np.empty(states.shape, block.output.weight.dtype)
        self._attention = self._attend(offsets, drops[0], context)
        self._sum = BranchSum.compute(_rows(context), block.output, rows, drops[1])
        self.result: Array = self._sum.sums.reshape(states.shape)

    def _attend(self, offsets: Array | None, dropout: Dropout | None, out: Array) -> Attention | CausalAttention:
        heads, contexts = self._heads(self._parts), _split(out, self._block.n_heads)
        if self._block.causal:
            return CausalAttention.attend(heads, dropout, contexts)
        return Attention.attend(heads, offsets, dropout, contexts)

    def _heads(self, parts: list[Array]) -> Heads:
        """Return views of projections, or of their gradients, by head."""
        batch, width = self._shape[0], self._shape[-1]
        sides = [part.reshape(batch, -1, part.shape[-1]) for part in parts]
        views = [side[..., start : start + width] for side in sides for start in range(0, side.shape[-1], width)]
        return Heads(*(_split(side, self._block.n_heads) for side in views))

    def backward(self, gradient: Array) -> AttentionGradients:
        """Return the gradients, from that of the result <float32>[batch, length, width], contiguous; once per call."""
        rows = _rows(gradient)
        context, output = self._sum.backward(rows)
        parts = [np.empty_like(part) for part in self._parts]
        self._attention.backward(_split(context.reshape(self._shape), self._block.n_heads), self._heads(parts))
        maps = tuple(map_gradient(*pair) for pair in zip(self._inputs, parts, strict=True))
        states, norm = self._norm.backward(_times(parts[0], self._block.projections[0]))
        states += rows
        other = None
        if self._other_shape is not None:
            other = _times(parts[1], self._block.projections[1]).reshape(self._other_shape)
        return AttentionGradients(states.reshape(self._shape), other, maps, output, norm)


@dataclass(frozen=True)
class FeedForwardBlock:
    """The parameters of a feed-forward block, ready for products.

    Attributes:
        inner: the first map.
        outer: the second map.
        norm: of the inputs.
        activation: one of `paddle_tasks.onednn.primitives.ACTIVATIONS`.
    """

    inner: Map
    outer: Map
    norm: Norm
    activation: str


class FeedForwardGradients(NamedTuple):
    """The gradients of a feed-forward block, <float32>; maps and norm as in `FeedForwardBlock`."""

    states: Array
    inner: Map
    outer: Map
    norm: tuple[Array, Array]


class FeedForwardCall:
    """One call of a feed-forward block, which keeps what its gradient needs.

    Attributes:
        result: <float32>[..., width].
    """

    def __init__(self, block: FeedForwardBlock, states: Array, dropout: Dropout | None) -> None:
        """Compute ``states + dropout(outer(activation(inner(norm(states)))))``.

        Args:
            block: the parameters.
            states: <float32>[..., width], contiguous.
            dropout: of the branch.
        """
        self._block, rows = block, _rows(states)
        self._norm = Normalised.compute(rows, block.norm)
        self._inputs = as_type_of(self._norm.result, block.inner.weight)
        self._before = _apply(self._inputs, block.inner)
        after = np.empty_like(self._before)
        activate(block.activation, self._before, after)
        self._sum = BranchSum.compute(after, block.outer, rows, dropout)
        self.result: Array = self._sum.sums.reshape(states.shape)

    def backward(self, gradient: Array) -> FeedForwardGradients:
        """Return the gradients, from that of the result <float32>[..., width], contiguous; once per call."""
        rows = _rows(gradient)
        inner, outer_map = self._sum.backward(rows)
        activation_gradient(self._block.activation, self._before, inner, inner)
        inner_map = map_gradient(self._inputs, inner)
        states, norm = self._norm.backward(_times(inner, self._block.inner))
        states += rows
        return FeedForwardGradients(states.reshape(gradient.shape), inner_map, outer_map, norm)


def _rows(states: Array) -> Array:
    return states.reshape(-1, states.shape[-1])


def _apply(inputs: Array, part: Map) -> Array:
    """Return the results of a map, in the precision of its weight."""
    results = np.empty((len(inputs), part.weight.shape[1]), part.weight.dtype)
    matmul(inputs, part.weight, results, bias=part.bias)
    return results


def _times(gradient: Array, part: Map) -> Array:
    """Return the gradient <float32>[rows, inputs] of the inputs of a map, from that of its results."""
    inputs = np.empty((len(gradient), part.weight.shape[0]), np.float32)
    matmul(gradient, part.weight.T, inputs)
    return inputs


def _split(rows: Array, n_heads: int) -> Array:
    """Return a view [batch, n_heads, length, size] of [batch, length, width]."""
    batch, length, width = rows.shape
    return rows.reshape(batch, length, n_heads, width // n_heads).swapaxes(1, 2)
