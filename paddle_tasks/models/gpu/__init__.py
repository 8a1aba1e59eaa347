"""Faster kernels for training in half precision on a GPU; `switch_in` is the only way to use them."""

from __future__ import annotations

from paddle_tasks.models.gpu.attention import switch_in
from paddle_tasks.models.replacement import is_switched_in, switch_out

__all__ = ["is_switched_in", "switch_in", "switch_out"]
