"""The ``data:`` section of opinion extraction: files of reviews, their layout and their label names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from paddle_tasks.config import Section
from paddle_tasks.data.opinion.examples import OpinionFormat, OpinionLayout
from paddle_tasks.data.opinion.readers import opinions_sha256
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.section import DistinctLabels, SplitsSection, VocabularySection, require_distinct


class OpinionLayoutSection(Section):
    """How files of annotated reviews are laid out, and which names they may use.

    `paddle_tasks.data.opinion.examples.OpinionLayout` explains the keys of the layout. ``labels`` and ``polarities``
    default to the names that occur in train.
    """

    format: OpinionFormat | None = None
    encoding: str = "utf-8"
    occurrences: Literal["all", "first"] = "all"
    overlaps: Literal["keep", "refuse"] = "keep"
    labels: DistinctLabels | None = None
    polarities: Annotated[tuple[str, ...], AfterValidator(require_distinct)] | None = None
    on_bad_row: Literal["stop", "skip"] = "stop"

    @property
    def layout(self) -> OpinionLayout:
        """The layout, for the readers."""
        return OpinionLayout(self.format, self.encoding, self.occurrences, self.overlaps)


class OpinionDataSection(SplitsSection, OpinionLayoutSection):
    """The ``data`` section of opinion extraction."""

    vocabulary: VocabularySection = VocabularySection()

    def split_sha256(self, name: SplitName, seed: int) -> str | None:
        """Return the SHA-256 that identifies the rows of a split."""
        return opinions_sha256(self.source(name, seed), self.layout)
