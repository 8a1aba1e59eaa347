"""Replacing the forward of single Layers by faster kernels, and undoing it; shared by `cpu` and `gpu`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import paddle
from paddle import Tensor, nn


class Replacement:
    """The object that replaces a Layer's forward; a deep copy or a pickle of the Layer gets its own.

    It holds only a weak reference to the Layer, which holds it: with a reference cycle in each Layer, a model would
    stay in memory until Python's garbage collector looks for cycles.
    """

    __name__ = "forward"  # `paddle.jit.to_static` reads it

    def __init__(self, layer: nn.Layer, compute: Callable[..., Tensor]) -> None:
        self._layer, self._compute = weakref.ref(layer), compute

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute what the Layer's own forward computes."""
        layer = self._layer()
        if layer is None:
            raise ReferenceError("the Layer of this replaced forward is gone; keep the Layer, not its forward")
        if paddle.in_dynamic_mode():
            return self._compute(layer, *inputs, **options)
        return type(layer).forward(layer, *inputs, **options)  # a static graph is being traced

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._layer(), self._compute)


def replace_forward(layer: nn.Layer, compute: Callable[..., Tensor]) -> None:
    """Set ``compute(layer, *inputs)`` as the forward of one Layer, unless its forward has already been set."""
    if "forward" not in vars(layer):
        vars(layer)["forward"] = Replacement(layer, compute)  # PaddleNLP intercepts setattr, and warns


def is_switched_in(layer: nn.Layer) -> bool:
    """Return whether the forward of this Layer itself is replaced."""
    return isinstance(vars(layer).get("forward"), Replacement)


def switch_out(model: nn.Layer) -> None:
    """Give every replaced Layer of a model its own forward back."""
    for layer in model.sublayers(include_self=True):
        if is_switched_in(layer):
            del vars(layer)["forward"]
