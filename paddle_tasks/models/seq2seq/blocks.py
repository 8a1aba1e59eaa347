"""The residual blocks of a pre-norm Transformer: attention to the same or other states, and the feed-forward part."""

from __future__ import annotations

import math

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

NO_ATTENTION = -1e9
"""What is added to the score of a key that gets no attention."""


class AttentionBlock(nn.Layer):  # type: ignore[misc]
    """Multi-head attention (Vaswani et al., 2017) of normalised states, added to the states.

    Attributes:
        n_heads: a divisor of the width.
        causal: whether a position attends only to itself and to those before it.
        reads_other: whether it attends to other states than its inputs.
        projections: of self-attention, the maps to queries, keys and values side by side; otherwise to queries alone.
        other_projections: to keys and values, of a block that reads other states.
    """

    def __init__(
        self, width: int, n_heads: int, dropout: float = 0.0, *, causal: bool = False, reads_other: bool = False
    ) -> None:
        super().__init__()
        self.n_heads, self.causal, self.reads_other = n_heads, causal, reads_other
        self.norm = nn.LayerNorm(width)
        self.projections = _linear(width, width if reads_other else 3 * width, width)
        if reads_other:
            self.other_projections = _linear(width, 2 * width, width)
        self.output = _linear(width, width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, other: Tensor | None = None, offsets: Tensor | None = None) -> Tensor:
        """Return the states with what they attend to added.

        Args:
            states: <float32>[batch, length, width].
            other: <float32>[batch, keys, width], what is attended to; None for self-attention.
            offsets: <float32>[batch, 1, 1, keys], added to the scores; a causal block takes none.
        """
        queries, keys, values = self.project(states, other)
        contexts = paddle.matmul(self._weights(queries, keys, offsets), values)
        return states + self.dropout(self.output(contexts.transpose([0, 2, 1, 3]).flatten(2)))

    def weights(self, states: Tensor, other: Tensor | None = None, offsets: Tensor | None = None) -> Tensor:
        """Return the attention weights <float32>[batch, n_heads, length, keys]; the arguments are those of a call."""
        queries, keys, _ = self.project(states, other)
        return self._weights(queries, keys, offsets)

    def project(self, states: Tensor, other: Tensor | None = None) -> list[Tensor]:
        """Return queries, keys and values, <float32>[batch, n_heads, positions, size] each."""
        projected = self.projections(self.norm(states))
        parts = paddle.split(projected, 3, axis=-1) if other is None else [projected]
        if other is not None:
            parts += paddle.split(self.other_projections(other), 2, axis=-1)
        return [part.reshape([*part.shape[:2], self.n_heads, -1]).transpose([0, 2, 1, 3]) for part in parts]

    def _weights(self, queries: Tensor, keys: Tensor, offsets: Tensor | None) -> Tensor:
        scores = paddle.matmul(queries, keys, transpose_y=True) / math.sqrt(queries.shape[-1])
        if self.causal:
            offsets = _later_keys(scores.shape[-1])
        return functional.softmax(scores if offsets is None else scores + offsets, axis=-1)


class FeedForwardBlock(nn.Layer):  # type: ignore[misc]
    """Two linear maps of normalised states with an activation between them, added to the states."""

    def __init__(self, width: int, inner_width: int, dropout: float = 0.0, activation: str = "relu") -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner, self.outer = _linear(width, inner_width), _linear(inner_width, width)
        self.activation, self.dropout = getattr(functional, activation), nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Return <float32>[..., width] for the same."""
        return states + self.dropout(self.outer(self.activation(self.inner(self.norm(states)))))


def padding_offsets(is_real: Tensor) -> Tensor:
    """Return what to add to scores <float32>[batch, 1, 1, keys], from <bool>[batch, keys]."""
    return ((1.0 - is_real.astype("float32")) * NO_ATTENTION).unsqueeze([1, 2])


def _linear(n_inputs: int, n_outputs: int, fan_out: int | None = None) -> nn.Linear:
    """Return a linear map; maps side by side are initialised as each of them would be alone, with ``fan_out``."""
    initial = nn.initializer.XavierUniform(fan_in=n_inputs, fan_out=fan_out or n_outputs)
    return nn.Linear(n_inputs, n_outputs, weight_attr=paddle.ParamAttr(initializer=initial))


def _later_keys(length: int) -> Tensor:
    """Return what to add to scores <float32>[length, length] so that no position attends to a later one."""
    return paddle.triu(paddle.full([length, length], NO_ATTENTION, "float32"), diagonal=1)
