"""Spans of a text and BIO tags of its tokens, put into each other by character offsets and overlap."""

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
    """The characters ``start`` to ``end`` of a text, half-open, and what they are."""

    start: int
    end: int
    label: str

    def overlaps(self, other: Span) -> bool:
        """Tell whether the two have a character in common."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Pair:
    """An opinion on an aspect and its polarity; either span is None where the text does not say it."""

    aspect: Span | None
    opinion: Span | None
    polarity: str


def tag_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the tags' names in the order of their ids: ``O``, and ``B-`` and ``I-`` of each label."""
    return ("O", *(f"{part}-{label}" for label in labels for part in "BI"))


def encode(spans: Iterable[Span], offsets: Offsets, labels: Sequence[str]) -> Tags:
    """Return IOB2 tags: a token is in a span that it shares a character with.

    One layer of tags holds no two spans with a token in common. The longer one goes first, of equally long ones that
    which starts first, and of the same characters the label that stands first among ``labels``; `decode` tells which
    spans have been kept, and a span of characters that no token covers never is.

    Args:
        spans: in any order.
        offsets: ``<int32>[tokens, 2]``, half-open ranges of characters; starts and ends never fall.
        labels: the labels that have tags.

    Returns:
        ``<int64>[tokens]``, places among `tag_names`.

    Raises:
        ValueError: a span's label is not among ``labels``.
    """
    tags = np.zeros(len(offsets), np.int64)
    places = [(-(span.end - span.start), span.start, labels.index(span.label), span.end) for span in set(spans)]
    for _, start, label, end in sorted(places):
        first, last = token_range(start, end, offsets)
        if first < last and not tags[first:last].any():
            tags[first:last] = _inside(label)
            tags[first] = _inside(label) - 1
    return tags


def token_range(start: int, end: int, offsets: Offsets) -> tuple[int, int]:
    """Return the half-open range of the tokens that share a character with ``start`` to ``end``."""
    first = int(np.searchsorted(offsets[:, 1], start, side="right"))
    return first, max(first, int(np.searchsorted(offsets[:, 0], end, side="left")))


def _inside(label: int) -> int:
    return 2 * label + 2


def decode(tags: Tags, offsets: Offsets, labels: Sequence[str]) -> list[Span]:
    """Return the spans of IOB2 tags, read strictly: an I that does not follow its own B or I opens nothing.

    This is how seqeval's strict mode reads them. Where several tokens stand for one character, the first of their
    spans is returned, so that no two have a character in common.

    Args:
        tags: ``<int64>[tokens]``, places among `tag_names`.
        offsets: ``<int32>[tokens, 2]``.
        labels: as in `encode`.

    Raises:
        ValueError: there are more or fewer tags than tokens.
    """
    if len(tags) != len(offsets):
        raise ValueError(f"expected a tag for each of the {len(offsets)} tokens, found {len(tags)}")
    found: list[Span] = []
    for first, last, label in tagged_ranges(tags):
        start, end = int(offsets[first, 0]), int(offsets[last - 1, 1])
        if not found or start >= found[-1].end:
            found.append(Span(start, end, labels[label]))
    return found


def tagged_ranges(tags: Tags) -> Iterator[tuple[int, int, int]]:
    """Yield the half-open token range of each span of IOB2 tags, and its label's place."""
    values = tags.tolist()
    for first in np.flatnonzero(tags % 2 == 1).tolist():
        last, inside = first + 1, values[first] + 1
        while last < len(values) and values[last] == inside:
            last += 1
        yield first, last, (inside - 2) // 2


def overlapping(spans: Iterable[Span]) -> list[Span]:
    """Return, in their order, the spans that have a character in common with another one."""
    ordered = sorted(set(spans))
    found: set[Span] = set()
    for place, span in enumerate(ordered):
        for other in ordered[place + 1 :]:
            if other.start >= span.end:
                break
            found |= {span, other}
    return sorted(found)
