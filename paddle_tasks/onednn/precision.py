"""The precision of the products on a CPU: float32, or bfloat16 where the CPU multiplies it faster.

It holds for one thread inside a `with` block. A backward pass has the precision of its forward pass; one that computes
layers again needs the block too.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Literal

from paddle_tasks.errors import ConfigError, SetupError, did_you_mean
from paddle_tasks.language import _, join
from paddle_tasks.onednn import library

AUTO_VARIABLE = "PADDLE_TASKS_PRECISION"
"""The environment variable that says what ``auto`` means on a CPU, ``float32`` or ``bfloat16``."""

Precision = Literal["float32", "bfloat16"]
_NAMES = ("auto", "float32", "bfloat16")
_FEWEST_IN_BFLOAT16 = 64


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
        SetupError: the variable holds something else, or bfloat16 where it is not faster.
    """
    chosen = os.environ.get(AUTO_VARIABLE, "")
    if chosen not in ("", "float32", "bfloat16"):
        message = _("{variable}={value!r}: expected float32 or bfloat16")
        raise SetupError(message.format(variable=AUTO_VARIABLE, value=chosen))
    if chosen == "bfloat16" and not has_bfloat16():
        message = _("{variable}=bfloat16: {reason}; run `paddle-tasks doctor`")
        raise SetupError(message.format(variable=AUTO_VARIABLE, reason=why_not_bfloat16()))
    return "bfloat16" if has_bfloat16() and chosen != "float32" else "float32"


def why_not_bfloat16() -> str:
    """Return why products in bfloat16 are not faster here; empty if they are."""
    if has_bfloat16():
        return ""
    return library.why_not() or _("this CPU does not multiply bfloat16 faster than float32")


def check_precision(name: str) -> None:
    """Check that a precision is one, or ``auto``, and can be computed here.

    Raises:
        ConfigError: there is no such precision.
        SetupError: bfloat16 cannot be computed at all.
    """
    if name not in ("auto", "float32", "bfloat16"):
        problem = _("{key}: {name!r} is unknown{hint} (one of {names})")
        hint = did_you_mean(name, _NAMES)
        raise ConfigError(problem.format(key="precision", name=name, hint=hint, names=join(_NAMES)))
    dnn = library.get()
    if name == "bfloat16" and (dnn is None or not dnn.can_bfloat16):
        isa = dnn.isa if dnn else _("this CPU")
        reason = library.why_not() or _("oneDNN has no bfloat16 for {isa}").format(isa=isa)
        raise SetupError(_("precision: bfloat16 cannot be computed here: {reason}").format(reason=reason))


def is_bfloat16() -> bool:
    """Return whether products are computed in bfloat16 now."""
    return _current.bfloat16 and library.get() is not None


def suits_bfloat16(*sizes: int) -> bool:
    """Return whether a map with these numbers of inputs and outputs is computed in bfloat16 now.

    Small maps stay in float32: they take no time, and may be the last before a result.
    """
    return is_bfloat16() and min(sizes) >= _FEWEST_IN_BFLOAT16


@contextlib.contextmanager
def products_in(precision: Precision) -> Iterator[None]:
    """Compute products in this precision inside the `with` block; without oneDNN they are float32."""
    before, _current.bfloat16 = _current.bfloat16, precision == "bfloat16"
    try:
        yield
    finally:
        _current.bfloat16 = before
