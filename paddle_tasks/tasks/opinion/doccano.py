"""What was found in reviews, written for doccano: people correct it there, and the export can be trained on again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, OpinionExample
from paddle_tasks.data.opinion.export import write_doccano
from paddle_tasks.text.spans import Pair, Span


def write_pre_annotated(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write what `predict` says of reviews as JSON lines with entities and relations."""
    write_doccano(path, map(example_of, records))


def example_of(record: Mapping[str, Any]) -> OpinionExample:
    """Return what `predict` says of a review as if it had been annotated."""
    spans = tuple(Span(span["start"], span["end"], span["label"]) for span in record["spans"])
    triplets = record.get("triplets")
    pairs = None if triplets is None else tuple(map(_pair, triplets))
    return OpinionExample(record["input"], spans, pairs, "")


def _pair(triplet: Mapping[str, Any]) -> Pair:
    sides = {ASPECT: triplet["aspect"], OPINION: triplet["opinion"]}
    aspect, opinion = (Span(side["start"], side["end"], label) if side else None for label, side in sides.items())
    return Pair(aspect, opinion, triplet["polarity"])
