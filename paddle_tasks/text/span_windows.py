"""Texts that are longer than a model reads, as windows that overlap, and what was found in the windows put together."""

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
    """A half-open range of a text's tokens, and the part of it that `stitch` takes from this window.

    The parts cover the text, each token once: where two windows overlap, each has the half that is farther from
    its edge and has more context there.
    """

    start: int
    end: int
    first: int
    last: int


def span_windows(n_tokens: int, room: int, overlap: int) -> list[Window]:
    """Return the windows of one text, in their order.

    Args:
        n_tokens: the tokens of the text.
        room: most tokens of a window.
        overlap: tokens that a window shares with the one before it.

    Raises:
        ValueError: the windows would not get on.
    """
    if not 0 <= overlap < room:
        raise ValueError(f"expected an overlap from 0 to {room - 1}, less than the room of {room}, found {overlap}")
    _, starts, counts = windows(np.array([n_tokens]), room, overlap)
    begins, ends = starts.tolist(), (starts + counts).tolist()
    # An overlap of more than half a window reaches over several; the middle of the first two is still inside both.
    cuts = [(start + end) // 2 for start, end in zip(begins[1:], ends[:-1], strict=True)]
    return [Window(*place) for place in zip(begins, ends, [0, *cuts], [*cuts, n_tokens], strict=True)]


def stitch(parts: Sequence[npt.NDArray[Any]], places: Sequence[Window]) -> npt.NDArray[Any]:
    """Return for each token of a text what its window says of it.

    With the emissions of a tagger, one Viterbi run over the whole text leaves no span halved or doubled at a seam.

    Args:
        parts: of each window ``[tokens, …]``: emissions, states or tags; what stands behind, as padding, is left out.
        places: the windows of `span_windows`.

    Returns:
        ``[tokens of the text, …]``.
    """
    kept = [
        part[place.first - place.start : place.last - place.start] for part, place in zip(parts, places, strict=True)
    ]
    return np.concatenate(kept)


def whole_span_windows(tags: Tags, room: int) -> list[tuple[int, int]]:
    """Return half-open token ranges that cover a text, cut between spans: how a long text is trained on.

    A span that is halved at an edge would teach a tagger to begin or end one there. Only a span of more than ``room``
    tokens is cut.

    Args:
        tags: ``<int64>[tokens]``, those of `encode`.
        room: most tokens of a range.
    """
    may_cut = np.append((tags % 2 == 1) | (tags == OUTSIDE), True)
    found, start = list[tuple[int, int]](), 0
    while len(tags) - start > room:
        cuts = np.flatnonzero(may_cut[start + 1 : start + room + 1])
        end = start + 1 + int(cuts[-1]) if len(cuts) else start + room
        found.append((start, end))
        start = end
    return [*found, (start, len(tags))]
