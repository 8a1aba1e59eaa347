"""A pre-norm Transformer layer on numpy arrays: the inputs of attention and feed-forward part are normalised.

Precisions are as in `paddle_tasks.onednn.encoder_layer`. The sums of a pre-norm layer are not normalised, so that a
model needs a layer norm after its last layer.
"""

from __future__ import annotations

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.encoder_layer import BranchSum, Call, Drops, Gradients, Layer, Normalised
from paddle_tasks.onednn.linear_map import Map, as_type_of, map_gradient
from paddle_tasks.onednn.primitives import activate, activation_gradient, matmul


class PreNormCall(Call):
    """One call of a pre-norm layer (Xiong et al., 2020, https://arxiv.org/abs/2002.04745); see `Call`."""

    def __init__(self, layer: Layer, states: Array, offsets: Array | None, drops: Drops) -> None:
        """Compute a layer's states for all positions.

        Args:
            layer: the layer.
            states: <float32>[batch, length, width].
            offsets: <float32>, broadcast and added to the attention scores; a causal layer has none.
            drops: the dropouts.
        """
        self.layer, self.shape, self.first_only, self.positions = layer, states.shape, False, None
        rows = states.reshape(-1, states.shape[-1])
        self._first = Normalised.compute(rows, layer.norms[0])
        self.inputs = as_type_of(self._first.result, layer.output.weight)
        context = self._attend(offsets, drops.weights)
        self._attended_sum = BranchSum.compute(context, layer.output, rows, drops.attention)
        self._second = Normalised.compute(self._attended_sum.sums, layer.norms[1])
        self._between = as_type_of(self._second.result, layer.inner.weight)
        self._before = np.empty((len(rows), layer.inner.weight.shape[1]), layer.dtype)
        matmul(self._between, layer.inner.weight, self._before, bias=layer.inner.bias)
        after = np.empty_like(self._before)
        activate(layer.activation, self._before, after)
        self._fed_sum = BranchSum.compute(after, layer.outer, self._attended_sum.sums, drops.feed_forward)
        self.result = self._fed_sum.sums

    def backward(self, gradient: Array, *, states_need: bool = True) -> Gradients:
        """Return the gradients, from that of the result <float32>[rows, width]; once per call."""
        inner, outer_map = self._fed_sum.backward(gradient)
        activation_gradient(self.layer.activation, self._before, inner, inner)
        inner_map = map_gradient(self._between, inner)
        for_sums, second_norm = self._second.backward(self._times(inner, self.layer.inner))
        for_sums += gradient
        context, output_map = self._attended_sum.backward(for_sums)
        parts = self._attention_gradient(context)
        states, first_norm = self._first.backward(self._times(parts[0], self.layer.projections))
        states += for_sums
        norms = first_norm, second_norm
        shaped = states.reshape(self.shape) if states_need else None
        return Gradients(shaped, self._projection_gradient(parts), output_map, inner_map, outer_map, norms)

    def _times(self, gradient: Array, linear: Map) -> Array:
        """Return the gradient <float32>[rows, width] of the inputs of a map, from that of its results."""
        inputs = np.empty((len(gradient), linear.weight.shape[0]), np.float32)
        matmul(gradient, linear.weight.T, inputs)
        return inputs
