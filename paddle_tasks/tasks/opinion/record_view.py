"""The records of reviews with spans as reports read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from paddle_tasks.language import _, in_context, label_name, mark
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.panels import NEVER
from paddle_tasks.training.record_view import EXPECTED, FOUND, Answer, Candidate, Record, RecordView, RowScore

NO_SPAN = mark("(none)")
_CONTEXT = 60
"""Characters on either side of an error that are shown."""


class SpanView(RecordView):
    """Spans; what a model rates are the predicted spans, and the annotated ones that it misses."""

    score_name = "f1"
    has_negatives = False

    def decisions(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the annotated and the predicted label of the same characters; ``(none)`` if there is only one."""
        gold, predicted = ({(span["start"], span["end"]): span["label"] for span in spans} for spans in _sides(record))
        for characters in sorted({*gold, *predicted}):
            yield gold.get(characters, _(NO_SPAN)), predicted.get(characters, _(NO_SPAN))

    def candidates(self, record: Record) -> Iterator[Candidate]:
        """Yield the predicted spans with their probabilities, and the missed ones."""
        gold, predicted = (set(map(_key, spans)) for spans in _sides(record))
        for span in record["predicted"]:
            yield Candidate(span["label"], _key(span) in gold, span.get("prob", 1.0))
        yield from (Candidate(label, True, NEVER) for _start, _end, label in gold - predicted)

    def answers(self, record: Record) -> Iterator[Answer]:
        """Yield the probability of each predicted span, and whether it is annotated."""
        return (Answer(prob, is_gold) for _label, is_gold, prob in self.candidates(record) if prob != NEVER)

    def score(self, record: Record) -> RowScore:
        """Return the numbers of right, predicted and annotated spans."""
        gold, predicted = (set(map(_key, spans)) for spans in _sides(record))
        return RowScore(len(gold & predicted), len(predicted), len(gold))

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return the place in the text twice: with the annotated span marked, and with the predicted one."""
        del explanation
        gold, predicted = record.get("gold"), record.get("predicted")
        span = gold or predicted or {"start": 0, "end": 0}
        start = max(0, span["start"] - _CONTEXT)
        end = span["end"] + _CONTEXT
        prob = (predicted or {}).get("prob")
        heading = label_name(str(record["kind"])) + ("" if prob is None else f" {prob:.2f}")
        return [
            [Segment(heading)],
            _marked(_(EXPECTED), record["text"], gold, (start, end)),
            _marked(_(FOUND), record["text"], predicted, (start, end)),
        ]


def _sides(record: Record) -> tuple[Sequence[Record], Sequence[Record]]:
    return record["gold"], record["predicted"]


def _key(span: Record) -> tuple[int, int, str]:
    return span["start"], span["end"], span["label"]


def _marked(heading: str, text: str, span: Any, window: tuple[int, int]) -> Line:
    if span is None:
        return [Segment(heading), Segment(_(NO_SPAN))]
    start, end = window
    label = span["label"]
    before, after = text[start : span["start"]], text[span["end"] : end]
    return [
        Segment(heading),
        Segment(("…" if start else "") + before),
        Segment(text[span["start"] : span["end"]], label=in_context("label", label)),
        Segment(after + ("…" if end < len(text) else "")),
    ]
