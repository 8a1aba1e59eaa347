"""The records of analogy questions as reports read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paddle_tasks.language import _, mark_in_context
from paddle_tasks.metrics.analogies import is_right
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.record_view import Record, RecordView, RowScore, label_segments, plain

_SECTION = mark_in_context("group", "section")


class AnalogyView(RecordView):
    """Questions, each with one answer; one with a word that the vocabulary lacks is wrong, as in ``accuracy``."""

    def decisions(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the expected word and the answer."""
        yield record["gold"], plain(record["predicted"])

    def score(self, record: Record) -> RowScore:
        """Return whether the answer is right."""
        return RowScore(float(is_right(record["predicted"], record["gold"])), 1.0, 1.0)

    def length(self, record: Record) -> int:
        """Return the number of characters of the question's words."""
        return sum(map(len, record["question"]))

    def groups(self, record: Record) -> Mapping[str, str]:
        """Return the section of a question."""
        return {_SECTION: record["section"]}

    def kinds(self, record: Record) -> Iterator[str]:
        """Yield the section of a question."""
        yield record["section"]

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return the question with both words."""
        del explanation
        first, second, third = record["question"]
        question = _("{first} : {second} = {third} : ").format(first=first, second=second, third=third)
        return [[Segment(question), *label_segments(record["gold"], plain(record["predicted"]))]]
