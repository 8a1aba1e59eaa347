"""Classified texts as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddle_tasks.language import _, label_name
from paddle_tasks.training.display import Line, Segment, tone_of
from paddle_tasks.training.protocol import Record


def display_explanation(record: Record) -> Sequence[Line]:
    """Return a record as one line: label, probability and text, whose characters have strengths if it is explained.

    A label that is a number is shown by its name, and an answer that is unsure is marked.
    """
    text, label = record["input"], record["label"]
    mark = _(" (unsure)") if record.get("unsure") else ""
    heading = Segment(f"{label_name(record.get('name', label))} {record['score']:.2f}{mark}", tone=tone_of(label))
    if "attributions" not in record:
        return [[heading, Segment("  "), Segment(text)]]
    strengths = character_strengths(text, record["attributions"])
    return [[heading, Segment("  "), *map(_segment, text, strengths)]]


def _segment(character: str, strength: float) -> Segment:
    return Segment(character, strength=strength)


def character_strengths(text: str, attributions: Sequence[Sequence[Any]]) -> list[float]:
    """Return each character's strength in [-1, 1], relative to the strongest character of the text.

    The values of tokens that share a character are added.
    """
    values = [0.0] * len(text)
    for start, end, value in attributions:
        for position in range(start, end):
            values[position] += value
    largest = max(map(abs, values), default=0.0)
    return [value / largest for value in values] if largest else values
