"""A post-norm Transformer encoder layer on numpy arrays, forward and backward, in float32 or bfloat16.

In bfloat16 the factors of all products are rounded to it, and so is what lies between two products without a sum:
projections, attention weights, contexts, and the inner states before and after the activation. Sums of products,
residuals, norms, softmax and all gradients of parameters are float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.attention import Attention, Dropout, Heads
from paddle_tasks.onednn.causal_attention import CausalAttention
from paddle_tasks.onednn.execution import Accumulate, Combine, PostOp
from paddle_tasks.onednn.linear_map import Map, as_type_of, map_gradient
from paddle_tasks.onednn.primitives import (
    NormStatistics,
    activate,
    activation_gradient,
    convert,
    layer_norm,
    layer_norm_gradient,
    matmul,
    multiply,
)


class Norm(NamedTuple):
    """The parameters of a layer norm, <float32>[width] each, and its epsilon."""

    weight: Array
    bias: Array
    epsilon: float


@dataclass(frozen=True)
class Layer:
    """The parameters of a layer, ready for products.

    Attributes:
        projections: the maps to queries, keys and values, side by side.
        output: the map after attention.
        inner: the first map of the feed-forward part.
        outer: its second map.
        norms: after attention and after the feed-forward part.
        n_heads: a divisor of the width.
        activation: one of `paddle_tasks.onednn.primitives.ACTIVATIONS`.
        causal: whether a position attends only to itself and to those before it.
        pre_norm: whether the inputs of the two parts are normalised, not their results; see `pre_norm_layer`.
    """

    projections: Map
    output: Map
    inner: Map
    outer: Map
    norms: tuple[Norm, Norm]
    n_heads: int
    activation: str
    causal: bool = False
    pre_norm: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the factors of the products."""
        return self.output.weight.dtype


@dataclass(frozen=True)
class Drops:
    """The dropouts of one call: of the attention weights and of the two branches; None where nothing is dropped."""

    weights: Dropout | None = None
    attention: Dropout | None = None
    feed_forward: Dropout | None = None


class Gradients(NamedTuple):
    """The gradients of a layer's input and parameters, <float32>; weights and biases as in `Layer`."""

    states: Array | None
    projections: Map
    output: Map
    inner: Map
    outer: Map
    norms: tuple[tuple[Array, Array], tuple[Array, Array]]


@dataclass
class BranchSum:
    """The end of a branch: ``residual + dropout(map(inputs))``, which keeps what its gradient needs.

    Attributes:
        inputs: [rows, inputs], in the precision of the products.
        sums: <float32>[rows, width].
    """

    inputs: Array
    last: Map
    dropout: Dropout | None
    sums: Array

    @classmethod
    def compute(cls, inputs: Array, last: Map, residual: Array, dropout: Dropout | None) -> BranchSum:
        """Return the sum with a residual <float32>[rows, width]."""
        sums = np.empty(residual.shape, np.float32)
        drop: tuple[PostOp, ...] = () if dropout is None else dropout.post
        matmul(inputs, last.weight, sums, bias=last.bias, post=(*drop, Combine("add", residual)))
        return cls(inputs, last, dropout, sums)

    def backward(self, for_sums: Array) -> tuple[Array, Map]:
        """Return the gradients of the inputs, in their type, and of the map, from that of the sums <float32>."""
        for_branch = for_sums
        if self.dropout is not None:
            for_branch = np.empty_like(for_sums)
            multiply(for_sums, self.dropout.kept, for_branch, factor=self.dropout.scale)
        for_branch = as_type_of(for_branch, self.inputs)
        for_inputs = np.empty_like(self.inputs)
        matmul(for_branch, self.last.weight.T, for_inputs)
        return for_inputs, map_gradient(self.inputs, for_branch)


@dataclass
class Normalised:
    """A layer norm, which keeps what its gradient needs.

    Attributes:
        values: <float32>[rows, width], what is normalised.
        result: <float32>[rows, width].
    """

    values: Array
    norm: Norm
    statistics: NormStatistics
    result: Array

    @classmethod
    def compute(cls, values: Array, norm: Norm) -> Normalised:
        """Return the norm of <float32>[rows, width]."""
        result = np.empty_like(values)
        return cls(values, norm, layer_norm(values, norm.weight, norm.bias, norm.epsilon, result), result)

    def backward(self, gradient: Array) -> tuple[Array, tuple[Array, Array]]:
        """Return the gradients of the values <float32>[rows, width], and of weight and bias."""
        for_values = np.empty_like(self.values)
        return for_values, layer_norm_gradient(self.values, self.norm, self.statistics, gradient, for_values)


@dataclass
class _Branch:
    """The end of a branch of a post-norm layer: ``norm(residual + dropout(map(inputs)))``."""

    sum: BranchSum
    normalised: Normalised

    @classmethod
    def compute(cls, inputs: Array, last: Map, residual: Array, norm: Norm, dropout: Dropout | None) -> _Branch:
        branch = BranchSum.compute(inputs, last, residual, dropout)
        return cls(branch, Normalised.compute(branch.sums, norm))

    @property
    def result(self) -> Array:
        return self.normalised.result

    def backward(self, gradient: Array) -> tuple[Array, Array, Map, tuple[Array, Array]]:
        """Return the gradients of the residual, the inputs, the map and the norm.

        That of the residual is <float32>, that of the inputs has their type.
        """
        for_sums, for_norm = self.normalised.backward(gradient)
        for_inputs, for_map = self.sum.backward(for_sums)
        return for_sums, for_inputs, for_map, for_norm


class Call:
    """One call of a layer, which keeps what its gradient needs.

    Attributes:
        result: <float32>[rows, width]: of all positions, of the first ones, or of the given ones.
    """

    def __init__(
        self,
        layer: Layer,
        states: Array,
        offsets: Array | None,
        drops: Drops,
        *,
        first_only: bool = False,
        positions: Array | None = None,
    ) -> None:
        """Compute a layer's states.

        Args:
            layer: the layer.
            states: <float32>[batch, length, width].
            offsets: <float32>, broadcast and added to the attention scores; a causal layer has none.
            drops: the dropouts.
            first_only: attend from the first position of each text only, and return its state.
            positions: <int64>[n], indices into the flattened positions whose states are returned; None for all.
        """
        self.layer, self.shape, self.first_only, self.positions = layer, states.shape, first_only, positions
        rows = states.reshape(-1, states.shape[-1])
        self.inputs = as_type_of(rows, layer.output.weight)
        context = self._attend(offsets, drops.weights)
        residual = np.ascontiguousarray(states[:, 0]) if first_only else rows
        if positions is not None:
            context, residual = context[positions], residual[positions]
        self._attended = _Branch.compute(context, layer.output, residual, layer.norms[0], drops.attention)
        self.result = self._feed_forward(drops.feed_forward)

    def _attend(self, offsets: Array | None, dropout: Dropout | None) -> Array:
        """Compute the contexts [rows, width] in the precision of the products."""
        batch, length, width = self.shape
        self.parts = self._project()
        context = np.empty((batch, 1 if self.first_only else length, width), self.layer.dtype)
        heads, out = self._heads(self.parts), _split(context, self.layer.n_heads)
        self._attention: Attention | CausalAttention
        if self.layer.causal:
            self._attention = CausalAttention.attend(heads, dropout, out)
        else:
            self._attention = Attention.attend(heads, offsets, dropout, out)
        return context.reshape(-1, width)

    def _project(self) -> list[Array]:
        """Return the projections: all three side by side, or the first positions' queries, and keys and values."""
        width, (weight, bias) = self.shape[-1], self.layer.projections
        if not self.first_only:
            joined = np.empty((len(self.inputs), 3 * width), weight.dtype)
            matmul(self.inputs, weight, joined, bias=bias)
            return [joined]
        firsts = self.inputs.reshape(self.shape)[:, 0]
        queries = np.empty(firsts.shape, weight.dtype)
        keys_values = np.empty((len(self.inputs), 2 * width), weight.dtype)
        matmul(firsts, weight[:, :width], queries, bias=bias[:width])
        matmul(self.inputs, weight[:, width:], keys_values, bias=bias[width:])
        return [queries, keys_values]

    def _heads(self, parts: list[Array]) -> Heads:
        """Return views of projections, or of their gradients, by head."""
        batch, _, width = self.shape
        views = [part.reshape(batch, -1, part.shape[-1]) for part in parts]
        if self.first_only:
            views = [views[0], views[1][..., :width], views[1][..., width:]]
        else:
            views = [views[0][..., start : start + width] for start in (0, width, 2 * width)]
        return Heads(*(_split(view, self.layer.n_heads) for view in views))

    def _feed_forward(self, dropout: Dropout | None) -> Array:
        layer, states = self.layer, self._attended.result
        self._between = as_type_of(states, layer.inner.weight)
        self._before = np.empty((len(states), layer.inner.weight.shape[1]), layer.dtype)
        matmul(self._between, layer.inner.weight, self._before, bias=layer.inner.bias)
        after = np.empty_like(self._before)
        activate(layer.activation, self._before, after)
        self._fed = _Branch.compute(after, layer.outer, states, layer.norms[1], dropout)
        return self._fed.result

    def backward(self, gradient: Array, *, states_need: bool = True) -> Gradients:
        """Return the gradients, from that of the result <float32>[rows, width]; once per call."""
        residual, inner, outer_map, second_norm = self._fed.backward(gradient)
        activation_gradient(self.layer.activation, self._before, inner, inner)
        inner_map = map_gradient(self._between, inner)
        matmul(inner, self.layer.inner.weight.T, residual, post=(Accumulate(),))
        residual, context, output_map, first_norm = self._attended.backward(residual)
        parts = self._attention_gradient(context)
        states = self._input_gradient(residual, parts) if states_need else None
        norms = first_norm, second_norm
        return Gradients(states, self._projection_gradient(parts), output_map, inner_map, outer_map, norms)

    def _attention_gradient(self, context: Array) -> list[Array]:
        """Return the gradients of the projections, laid out as they are, from that of the contexts."""
        if self.positions is not None:
            context = _scatter(context, self.positions, len(self.inputs))
        parts = [np.empty_like(part) for part in self.parts]
        contexts = context.reshape(self.shape[0], -1, self.shape[-1])
        self._attention.backward(_split(contexts, self.layer.n_heads), self._heads(parts))
        return parts

    def _projection_gradient(self, parts: list[Array]) -> Map:
        if not self.first_only:
            return map_gradient(self.inputs, parts[0])
        firsts = np.ascontiguousarray(self.inputs.reshape(self.shape)[:, 0])
        maps = map_gradient(firsts, parts[0]), map_gradient(self.inputs, parts[1])
        return Map(*(np.concatenate(pair, axis=-1) for pair in zip(*maps, strict=True)))

    def _input_gradient(self, residual: Array, parts: list[Array]) -> Array:
        """Return the gradient <float32>[batch, length, width] of the input, from those of residual and projections."""
        weight, width = self.layer.projections.weight, self.shape[-1]
        if self.first_only:
            states = np.empty((len(self.inputs), width), np.float32)
            matmul(parts[1], weight[:, width:].T, states)
            matmul(parts[0], weight[:, :width].T, residual, post=(Accumulate(),))
            states.reshape(self.shape)[:, 0] += residual
        else:
            states = residual if self.positions is None else _scatter(residual, self.positions, len(self.inputs))
            matmul(parts[0], weight.T, states, post=(Accumulate(),))
        return states.reshape(self.shape)


def _split(rows: Array, n_heads: int) -> Array:
    """Return a view [batch, n_heads, length, size] of [batch, length, width]."""
    batch, length, width = rows.shape
    return rows.reshape(batch, length, n_heads, width // n_heads).swapaxes(1, 2)


def _scatter(rows: Array, positions: Array, n_rows: int) -> Array:
    """Return [n_rows, width] with rows added at positions, of their type; a position may occur several times."""
    result = np.zeros((n_rows, rows.shape[1]), rows.dtype)
    unique, inverse = np.unique(positions, return_inverse=True)
    if len(unique) == len(positions):
        result[positions] = rows
        return result
    summed = np.zeros((len(unique), rows.shape[1]), np.float32)
    np.add.at(summed, inverse, _widen(rows))
    result[unique] = as_type_of(summed, rows)
    return result


def _widen(rows: Array) -> Array:
    wide = np.empty(rows.shape, np.float32)
    convert(rows, wide)
    return wide
