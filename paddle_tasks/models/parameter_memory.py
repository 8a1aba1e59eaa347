"""Checks of the number of parameters while a model is built, before memory is taken for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from threading import RLock
from typing import Any

import paddle
from paddle import nn

from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _
from paddle_tasks.memory import available_bytes, require_memory

_BYTES = 4
"""Of a parameter in float32."""
_lock = RLock()


@contextlib.contextmanager
def parameters_within_memory(what: str) -> Iterator[None]:
    """Refuse a parameter in the block that does not fit into memory beside those before it; a GPU has its own memory.

    Args:
        what: the setting or file that asks for the model, for the message.

    Raises:
        SetupError: the parameters do not fit. Training needs up to four times as much, which is not checked here.
    """
    available = None if paddle.device.get_device().startswith("gpu") else available_bytes()

    def check(count: int) -> None:
        if available is not None:
            require_memory(_BYTES * count, what, available)

    with _checking(check):
        yield


@contextlib.contextmanager
def parameters_within_file(path: Path) -> Iterator[None]:
    """Refuse more parameters in the block than a file of weights can hold.

    Args:
        path: the file; if there is none, nothing is checked.

    Raises:
        CheckpointError: the configuration beside the file asks for a larger model.
    """
    n_bytes = path.stat().st_size if path.is_file() else None

    def check(count: int) -> None:
        if n_bytes is not None and count > n_bytes:
            message = _("{path}: {bytes:,} bytes are too few for the model that the files beside it describe")
            raise CheckpointError(message.format(path=path, bytes=n_bytes))

    with _checking(check):
        yield


@contextlib.contextmanager
def _checking(check: Callable[[int], None]) -> Iterator[None]:
    """Call ``check`` before each new parameter in the block with the number of values that there will be."""
    with _lock:
        original, n_values = nn.Layer.create_parameter, 0

        def create_parameter(layer: nn.Layer, shape: Sequence[int], *arguments: Any, **options: Any) -> Any:
            nonlocal n_values
            n_values += prod(map(int, shape))
            check(n_values)
            return original(layer, shape, *arguments, **options)

        nn.Layer.create_parameter = create_parameter
        try:
            yield
        finally:
            nn.Layer.create_parameter = original
