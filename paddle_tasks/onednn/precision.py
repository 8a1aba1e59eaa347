"""The precision of the products on a CPU: float32, or bfloat16 where the CPU multiplies it faster.

It holds for one thread inside a `with` block, for forward passes and for the backward passes over them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Literal

from paddle_tasks.errors import SetupError
from paddle_tasks.onednn import library

AUTO_VARIABLE = "PADDLE_TASKS_PRECISION"
"""The environment variable that says what ``auto`` means on a CPU, ``float32`` or ``bfloat16``."""

Precision = Literal["float32", "bfloat16"]


class _Current(threading.local):
    bfloat16 = False


_current = _Current()


def has_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 faster than float32, and oneDNN is there to do so."""
    dnn = library.get()
    return dnn is not None and dnn.has_bfloat16


def automatic() -> Precision:
    """Return what ``auto`` means on this CPU: bfloat16 if it is faster, unless `AUTO_VARIABLE` says float32.

    Raises:
        SetupError: the variable holds something else.
    """
    chosen = os.environ.get(AUTO_VARIABLE, "")
    if chosen not in ("", "float32", "bfloat16"):
        raise SetupError(f"{AUTO_VARIABLE}={chosen!r}: expected float32 or bfloat16")
    return "bfloat16" if has_bfloat16() and chosen != "float32" else "float32"


def is_bfloat16() -> bool:
    """Return whether products are computed in bfloat16 now."""
    return _current.bfloat16 and library.get() is not None


@contextlib.contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Compute products in this precision inside the `with` block; bfloat16 works on every CPU that oneDNN supports.

    Without oneDNN, products are float32.
    """
    before, _current.bfloat16 = _current.bfloat16, precision == "bfloat16"
    try:
        yield
    finally:
        _current.bfloat16 = before
