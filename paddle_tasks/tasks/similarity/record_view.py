"""The records of pairs as reports read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paddle_tasks.data.pairs.text_pairs import split_pair
from paddle_tasks.language import in_context
from paddle_tasks.tasks.classification.record_view import LabelView
from paddle_tasks.tasks.similarity import MEANINGS
from paddle_tasks.training.display import Line
from paddle_tasks.training.record_view import Record, versions


class PairView(LabelView):
    """Pairs of texts; the characters that only one of them has are marked."""

    explains = False

    def names(self, record: Record) -> Mapping[str, str]:
        """Return what the labels of most data sets mean."""
        del record
        return {label: in_context("label", meaning) for label, meaning in MEANINGS.items()}

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return both labels, and the two texts."""
        del explanation
        first, second = versions(*split_pair(record["text"]))
        return [self.heading(record), first[1:], second[1:]]
