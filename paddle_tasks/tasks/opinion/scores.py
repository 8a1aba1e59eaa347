"""What was found in reviews, scored against what is annotated, and shown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.metrics.spans import SpanMetrics, TripletMetrics, sort_errors
from paddle_tasks.tasks.opinion.reading import Finding
from paddle_tasks.tasks.opinion.rows import Names
from paddle_tasks.text.spans import Pair, Span

SPAN_SCORES = ("precision", "recall", "f1", "macro_f1", "partial_precision", "partial_recall", "partial_f1")
TRIPLET_SCORES = ("triplet_precision", "triplet_recall", "triplet_f1", "pair_f1", "polarity_accuracy")
_SHOWN = 5
_LEAST = 1e-12  # what a probability is taken for that underflows, so that an error's loss is finite


@dataclass(frozen=True)
class Scored:
    """Reviews, and what was found in each of them.

    Attributes:
        names: the labels and polarities of the model.
    """

    examples: Sequence[OpinionExample]
    findings: Sequence[Finding]
    names: Names

    def metrics(self) -> dict[str, Any]:
        """Return the scores of spans and, where pairs are learnt, of triplets, and the loss of a token."""
        spans = SpanMetrics(self.names.labels)
        gold = [example.spans for example in self.examples]
        spans.update(gold, [[span for span, _ in finding.spans] for finding in self.findings])
        n_tokens = max(1, sum(finding.n_tokens for finding in self.findings))
        loss = math.fsum(finding.loss for finding in self.findings) / n_tokens
        return {**spans.result(), **(self._triplets() if self.names.polarities else {}), "loss": loss}

    def _triplets(self) -> dict[str, Any]:
        metrics = TripletMetrics()
        for example, finding in zip(self.examples, self.findings, strict=True):
            if example.pairs is not None:  # of others nobody knows
                metrics.update([example.pairs], [[pair for pair, _ in finding.pairs]])
        return metrics.result()

    def among(self, rows: Iterable[Any]) -> Scored:
        """Return the reviews that are marked."""
        kept = [place for place, is_kept in enumerate(rows) if is_kept]
        return Scored([self.examples[place] for place in kept], [self.findings[place] for place in kept], self.names)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield what predictions/SPLIT.jsonl says of each review."""
        for row, (example, finding) in enumerate(zip(self.examples, self.findings, strict=True)):
            text = example.text
            record = {
                "row": row,
                "where": example.where,
                "text": text,
                "gold": [span_record(text, span) for span in example.spans],
                "predicted": [span_record(text, span, prob) for span, prob in finding.spans],
            }
            if self.names.polarities and example.pairs is not None:
                record["gold_triplets"] = [triplet_record(text, pair) for pair in example.pairs]
            yield {**record, **triplets_of(text, finding, self.names), "loss": finding.loss}

    def errors(self) -> Iterator[dict[str, Any]]:
        """Yield the errors of each review.

        The ``loss`` of an error is the surprise in nats: minus the logarithm of the probability of the annotated span
        or, where there is none, of the span not being there.
        """
        for row, (example, finding) in enumerate(zip(self.examples, self.findings, strict=True)):
            probs = dict(finding.spans)
            for error in sort_errors(example.spans, probs):
                record = error.record(example.text)
                if error.predicted:
                    record["predicted"]["prob"] = probs[Span(*_key(error.predicted))]
                right = finding.gold_probs.get(error.gold, 0.0) if error.gold else 1 - record["predicted"]["prob"]
                where = {"row": row, "where": example.where, "text": example.text}
                yield {**where, **record, "loss": -math.log(max(right, _LEAST))}

    def highlighted(self) -> dict[str, str]:
        """Return the first reviews with their spans marked, as found and as annotated, by their tags."""
        shown = list(zip(self.examples, self.findings, strict=True))[:_SHOWN]
        return {f"review_{number}": _both(example, finding) for number, (example, finding) in enumerate(shown, start=1)}


def _key(span: Any) -> tuple[int, int, str]:
    return span.start, span.end, span.label


def _both(example: OpinionExample, finding: Finding) -> str:
    # One line with separators of its own, since VisualDL shows every line break as a space.
    found = [f"{_said(example.text, pair)} {prob:.2f}" for pair, prob in finding.pairs]
    annotated = [_said(example.text, pair) for pair in example.pairs or ()]
    predicted = " → ".join([marked(example.text, [span for span, _ in finding.spans]), *found])
    return f"predicted: {predicted} ‖ annotated: {' → '.join([marked(example.text, example.spans), *annotated])}"


def _said(text: str, pair: Pair) -> str:
    terms = [text[span.start : span.end] if span else "–" for span in (pair.aspect, pair.opinion)]
    return f"{' · '.join(terms)} · {pair.polarity}"


def marked(text: str, spans: Sequence[Span]) -> str:
    """Return a text with its spans marked as 【房间｜aspect】; of spans that overlap, the one that starts first."""
    parts, place = list[str](), 0
    for span in sorted(spans):
        if span.start >= place:
            parts += [text[place : span.start], f"【{text[span.start : span.end]}｜{span.label}】"]
            place = span.end
    return "".join([*parts, text[place:]])


# ---- records


def answer(text: str, finding: Finding, names: Names) -> dict[str, Any]:
    """Return what `predict` says of a text."""
    spans = [span_record(text, span, prob) for span, prob in finding.spans]
    return {"input": text, "spans": spans, **triplets_of(text, finding, names)}


def triplets_of(text: str, finding: Finding, names: Names) -> dict[str, Any]:
    """Return the triplets that were found, under ``triplets``, where the model looks for them."""
    if not names.polarities:
        return {}
    return {"triplets": [{**triplet_record(text, pair), "prob": prob} for pair, prob in finding.pairs]}


def triplet_record(text: str, pair: Pair) -> dict[str, Any]:
    """Return a pair with the characters of its spans; a side that is not written is null."""
    sides: Mapping[str, Span | None] = {"aspect": pair.aspect, "opinion": pair.opinion}
    found = {name: _place(text, span) if span else None for name, span in sides.items()}
    return {**found, "polarity": pair.polarity}


def span_record(text: str, span: Span, prob: float | None = None) -> dict[str, Any]:
    """Return a span with its characters and, when it was predicted, its probability."""
    return {**_place(text, span), "label": span.label, **({} if prob is None else {"prob": prob})}


def _place(text: str, span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "text": text[span.start : span.end]}
