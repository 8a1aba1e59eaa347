"""How a prediction is displayed, independent of where: lines of text segments, and tables.

A task describes; the command line draws in colours or in plain characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["", "positive", "negative"]


@dataclass(frozen=True)
class Segment:
    """A piece of a line with at most one kind of emphasis.

    Attributes:
        text: the characters.
        label: the label of a span; each label has a colour of its own.
        strength: from -1 (against the prediction) to 1 (for it); 0 is neutral.
        tone: ``positive`` or ``negative`` for words that express a polarity.
    """

    text: str
    label: str | None = None
    strength: float = 0.0
    tone: Tone = ""


Line = Sequence[Segment]


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table with a title, and remarks below it.

    Attributes:
        columns: the headings.
        aligned_right: the indices of columns of numbers.
        rows: the cells of each row, as many as there are columns.
        remarks: sentences printed below the table.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    aligned_right: Sequence[int] = ()
    remarks: Sequence[str] = field(default_factory=tuple)


def tone_of(polarity: str) -> Tone:
    """Return the tone of a polarity's name; any other name is neutral."""
    return "positive" if polarity == "positive" else "negative" if polarity == "negative" else ""
