"""Attention of a recurrent decoder to the states of its encoder, for all target positions at once."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.models import cpu
from paddle_tasks.models.seq2seq.base import Memory


class Attention(nn.Layer):  # type: ignore[misc]
    """Rates every state of a source for every query; subclasses say how."""

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts <float32>[batch, length, source width] and weights <float32>[batch, length, source length].

        Args:
            queries: <float32>[batch, length, width].
            memory: of the encoder.
        """
        scores = self.scores(queries, memory.states) + memory.offsets.squeeze(1)
        weights = functional.softmax(scores, axis=-1)
        return paddle.matmul(weights, memory.states), weights

    def scores(self, queries: Tensor, states: Tensor) -> Tensor:
        """Return <float32>[batch, length, source length]."""
        raise NotImplementedError


class MultiplicativeAttention(Attention):
    """``query · W state`` (Luong et al., 2015, https://arxiv.org/abs/1508.04025, "general")."""

    def __init__(self, width: int, source_width: int) -> None:
        super().__init__()
        self.queries = nn.Linear(width, source_width)

    def scores(self, queries: Tensor, states: Tensor) -> Tensor:
        """See `Attention.scores`."""
        return paddle.matmul(self.queries(queries), states, transpose_y=True)


class AdditiveAttention(Attention):
    """``v · tanh(W query + U state)`` (Bahdanau et al., 2015, https://arxiv.org/abs/1409.0473)."""

    def __init__(self, width: int, source_width: int, size: int) -> None:
        super().__init__()
        self.queries, self.keys = nn.Linear(width, size), nn.Linear(source_width, size)
        self.vector = self.create_parameter([size], default_initializer=nn.initializer.Normal(std=size**-0.5))

    def scores(self, queries: Tensor, states: Tensor) -> Tensor:
        """See `Attention.scores`."""
        return cpu.additive_scores(self.queries(queries), self.keys(states), self.vector)


KINDS: dict[str, Any] = {
    "additive": lambda width, source_width: AdditiveAttention(width, source_width, width),
    "multiplicative": MultiplicativeAttention,
}
"""Makes the attention of each kind from the sizes of queries and source states."""
