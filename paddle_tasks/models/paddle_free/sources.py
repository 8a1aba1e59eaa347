"""What decoders on numpy arrays read of their sources."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn.causal_attention import NO_ATTENTION


class SourceStates(NamedTuple):
    """The states of an encoder; see `paddle_tasks.models.seq2seq.base.Memory`.

    Attributes:
        states: <float32>[sources, length, width].
        offsets: <float32>[sources, 1, 1, length], added to attention scores.
        last: <float32>[sources, width], of a recurrent encoder.
    """

    states: Array
    offsets: Array
    last: Array | None = None


def padding_offsets(is_real: Array) -> Array:
    """Return what to add to scores <float32>[sources, 1, 1, length], from <bool>[sources, length]."""
    offsets: Array = np.where(is_real, np.float32(0), np.float32(NO_ATTENTION))[:, None, None]
    return offsets


def check_prompts(prompts: Sequence[Sequence[int]], n_sources: int) -> None:
    """Check that there is an empty prompt for each source.

    Raises:
        ValueError: there are others.
    """
    if len(prompts) != n_sources or any(prompts):
        raise ValueError(f"start: expected {n_sources} empty prompts, one for each source, found {list(prompts)}")


def per_row(projected: Array, n_parts: int, n_heads: int) -> Array:
    """Return projections side by side <float32>[rows, n_parts * width] as <float32>[n_parts, rows, n_heads, size]."""
    parts: Array = projected.reshape(len(projected), n_parts, n_heads, -1).swapaxes(0, 1)
    return parts
