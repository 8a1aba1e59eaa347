"""Self-attention over strided views of the projections, forward and backward; nothing is copied into heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.execution import Accumulate, Combine, PostOp, Scale
from paddle_tasks.onednn.primitives import matmul, multiply, softmax, softmax_gradient


class Dropout(NamedTuple):
    """The elements that a dropout keeps <bool>, and the factor that scales them up."""

    kept: Array
    scale: float

    @property
    def post(self) -> tuple[PostOp, ...]:
        """The post-operations that apply it to the result of a product."""
        return Combine("mul", self.kept), Scale(self.scale)


class Heads(NamedTuple):
    """Queries, keys and values, each [batch, n_heads, length, size]; or their gradients."""

    queries: Array
    keys: Array
    values: Array


@dataclass
class Attention:
    """One call of attention, which keeps what its gradient needs.

    Attributes:
        heads: the inputs, float32 or bfloat16.
        weights: [batch, n_heads, queries, keys], of the type of the inputs; each row sums to 1.
        dropout: of the weights.
    """

    heads: Heads
    weights: Array
    dropout: Dropout | None

    @classmethod
    def attend(cls, heads: Heads, offsets: Array | None, dropout: Dropout | None, out: Array) -> Attention:
        """Attend from every query to every key (Vaswani et al., 2017).

        Args:
            heads: the inputs.
            offsets: <float32>, broadcast and added to the scores.
            dropout: of the weights.
            out: the contexts [batch, n_heads, queries, size] are written here.
        """
        queries, keys, values = heads
        scores = np.empty((*queries.shape[:3], keys.shape[2]), np.float32)
        per_key = offsets is not None and offsets.shape[1:3] == (1, 1) and offsets.ndim == 4
        post: list[PostOp] = [Scale(_factor(queries))]
        if per_key and offsets is not None:
            post.append(Combine("add", np.ascontiguousarray(offsets)))
        matmul(queries, keys.swapaxes(2, 3), scores, post=post)
        if offsets is not None and not per_key:
            scores += offsets
        weights = np.empty(scores.shape, queries.dtype)
        softmax(scores, weights)
        call = cls(heads, weights, dropout)
        matmul(call.kept_weights(), values, out, post=call.scaled_up)
        return call

    @property
    def scaled_up(self) -> tuple[PostOp, ...]:
        """The post-operation that makes up for dropped weights."""
        return () if self.dropout is None else (Scale(self.dropout.scale),)

    def kept_weights(self) -> Array:
        """Return the weights that dropout keeps, not scaled up."""
        if self.dropout is None:
            return self.weights
        kept = np.empty_like(self.weights)
        multiply(self.weights, self.dropout.kept, kept)
        return kept

    def backward(self, gradient: Array, out: Heads, *, adds: bool = False) -> None:
        """Write the gradients of the inputs.

        Args:
            gradient: of the contexts, of the type of the inputs.
            out: the gradients of the inputs are written here.
            adds: whether those of keys and values are added to what ``out`` holds.
        """
        queries, keys, values = self.heads
        added = (Accumulate(),) if adds else ()
        matmul(self.kept_weights().swapaxes(2, 3), gradient, out.values, post=(*self.scaled_up, *added))
        scores = np.empty_like(self.weights)
        post = () if self.dropout is None else self.dropout.post
        matmul(gradient, values.swapaxes(2, 3), scores, post=post)
        softmax_gradient(self.weights, scores, scores)
        factor = (Scale(_factor(queries)),)
        matmul(scores, keys, out.queries, post=factor)
        matmul(scores.swapaxes(2, 3), queries, out.keys, post=(*factor, *added))


def _factor(queries: Array) -> float:
    return float(1 / np.sqrt(queries.shape[-1]))
