"""The records of passages with hidden tokens as reports read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from paddle_tasks.language import _
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.record_view import EXPECTED, FOUND, Record, RecordView, RowScore

_MAX_TOKENS = 30


class HiddenTokenView(RecordView):
    """Passages; each hidden token is a decision."""

    def decisions(self, record: Record) -> Iterable[tuple[str, str]]:
        """Return each hidden token with the predicted one."""
        return zip(record["gold"], record["predicted"], strict=False)

    def score(self, record: Record) -> RowScore:
        """Return the number of hidden tokens that were found."""
        right = sum(gold == predicted for gold, predicted in self.decisions(record))
        return RowScore(right, len(record["gold"]), len(record["gold"]))

    def length(self, record: Record) -> int:
        """Return the number of hidden tokens."""
        return len(record["gold"])

    def kinds(self, record: Record) -> Iterator[str]:
        """Yield ``gold → predicted`` for each hidden token that was not found."""
        return (f"{gold} → {predicted}" for gold, predicted in self.decisions(record) if gold != predicted)

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return the hidden tokens, and the predicted ones below them."""
        del explanation
        pairs = list(self.decisions(record))[:_MAX_TOKENS]
        gold, predicted = list[Segment](), list[Segment]()
        for first, second in pairs:
            gold += [Segment(first, change="" if first == second else "added"), Segment(" ")]
            predicted += [Segment(second, change="" if first == second else "removed"), Segment(" ")]
        return [[Segment(_(EXPECTED)), *gold], [Segment(_(FOUND)), *predicted]]
