"""Mixed precision on a GPU: half-precision forward passes, and loss scaling for float16."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Literal

import paddle
from paddle import nn

Dtype = Literal["float32", "float16", "bfloat16"]
Level = Literal["O1", "O2"]


@dataclass
class Precision:
    """The number format of forward passes; a CPU always computes in float32.

    Attributes:
        dtype: float16 needs loss scaling (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740); bfloat16 has
            the range of float32 and is supported by an A100, but not by a V100.
        level: O1 keeps the weights in float32 and casts the inputs of matrix products; O2 keeps the weights in
            ``dtype``, with float32 copies in the optimiser.
        scaler: the loss scaler of float16.
    """

    dtype: Dtype = "float32"
    level: Level = "O1"
    scaler: Any = field(default=None)

    @classmethod
    def prepare(cls, dtype: Dtype, level: Level = "O1") -> Precision:
        """Return the precision that the current device supports, with a loss scaler for float16."""
        if dtype == "float32" or not paddle.device.get_device().startswith("gpu"):
            return cls()
        return cls(dtype, level, paddle.amp.GradScaler() if dtype == "float16" else None)

    def decorate(self, model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        """Cast the weights to half precision at level O2; do nothing otherwise."""
        if self.dtype != "float32" and self.level == "O2":
            paddle.amp.decorate(models=model, optimizers=optimizer, level="O2", dtype=self.dtype, master_weight=True)

    def autocast_evaluation(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of an evaluation.

        It computes in float32 when the weights are float32, so that the saved model gets the same scores.
        """
        return self.autocast() if self.level == "O2" else contextlib.nullcontext()

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a training forward pass."""
        if self.dtype == "float32":
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = paddle.amp.auto_cast(level=self.level, dtype=self.dtype)
        return context
