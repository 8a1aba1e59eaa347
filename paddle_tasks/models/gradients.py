"""Computing without gradients, and reading sparse ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import paddle
from paddle.nn import clip

P = ParamSpec("P")
R = TypeVar("R")


def without_gradients(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function compute without gradients; a decorator.

    Unlike ``@paddle.no_grad()`` it may be used by several threads at once. That decorator keeps the previous state in
    one object for all calls, so that a call in one thread can leave another thread without gradients (Paddle 3.3.1).
    """

    @wraps(function)
    def decorated(*args: P.args, **kwargs: P.kwargs) -> R:
        with paddle.no_grad():
            return function(*args, **kwargs)

    return decorated


def gradient_entries(gradient: paddle.Tensor) -> paddle.Tensor:
    """Return a gradient, or the rows that a sparse one holds, where an index may occur several times.

    Most operations on a sparse gradient itself, such as ``numpy``, end the process (Paddle 3.3.1).
    """
    return clip.get_tensor_from_selected_rows(gradient) if gradient.is_selected_rows() else gradient
