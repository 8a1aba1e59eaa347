"""Heads: from one vector to the logits of the classes."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

Head = Literal["linear", "mlp", "course"]
MLP_SIZE, COURSE_SIZE = 256, 200  # hidden units in the course's heads for short and for long texts


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


class CourseHead(nn.Layer):  # type: ignore[misc]
    """The course's head for long texts: pooler, 200 units, ReLU, dropout, output.

    <float32>[..., width] -> <float32>[..., n_units]. As in BERT, the pooler is a linear map and tanh.
    """

    def __init__(self, width: int, n_units: int, dropout: float, pooler: nn.Linear | None = None) -> None:
        """Build the head; ``pooler`` is the linear map [width, width] of the encoder's pooler, None: a fresh one."""
        super().__init__()
        self.pooler = nn.Linear(width, width) if pooler is None else pooler
        self.hidden = nn.Linear(width, COURSE_SIZE)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(COURSE_SIZE, n_units)

    def forward(self, states: Tensor) -> Tensor:
        """Return the units' values."""
        pooled = functional.tanh(self.pooler(states))
        return self.output(self.dropout(functional.relu(self.hidden(pooled))))


class CosineHead(nn.Layer):  # type: ignore[misc]
    """One unit z = scale * (cosine - middle) for two vectors side by side: <float32>[..., 2 * width] -> [..., 1].

    Scale and middle are learnt. The scale starts at 20, the inverse temperature of sentence-transformers for cosines
    (Reimers & Gurevych 2019, https://arxiv.org/abs/1908.10084); at 1 the loss could not get near 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = self.create_parameter([1], default_initializer=nn.initializer.Constant(20.0))
        self.middle = self.create_parameter([1], default_initializer=nn.initializer.Constant(0.5))

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the unit's value."""
        first, second = paddle.chunk(vectors, 2, axis=-1)
        cosine = functional.cosine_similarity(first, second, axis=-1).unsqueeze(-1)
        return self.scale * (cosine - self.middle)


def build_head(head: Head, width: int, n_units: int, dropout: float, pooler: nn.Linear | None = None) -> nn.Layer:
    """Build the head of this name; ``pooler`` is for `course`, see `CourseHead`."""
    if head == "course":
        return CourseHead(width, n_units, dropout, pooler)
    return {"linear": LinearHead, "mlp": MLPHead}[head](width, n_units, dropout)


def two_class_logits(unit: Tensor) -> Tensor:
    """Return the logits [0, z] of two classes for the single unit z of a sigmoid output.

    softmax([0, z])[1] = e^z / (1 + e^z) = sigmoid(z), so the probabilities are a sigmoid's, and their cross-entropy
    is the binary cross-entropy of z: one loss and one set of metrics serve both outputs.

    Args:
        unit: <float32>[..., 1].

    Returns:
        <float32>[..., 2].
    """
    return paddle.concat([paddle.zeros_like(unit), unit], axis=-1)
