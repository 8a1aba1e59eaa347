"""Records of built-in pipelines as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.language import _
from paddle_tasks.training.display import Line, Segment

_N_NUMBERS = 4


def display_variants(record: Mapping[str, Any]) -> Sequence[Line]:
    """Return a record of rewrite as lines: each variant with its changes and its similarity to the text."""
    note = [[Segment(record["note"])]] if "note" in record else []
    return [*(list(_variant(record["input"], variant)) for variant in record["variants"]), *note]


def display_vector(record: Mapping[str, Any]) -> Sequence[Line]:
    """Return a record of embed as a line: the text, the size of its vector, and the first numbers."""
    vector = record["vector"]
    numbers = ", ".join(f"{number:.3f}" for number in vector[:_N_NUMBERS])
    line = _("{text}: {count} numbers, {numbers}, …").format(text=record["input"], count=len(vector), numbers=numbers)
    return [[Segment(line)]]


def _variant(text: str, variant: Mapping[str, Any]) -> Iterator[Segment]:
    end = 0
    for change in variant["changes"]:
        yield Segment(text[end : change["start"]])
        yield Segment(change["old"], change="removed")
        yield Segment(change["new"], change="added")
        end = change["end"]
    yield Segment(text[end:])
    yield Segment(_("  similarity {similarity:.2f}").format(similarity=variant["similarity"]))
