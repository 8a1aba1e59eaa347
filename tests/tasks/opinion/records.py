"""Records as `predict` returns them for reviews."""

from __future__ import annotations

from typing import Any


def span(text: str, term: str, label: str) -> dict[str, Any]:
    """Return the first occurrence of a term as a predicted span."""
    start = text.index(term)
    return {"start": start, "end": start + len(term), "text": term, "label": label, "prob": 0.9}


def record(text: str, *triplets: tuple[str | None, str, str], alone: str = "") -> dict[str, Any]:
    """Return the record of a review.

    Args:
        text: the review.
        *triplets: an aspect (None if it is implicit), an opinion and a polarity.
        alone: an aspect without an opinion.
    """
    aspects = dict.fromkeys([*filter(None, (aspect for aspect, _, _ in triplets)), *filter(None, [alone])])
    spans = [span(text, aspect, "aspect") for aspect in aspects]
    spans += [span(text, opinion, "opinion") for _, opinion, _ in triplets]
    return {
        "input": text,
        "spans": sorted(spans, key=lambda found: found["start"]),
        "triplets": [
            {"aspect": side(text, aspect), "opinion": side(text, opinion), "polarity": polarity, "prob": 0.5}
            for aspect, opinion, polarity in triplets
        ],
    }


def side(text: str, term: str | None) -> dict[str, Any] | None:
    """Return a side of a triplet."""
    if term is None:
        return None
    start = text.index(term)
    return {"start": start, "end": start + len(term), "text": term}
