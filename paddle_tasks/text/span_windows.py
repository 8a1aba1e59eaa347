"""Overlapping windows over texts longer than the model's maximum, and how their outputs are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_tasks.text.spans import OUTSIDE, Tags
from paddle_tasks.text.truncation import windows


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range of a text's tokens, and the part of it whose outputs `stitch` keeps.

    The kept parts cover the text, each token once: the overlap of two windows is split in the middle, so that each
    token comes from the window in which it has more context.
    """

    start: int
    end: int
    kept_start: int
    kept_end: int


def span_windows(n_tokens: int, window_size: int, overlap: int) -> list[Window]:
    """Return the windows of one text, in order.

    Args:
        n_tokens: the number of tokens of the text.
        window_size: the maximum number of tokens of a window.
        overlap: the number of tokens that a window shares with the previous one.

    Raises:
        ValueError: ``overlap`` is negative or not less than ``window_size``, so the windows would never advance.
    """
    if not 0 <= overlap < window_size:
        raise ValueError(
            f"expected an overlap from 0 to {window_size - 1} for windows of {window_size}, found {overlap}"
        )
    _, offsets, counts = windows(np.array([n_tokens]), window_size, overlap)
    starts, ends = offsets.tolist(), (offsets + counts).tolist()
    # With an overlap of more than half a window, more than two windows overlap; the middle of the overlap of two
    # neighbours is still inside both.
    cuts = [(start + end) // 2 for start, end in zip(starts[1:], ends[:-1], strict=True)]
    return [Window(*bounds) for bounds in zip(starts, ends, [0, *cuts], [*cuts, n_tokens], strict=True)]


def stitch(parts: Sequence[npt.NDArray[Any]], text_windows: Sequence[Window]) -> npt.NDArray[Any]:
    """Join the outputs of a text's windows into one output for each token.

    If the outputs are a tagger's emissions, one Viterbi run over the whole text cannot halve or double a span at a
    window's edge.

    Args:
        parts: the output of each window ``[tokens, …]``: emissions, states or tags; padding at the end is ignored.
        text_windows: the windows from `span_windows`.

    Returns:
        ``[tokens of the text, …]``.
    """
    kept = [
        part[window.kept_start - window.start : window.kept_end - window.start]
        for part, window in zip(parts, text_windows, strict=True)
    ]
    return np.concatenate(kept)


def whole_span_windows(tags: Tags, window_size: int) -> list[tuple[int, int]]:
    """Return half-open token ranges that cover a text without cutting a span, for training on a long text.

    A span cut at the edge would teach a tagger to start or end spans there. Only spans longer than ``window_size``
    are cut.

    Args:
        tags: ``<int64>[tokens]``, from `encode`.
        window_size: the maximum number of tokens of a range.
    """
    may_cut = np.append((tags % 2 == 1) | (tags == OUTSIDE), True)
    ranges, start = list[tuple[int, int]](), 0
    while len(tags) - start > window_size:
        cuts = np.flatnonzero(may_cut[start + 1 : start + window_size + 1])
        end = start + 1 + int(cuts[-1]) if len(cuts) else start + window_size
        ranges.append((start, end))
        start = end
    return [*ranges, (start, len(tags))]
