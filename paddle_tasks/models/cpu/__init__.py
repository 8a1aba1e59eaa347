"""Faster kernels for training on a CPU; `switch_in` is the only way to use them.

They have the limits of every PyLayer of Paddle: a second backward over a graph kept with ``retain_graph=True`` crashes
(Paddle 3.3.1), and ``paddle.grad`` must be called with all the inputs that need a gradient. In addition, derivatives of
derivatives are refused, and `paddle.jit.to_static` works only with ``full_graph=True``. All four work after
`switch_out`.
"""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_tasks.models.cpu import dropout, linear, norm, recurrent, residual_blocks, transformer
from paddle_tasks.models.cpu.additive_scores import additive_scores
from paddle_tasks.models.cpu.fused_layer import mark_causal
from paddle_tasks.models.cpu.linear import tied_output
from paddle_tasks.models.cpu.recurrent import run_recurrent
from paddle_tasks.models.cpu.tied_loss import tied_cross_entropy, tied_scores
from paddle_tasks.models.cpu.transformer import computes_causal, keep_first_only, only_at
from paddle_tasks.models.replacement import is_switched_in, replace_forward, switch_out
from paddle_tasks.onednn.cross_entropy import Scores

__all__ = [
    "Scores",
    "additive_scores",
    "computes_causal",
    "is_switched_in",
    "keep_first_only",
    "mark_causal",
    "only_at",
    "run_recurrent",
    "switch_in",
    "switch_out",
    "tied_cross_entropy",
    "tied_output",
    "tied_scores",
]

_KERNELS = (transformer, residual_blocks, recurrent, linear, norm, dropout)


def switch_in(model: nn.Layer) -> None:
    """Replace the forward of a model's Layers by faster kernels; on other devices it does nothing.

    The Layers keep their parameters and state names and give the same results up to rounding: only ``forward`` is set,
    on the instance. Models with parameters that are not float32 are left unchanged, and so is a Layer whose forward has
    already been set.
    """
    if paddle.device.get_device() != "cpu" or any(p.dtype != paddle.float32 for p in model.parameters()):
        return
    for layer in model.sublayers(include_self=True):
        kernel = next((kernel for kernel in _KERNELS if kernel.can_replace(layer)), None)
        if kernel is not None:
            replace_forward(layer, kernel.forward)
