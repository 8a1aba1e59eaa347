"""What a page consists of: sections with paragraphs, tables, figures and lists. The template draws each kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from markupsafe import Markup

from paddle_tasks.training.display import Line

_NUMBER = re.compile(r"[-+±–.,\d\s]*")
State = Literal["pass", "fail", "unknown"]


class Block(Protocol):
    """A part of a section; the template has a macro with the name of its ``kind``."""

    @property
    def kind(self) -> str:
        """The name of the macro."""


@dataclass(frozen=True)
class Paragraph:
    """Sentences; with ``is_note`` they are of minor weight."""

    text: str
    is_note: bool = False
    kind: str = "paragraph"


@dataclass(frozen=True)
class Verdict:
    """The first sentence of a report, and sentences that qualify it."""

    headline: str
    sentences: Sequence[str]
    caveats: Sequence[str]
    kind: str = "verdict"


@dataclass(frozen=True)
class RichTable:
    """A table whose cells are HTML that is safe."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Markup]]
    title: str = ""
    kind: str = "rich_table"

    @property
    def text_columns(self) -> set[int]:
        """The indices of columns that hold something else than numbers."""
        return {
            column
            for column in range(1, len(self.columns))
            if not all(_NUMBER.fullmatch(row[column]) for row in self.rows)
        }


@dataclass(frozen=True)
class Figure:
    """A drawing with a caption."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Figures:
    """Drawings side by side, as many as fit."""

    figures: Sequence[Figure]
    kind: str = "figures"


@dataclass(frozen=True)
class Check:
    """One line of a checklist."""

    state: State
    text: str
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Checklist:
    """What was checked, and how it came out."""

    checks: Sequence[Check]
    kind: str = "checklist"


@dataclass(frozen=True)
class Shown:
    """Something that lines describe: an error, or a text that a model wrote; ``source`` says where it is."""

    lines: Sequence[Line]
    source: str = ""


@dataclass(frozen=True)
class ShownList:
    """Errors or texts, numbered."""

    items: Sequence[Shown]
    kind: str = "shown_list"

    @property
    def labels(self) -> list[str]:
        """The labels of all segments; each has its own style."""
        return sorted(
            {segment.label for item in self.items for line in item.lines for segment in line if segment.label}
        )


@dataclass(frozen=True)
class Code:
    """Commands or a file, as they are."""

    text: str
    kind: str = "code"


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away unless the reader opens them; paper shows what is open."""

    summary: str
    blocks: Sequence[Any]
    is_open: bool = False
    kind: str = "details"


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading; ``key`` is the end of its address."""

    key: str
    title: str
    blocks: Sequence[Any] = field(default_factory=tuple)


@dataclass(frozen=True)
class Chapter:
    """The sections about the runs on one data set."""

    key: str
    title: str
    sections: Sequence[Section]
