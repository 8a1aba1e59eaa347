"""Extracted opinions as lines for people: the text with its spans marked, and a line for each triplet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from paddle_tasks.language import _, in_context, label_name, mark
from paddle_tasks.training.display import Line, Segment, tone_of
from paddle_tasks.training.protocol import Record

IMPLICIT = mark("(implicit)")
"""Stands for an aspect that is meant but not written."""


def display_opinions(record: Record) -> Sequence[Line]:
    """Return a record as lines: the text, whose spans have labels, and its triplets; or that there are no opinions."""
    triplets = [_triplet(triplet) for triplet in record.get("triplets", ())]
    nothing = [] if triplets or record["spans"] else [[Segment("  " + _("no opinions found"))]]
    return [list(_marked(record)), *triplets, *nothing]


def _marked(record: Record) -> Iterator[Segment]:
    text, end = record["input"], 0
    for span in record["spans"]:
        if span["start"] < end:
            continue  # it overlaps the span before
        label = span["label"]
        yield Segment(text[end : span["start"]])
        yield Segment(text[span["start"] : span["end"]], label=in_context("label", label))
        end = span["end"]
    yield Segment(text[end:])


def _triplet(triplet: Record) -> Line:
    aspect, opinion = (triplet[side]["text"] if triplet[side] else _(IMPLICIT) for side in ("aspect", "opinion"))
    polarity = Segment(label_name(triplet["polarity"]), tone=tone_of(triplet["polarity"]))
    named = _("{aspect}: {opinion}").format(aspect=aspect, opinion=opinion)
    return [Segment(f"  {named}  "), polarity, Segment(f" {triplet['prob']:.2f}")]
