"""Filled texts as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.protocol import Record


def display_fillings(record: Record) -> Sequence[Line]:
    """Return a record of fill-mask as lines: the text with its best filling, and the candidates of each mask."""
    return [[Segment(record["text"])], *map(_candidates, record["masks"])]


def _candidates(mask: Record) -> Line:
    candidates = [f"{candidate['token']} {candidate['prob']:.2f}" for candidate in mask["candidates"]]
    return [Segment(f"  {mask['position']}: {', '.join(candidates)}")]
