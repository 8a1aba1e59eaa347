"""Filled texts as lines for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.language import _, join
from paddle_tasks.training.display import Line, Segment

_MASK = "[MASK]"


def display_fillings(record: Mapping[str, Any]) -> Sequence[Line]:
    """Return a record of fill-mask as lines: the text with its best filling, and the candidates of each mask."""
    masks = record["masks"]
    headings = [f"{_MASK} {number}" if len(masks) > 1 else _MASK for number in range(1, len(masks) + 1)]
    return [list(_filled(record)), *map(_candidates, headings, masks)]


def _filled(record: Mapping[str, Any]) -> Iterator[Segment]:
    """Yield the filled text; the characters in the places of the masks are changes."""
    parts = record["input"].split(_MASK)
    pattern = r"(\s*.*?\s*)".join(f"({re.escape(part.strip(' '))})" for part in parts)
    found = re.fullmatch(pattern, record["text"].strip(" "), flags=re.DOTALL)
    if not found:  # the model reads other masks too
        yield Segment(record["text"])
        return
    for number, text in enumerate(found.groups()):
        yield Segment(text, change="added" if number % 2 else "")


def _candidates(heading: str, mask: Mapping[str, Any]) -> Line:
    candidates = [f"{candidate['token']} {candidate['prob']:.2f}" for candidate in mask["candidates"]]
    return [Segment("  " + _("{heading}: {names}").format(heading=heading, names=join(candidates)))]
