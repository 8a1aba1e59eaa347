"""The hot spots of training on a CPU, replaced; `switch_in` is the one place that does it.

What holds for every PyLayer of Paddle's holds for these: a second backward over a graph kept with ``retain_graph=True``
crashes (Paddle 3.3.1), and ``paddle.grad`` has to be asked for all the inputs that want a gradient. Derivatives of
derivatives are refused, and `paddle.jit.to_static` takes only ``full_graph=True``. All four work after `switch_out`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.cpu import dropout, linear, norm, transformer
from paddle_tasks.models.cpu.linear import tied_output
from paddle_tasks.models.cpu.transformer import keep_first_only, only_at

__all__ = ["Replacement", "is_switched_in", "keep_first_only", "only_at", "switch_in", "switch_out", "tied_output"]

_KINDS = (transformer, linear, norm, dropout)


def switch_in(model: nn.Layer) -> None:
    """Let a model's Layers compute with what is faster on a CPU; elsewhere nothing is changed.

    The Layers stay what they are, with their parameters and state names, and give the same results up to rounding;
    only their ``forward`` is set on the instance. Float32 alone: models in other types are left as they are, and a
    Layer whose forward somebody else has set keeps that one.
    """
    if paddle.device.get_device() != "cpu" or any(p.dtype != paddle.float32 for p in model.parameters()):
        return
    for layer in model.sublayers(include_self=True):
        kind = next((kind for kind in _KINDS if kind.can_take(layer)), None)
        if kind is not None and "forward" not in vars(layer):
            vars(layer)["forward"] = Replacement(layer, kind.forward)  # not setattr: PaddleNLP adapts and warns there


def switch_out(model: nn.Layer) -> None:
    """Undo `switch_in`."""
    for layer in model.sublayers(include_self=True):
        if is_switched_in(layer):
            del vars(layer)["forward"]


def is_switched_in(layer: nn.Layer) -> bool:
    """Tell whether a Layer's own forward is replaced."""
    return isinstance(vars(layer).get("forward"), Replacement)


class Replacement:
    """What stands where a Layer's forward would; a deep copy of the Layer, or its pickle, gets one of its own.

    It does not keep the Layer alive, which holds it: a model with a cycle in each Layer would stay in memory until
    Python looks for cycles.
    """

    __name__ = "forward"  # `paddle.jit.to_static` asks for it

    def __init__(self, layer: nn.Layer, compute: Callable[..., Tensor]) -> None:
        self._layer, self._compute = weakref.ref(layer), compute

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute what the Layer's forward would."""
        layer = self._layer()
        if layer is None:
            raise ReferenceError("the Layer whose forward this was is gone; keep the Layer, not its forward")
        if paddle.in_dynamic_mode():
            return self._compute(layer, *inputs, **options)
        return type(layer).forward(layer, *inputs, **options)  # a static graph is being traced

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._layer(), self._compute)
