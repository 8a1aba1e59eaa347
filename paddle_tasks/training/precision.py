"""The precision of training: half-precision forward passes, and loss scaling for float16."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Literal

import paddle
from paddle import nn

from paddle_tasks.onednn import precision as cpu_precision
from paddle_tasks.training.settings import Dtype

Level = Literal["O1", "O2"]


def resolve(requested: Literal["auto"] | Dtype) -> Dtype:
    """Return the precision that a new run's config.yaml names, from the setting ``training.precision``.

    Raises:
        SetupError: see `paddle_tasks.onednn.precision.automatic`.
    """
    if requested != "auto":
        return requested
    return "float32" if _is_gpu() else cpu_precision.automatic()


def _is_gpu() -> bool:
    return bool(paddle.device.get_device().startswith("gpu"))


@dataclass
class Precision:
    """The number format of the products in forward and backward passes.

    Attributes:
        dtype: float16 needs loss scaling (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740); bfloat16 has
            the range of float32 and is supported by an A100, but not by a V100, and by some CPUs.
        level: O1 keeps the weights in float32 and casts the inputs of matrix products; O2 keeps the weights in
            ``dtype``, with float32 copies in the optimiser.
        scaler: the loss scaler of float16.
        on_cpu: whether the device is a CPU, where only O1 and bfloat16 are possible.
    """

    dtype: Dtype = "float32"
    level: Level = "O1"
    scaler: Any = field(default=None)
    on_cpu: bool = False

    @classmethod
    def prepare(cls, dtype: Dtype, level: Level = "O1") -> Precision:
        """Return the precision that the current device supports, with a loss scaler for float16."""
        if dtype == "float32":
            return cls()
        if _is_gpu():
            return cls(dtype, level, paddle.amp.GradScaler() if dtype == "float16" else None)
        if dtype == "bfloat16" and cpu_precision.has_bfloat16():
            return cls(dtype, on_cpu=True)
        return cls()

    def decorate(self, model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        """Cast the weights to half precision at level O2; do nothing otherwise."""
        if self.dtype != "float32" and self.level == "O2":
            paddle.amp.decorate(models=model, optimizers=optimizer, level="O2", dtype=self.dtype, master_weight=True)

    def autocast_evaluation(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of an evaluation.

        It computes in float32 when the weights are float32, so that the saved model gets the same scores.
        """
        return self.autocast() if self.level == "O2" else contextlib.nullcontext()

    def backward(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a backward pass, which may compute layers again; Paddle's own casts need none."""
        return self.autocast() if self.on_cpu else contextlib.nullcontext()

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a training forward pass."""
        if self.dtype == "float32":
            return contextlib.nullcontext()
        if self.on_cpu:
            return cpu_precision.products_in("bfloat16")
        context: contextlib.AbstractContextManager[Any] = paddle.amp.auto_cast(level=self.level, dtype=self.dtype)
        return context
