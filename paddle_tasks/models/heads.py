"""From one vector to the logits of the classes."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

Head = Literal["linear", "mlp"]
MLP_SIZE = 256  # the course's


class LinearHead(nn.Layer):  # type: ignore[misc]
    """Dropout and one linear map: <float32>[..., width] -> <float32>[..., n_units]."""

    def __init__(self, width: int, n_units: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, n_units)

    def forward(self, states: Tensor) -> Tensor:
        """Return the units' values."""
        return self.output(self.dropout(states))


class MLPHead(nn.Layer):  # type: ignore[misc]
    """The course's head: 256 units, ReLU, dropout, output: <float32>[..., width] -> <float32>[..., n_units]."""

    def __init__(self, width: int, n_units: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, MLP_SIZE)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(MLP_SIZE, n_units)

    def forward(self, states: Tensor) -> Tensor:
        """Return the units' values."""
        return self.output(self.dropout(functional.relu(self.hidden(states))))


def build_head(head: Head, width: int, n_units: int, dropout: float) -> nn.Layer:
    """Build the head of that name."""
    return {"linear": LinearHead, "mlp": MLPHead}[head](width, n_units, dropout)


def two_class_logits(unit: Tensor) -> Tensor:
    """Return logits of two classes for the one unit z of a sigmoid output, as [0, z].

    softmax([0, z])[1] = e^z / (1 + e^z) = sigmoid(z), so the probabilities are a sigmoid's, and their cross-entropy
    is the binary cross-entropy of z: one loss and one set of metrics serve both outputs.

    Args:
        unit: <float32>[..., 1].

    Returns:
        <float32>[..., 2].
    """
    return paddle.concat([paddle.zeros_like(unit), unit], axis=-1)
