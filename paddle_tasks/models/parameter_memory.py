"""Checks that the parameters of a model fit into memory while it is built, before the memory is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from math import prod
from threading import RLock
from typing import Any

from paddle import nn

from paddle_tasks.memory import available_bytes, require_memory

_BYTES = 4
"""Of a parameter in float32."""
_lock = RLock()


@contextlib.contextmanager
def parameters_within_memory(what: str, copies: int = 1) -> Iterator[None]:
    """Refuse a parameter in the block that does not fit into memory beside those before it.

    Args:
        what: the setting or file that asks for the model, for the message.
        copies: the arrays of each parameter: itself, and in training its gradient and the optimiser's two.

    Raises:
        SetupError: the parameters do not fit.
    """
    with _lock:
        original, available, n_bytes = nn.Layer.create_parameter, available_bytes(), 0

        def create_parameter(layer: nn.Layer, shape: Sequence[int], *arguments: Any, **options: Any) -> Any:
            nonlocal n_bytes
            n_bytes += copies * _BYTES * prod(map(int, shape))
            require_memory(n_bytes, what, available)
            return original(layer, shape, *arguments, **options)

        nn.Layer.create_parameter = create_parameter
        try:
            yield
        finally:
            nn.Layer.create_parameter = original
