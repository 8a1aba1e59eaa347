"""How a prediction is displayed, independent of where: lines of text segments, and tables.

A task describes. The command line draws in colours or in plain characters, and `display_html` as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Tone = Literal["", "positive", "negative", "new"]
Change = Literal["", "added", "removed"]


@dataclass(frozen=True)
class Segment:
    """A piece of a line with at most one kind of emphasis.

    Attributes:
        text: the characters.
        label: the label of a span; each label has a colour of its own.
        strength: from -1 (against the prediction) to 1 (for it); 0 is neutral.
        tone: ``positive`` or ``negative`` for words that express a polarity; ``new`` for what a model has written.
        change: ``added`` or ``removed`` for words that differ between two versions of a text.
    """

    text: str
    label: str | None = None
    strength: float = 0.0
    tone: Tone = ""
    change: Change = ""


Line = Sequence[Segment]


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: the characters.
        tone: as in `Segment`.
        link: the address that the text leads to, where links can be followed.
    """

    text: str
    tone: Tone = ""
    link: str = ""


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


def display_fields(record: Mapping[str, Any]) -> Sequence[Line]:
    """Return a line for each key of a record."""
    return [[Segment(f"{key}: {value}")] for key, value in record.items()]


def tone_of(polarity: str) -> Tone:
    """Return the tone of a polarity's name; any other name is neutral."""
    return "positive" if polarity == "positive" else "negative" if polarity == "negative" else ""
