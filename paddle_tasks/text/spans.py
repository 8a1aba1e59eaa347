"""Conversion between character spans of a text and IOB2 tags of its tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tags = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int32]

OUTSIDE = 0
"""The tag of a token that is in no span."""


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A labelled half-open character range ``[start, end)`` of a text."""

    start: int
    end: int
    label: str

    def overlaps(self, other: Span) -> bool:
        """Return whether the two spans share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Pair:
    """An opinion on an aspect and its polarity; a span is None if the text does not express it."""

    aspect: Span | None
    opinion: Span | None
    polarity: str


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the tags in the order of their ids: ``O``, then ``B-LABEL`` and ``I-LABEL`` of each label."""
    return ("O", *(f"{part}-{label}" for label in labels for part in "BI"))


def encode(spans: Iterable[Span], offsets: Offsets, labels: Sequence[str]) -> Tags:
    """Return the IOB2 tags of spans: a token belongs to a span if they share a character.

    One layer of tags cannot hold two spans that share a token. The longer span is kept; if they are equally long, the
    one that starts first; for the same characters, the one whose label comes first in ``labels``. A span that no token
    covers is dropped. `decode` shows which spans were kept.

    Args:
        spans: in any order.
        offsets: ``<int32>[tokens, 2]``, half-open character ranges; neither starts nor ends ever decrease.
        labels: the labels, in the order of their tags.

    Returns:
        ``<int64>[tokens]``, indices into `tag_names`.

    Raises:
        ValueError: a span's label is not among ``labels``.
    """
    tags = np.zeros(len(offsets), np.int64)
    by_priority = [(-(span.end - span.start), span.start, labels.index(span.label), span.end) for span in set(spans)]
    for _, start, label, end in sorted(by_priority):
        first, last = token_range(start, end, offsets)
        if first < last and not tags[first:last].any():
            tags[first:last] = _inside_tag(label)
            tags[first] = _inside_tag(label) - 1
    return tags


def token_range(start: int, end: int, offsets: Offsets) -> tuple[int, int]:
    """Return the half-open range of the tokens that share a character with ``[start, end)``."""
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    return first, max(first, int(np.searchsorted(offsets[:, 0], end, side="left")))


def _inside_tag(label: int) -> int:
    return 2 * label + 2


def decode(tags: Tags, offsets: Offsets, labels: Sequence[str]) -> list[Span]:
    """Return the spans of IOB2 tags, read strictly: an I tag not preceded by a B or I of its label is ignored.

    This equals seqeval's strict mode. If several tokens cover the same character, only the first of their spans is
    returned, so that no two spans share a character.

    Args:
        tags: ``<int64>[tokens]``, indices into `tag_names`.
        offsets: ``<int32>[tokens, 2]``.
        labels: as in `encode`.

    Raises:
        ValueError: the numbers of tags and tokens differ.
    """
    if len(tags) != len(offsets):
        raise ValueError(f"expected a tag for each of the {len(offsets)} tokens, found {len(tags)}")
    spans: list[Span] = []
    for first, last, label in tagged_ranges(tags):
        start, end = int(offsets[first, 0]), int(offsets[last - 1, 1])
        if not spans or start >= spans[-1].end:
            spans.append(Span(start, end, labels[label]))
    return spans


def tagged_ranges(tags: Tags) -> Iterator[tuple[int, int, int]]:
    """Yield ``(first, last, label index)`` of each span of IOB2 tags; the token range is half-open."""
    values = tags.tolist()
    for first in np.flatnonzero(tags % 2 == 1).tolist():
        last, inside = first + 1, values[first] + 1
        while last < len(values) and values[last] == inside:
            last += 1
        yield first, last, (inside - 2) // 2


def find_overlapping(spans: Iterable[Span]) -> list[Span]:
    """Return, in order, the spans that share a character with another span."""
    ordered = sorted(set(spans))
    overlapping: set[Span] = set()
    for index, span in enumerate(ordered):
        for other in ordered[index + 1 :]:
            if other.start >= span.end:
                break
            overlapping |= {span, other}
    return sorted(overlapping)
