"""Mixed precision on a GPU: what is computed in half precision, and the scale that saves its small gradients."""

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
    """The type that a forward pass computes in; a CPU computes in float32 whatever is asked.

    Attributes:
        dtype: float16 needs the loss scaled up (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740),
            bfloat16, which an A100 knows and a V100 does not, has float32's range.
        level: O1 keeps the weights in float32 and casts what goes into products; O2 keeps them in ``dtype``, with
            float32 copies in the optimiser.
        scaler: scales the loss of float16.
    """

    dtype: Dtype = "float32"
    level: Level = "O1"
    scaler: Any = field(default=None)

    @classmethod
    def prepare(cls, dtype: Dtype, level: Level = "O1") -> Precision:
        """Return the precision that this device can compute in, with a loss scaler for float16."""
        if dtype == "float32" or not paddle.device.get_device().startswith("gpu"):
            return cls()
        return cls(dtype, level, paddle.amp.GradScaler() if dtype == "float16" else None)

    def decorate(self, model: nn.Layer, optimizer: paddle.optimizer.Optimizer) -> None:
        """Bring the weights into half precision where the level says so."""
        if self.dtype != "float32" and self.level == "O2":
            paddle.amp.decorate(models=model, optimizers=optimizer, level="O2", dtype=self.dtype, master_weight=True)

    def autocast_scores(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of scoring: float32 as long as the weights are, so that a saved model scores the same."""
        return self.autocast() if self.level == "O2" else contextlib.nullcontext()

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        if self.dtype == "float32":
            return contextlib.nullcontext()
        context: contextlib.AbstractContextManager[Any] = paddle.amp.auto_cast(level=self.level, dtype=self.dtype)
        return context
