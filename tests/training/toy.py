"""A tiny model, random rows and a loop over them, small enough to compute every step by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.training.loop import Loop, Progress
from paddle_tasks.training.settings import OptimizerSection

WIDTH, CLASSES = 4, 3


class Toy(nn.Layer):
    """Two linear layers with a layer norm and dropout between them."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(WIDTH, 8), nn.LayerNorm(8)
        self.dropout, self.last = nn.Dropout(dropout), nn.Linear(8, CLASSES)

    def forward(self, inputs: paddle.Tensor) -> paddle.Tensor:
        return self.last(self.dropout(nn.functional.relu(self.norm(self.first(inputs)))))


def make_toy(dropout: float = 0.0, seed: int = 7) -> Toy:
    """Return a model whose weights depend on the seed only."""
    paddle.seed(seed)
    return Toy(dropout)


@dataclass(frozen=True)
class Rows:
    """A batch of rows; each row counts as one token and one token of padding."""

    inputs: paddle.Tensor
    labels: paddle.Tensor
    rows: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        return len(self.rows)

    @property
    def n_padded_tokens(self) -> int:
        return 2 * len(self.rows)

    def split(self, n_parts: int) -> list[Rows]:
        size = -(-len(self.rows) // n_parts)
        parts = [slice(start, start + size) for start in range(0, len(self.rows), size)]
        return [Rows(self.inputs[part], self.labels[part], self.rows[part]) for part in parts]


def batches(n_rows: int, batch_size: int, epoch: int = 0, start: int = 0) -> Iterator[Rows]:
    """Yield the batches of an epoch; the order of the rows changes from epoch to epoch."""
    numbers = np.random.default_rng(5)
    inputs = numbers.normal(size=(n_rows, WIDTH)).astype(np.float32)
    labels = numbers.integers(CLASSES, size=n_rows)
    order = np.random.default_rng([9, epoch]).permutation(n_rows)
    for first in range(start * batch_size, n_rows, batch_size):
        rows = order[first : first + batch_size]
        yield Rows(paddle.to_tensor(inputs[rows]), paddle.to_tensor(labels[rows]), tuple(rows.tolist()))


def summed_loss(model: nn.Layer, batch: Rows) -> tuple[paddle.Tensor, int]:
    return nn.functional.cross_entropy(model(batch.inputs), batch.labels, reduction="sum"), len(batch.rows)


def make_loop(
    model: nn.Layer,
    optimizer: Any,
    *,
    n_rows: int = 24,
    batch_size: int = 8,
    settings: OptimizerSection = OptimizerSection(warmup_fraction=0.0, schedule="constant"),  # noqa: B008
    **changes: Any,
) -> Loop:
    """Return a loop of one epoch over the rows; ``changes`` override its attributes."""
    parts: dict[str, Any] = {
        "loss": summed_loss,
        "batches_of": lambda epoch, start: batches(n_rows, batch_size, epoch, start),
        "n_batches": -(-n_rows // batch_size),
        "epochs": 1,
        "accumulation_steps": 1,
        "max_steps": None,
        "seed": 3,
        "on_nonfinite": "stop",
        "progress": Progress(),
    }
    return Loop(model=model, optimizer=optimizer, settings=settings, **{**parts, **changes})


class Recorder:
    """An optimiser that records the gradients and does not change the weights."""

    def __init__(self, model: nn.Layer) -> None:
        self.model, self.gradients = model, []

    def set_lr(self, rate: float) -> None: ...

    def step(self) -> None:
        self.gradients.append(np.concatenate([p.grad.numpy().ravel() for p in self.model.parameters()]))

    def clear_grad(self, set_to_zero: bool = True) -> None:
        for parameter in self.model.parameters():
            parameter.clear_gradient(set_to_zero)


def loss_scaler(patch: pytest.MonkeyPatch, **settings: Any) -> Any:
    """Return Paddle's GradScaler for float16, enabled on a CPU by letting it see a GPU while it is built."""

    class Gpu:
        class _expected_place:  # noqa: N801
            is_gpu_place = staticmethod(lambda: True)

    grad_scaler = paddle.amp.grad_scaler
    with pytest.MonkeyPatch.context() as now:
        now.setattr(grad_scaler, "_dygraph_tracer", Gpu)
        scaler = paddle.amp.GradScaler(init_loss_scaling=1024.0, **settings)
    patch.setattr(grad_scaler.amp_global_state(), "amp_dtype", "float16")
    assert scaler.is_enable()
    return scaler


def weights(model: nn.Layer) -> dict[str, np.ndarray]:
    """Return a copy of every parameter by its structured name."""
    return {name: parameter.numpy().copy() for name, parameter in model.named_parameters()}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Return whether two sets of arrays are equal bit for bit."""
    return first.keys() == second.keys() and all(first[name].tobytes() == second[name].tobytes() for name in first)
