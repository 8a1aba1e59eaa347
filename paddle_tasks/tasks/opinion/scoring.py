"""The scores, records and errors of predictions for annotated reviews."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.opinion.examples import ASPECT, OPINION, OpinionExample
from paddle_tasks.errors import RecordError, did_you_mean
from paddle_tasks.language import _, join, mark
from paddle_tasks.metrics.spans import SpanMetrics, TripletMetrics, find_errors
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction
from paddle_tasks.text.spans import Pair, Span
from paddle_tasks.training.protocol import Record

SPAN_METRICS = ("precision", "recall", "f1", "macro_f1", "partial_precision", "partial_recall", "partial_f1")
TRIPLET_METRICS = ("triplet_precision", "triplet_recall", "triplet_f1", "pair_f1", "polarity_accuracy")
DEDUPLICATED = ("f1", "macro_f1", "triplet_f1")
"""The metrics with a twin over the rows whose text does not occur in train."""
_UNKNOWN_LABEL = mark("the label {label!r} is unknown{near} (one of {known})")
_UNKNOWN_POLARITY = mark("the polarity {label!r} is unknown{near} (one of {known})")
_N_SAMPLES = 5
_MIN_PROB = 1e-12  # in place of a probability that underflows, so that the loss of an error is finite


@dataclass(frozen=True)
class ScoredReviews:
    """Annotated reviews and their predictions.

    Attributes:
        names: the labels and polarities of the model.
    """

    examples: Sequence[OpinionExample]
    predictions: Sequence[Prediction]
    names: OpinionNames

    def metrics(self) -> dict[str, Any]:
        """Return the metrics of spans, the mean loss of a token and, if pairs are learnt, the metrics of triplets."""
        spans = [[span for span, _ in prediction.spans] for prediction in self.predictions]
        pairs = [[pair for pair, _ in prediction.pairs] for prediction in self.predictions]
        n_tokens = max(1, sum(prediction.n_tokens for prediction in self.predictions))
        loss = math.fsum(prediction.loss for prediction in self.predictions) / n_tokens
        return {**count_metrics(self.examples, spans, pairs, self.names), "loss": loss}

    def subset(self, rows: Array) -> ScoredReviews:
        """Return the reviews whose row is True in <bool>[rows]."""
        kept = np.flatnonzero(rows).tolist()
        return ScoredReviews([self.examples[row] for row in kept], [self.predictions[row] for row in kept], self.names)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the record of each review in predictions/SPLIT.jsonl."""
        for row, (example, prediction) in enumerate(zip(self.examples, self.predictions, strict=True)):
            text = example.text
            record = {
                "row": row,
                "where": example.where,
                "text": text,
                "gold": [span_record(text, span) for span in example.spans],
                "predicted": [span_record(text, span, prob) for span, prob in prediction.spans],
            }
            if self.names.polarities and example.pairs is not None:
                record["gold_triplets"] = [triplet_record(text, pair) for pair in example.pairs]
            yield {**record, **_triplets(text, prediction, self.names), "loss": prediction.loss}

    def errors(self) -> Iterator[dict[str, Any]]:
        """Yield the errors of each review.

        The ``loss`` of an error is its surprise in nats: the negative logarithm of the probability of the annotated
        span or, if there is none, of the predicted span being absent.
        """
        for row, (example, prediction) in enumerate(zip(self.examples, self.predictions, strict=True)):
            probs = dict(prediction.spans)
            for error in find_errors(example.spans, probs):
                record = error.record(example.text)
                if error.predicted:
                    record["predicted"]["prob"] = probs[Span(*_key(error.predicted))]
                right = prediction.gold_probs.get(error.gold, 0.0) if error.gold else 1 - record["predicted"]["prob"]
                where = {"row": row, "where": example.where, "text": example.text}
                yield {**where, **record, "loss": -math.log(max(right, _MIN_PROB))}

    def sample_texts(self) -> dict[str, str]:
        """Return the first reviews with their predicted and annotated spans marked, by tag."""
        samples = list(zip(self.examples, self.predictions, strict=True))[:_N_SAMPLES]
        return {f"review_{number}": _sample(*sample) for number, sample in enumerate(samples, start=1)}


def count_metrics(
    examples: Sequence[OpinionExample],
    spans: Sequence[Sequence[Span]],
    pairs: Sequence[Sequence[Pair]],
    names: OpinionNames,
) -> dict[str, Any]:
    """Return the metrics of predicted spans and, if the names have polarities, of predicted pairs."""
    metrics = SpanMetrics(names.labels)
    metrics.update([example.spans for example in examples], spans)
    if not names.polarities:
        return metrics.result()
    triplets = TripletMetrics()
    for example, own in zip(examples, pairs, strict=True):
        if example.pairs is not None:  # the pairs of other reviews are unknown
            triplets.update([example.pairs], [own])
    return {**metrics.result(), **triplets.result()}


def _key(span: Any) -> tuple[int, int, str]:
    return span.start, span.end, span.label


def _sample(example: OpinionExample, prediction: Prediction) -> str:
    # One line with separators, since VisualDL shows a line break as a space.
    pairs = [f"{_describe_pair(example.text, pair)} {prob:.2f}" for pair, prob in prediction.pairs]
    gold_pairs = [_describe_pair(example.text, pair) for pair in example.pairs or ()]
    predicted = " → ".join([mark_spans(example.text, [span for span, _ in prediction.spans]), *pairs])
    annotated = " → ".join([mark_spans(example.text, example.spans), *gold_pairs])
    return f"predicted: {predicted} ‖ annotated: {annotated}"


def _describe_pair(text: str, pair: Pair) -> str:
    terms = [text[span.start : span.end] if span else "–" for span in (pair.aspect, pair.opinion)]
    return f"{' · '.join(terms)} · {pair.polarity}"


def mark_spans(text: str, spans: Sequence[Span]) -> str:
    """Return a text with its spans marked as 【房间｜aspect】; of overlapping spans only the first one is marked."""
    parts, end = list[str](), 0
    for span in sorted(spans):
        if span.start >= end:
            parts += [text[end : span.start], f"【{text[span.start : span.end]}｜{span.label}】"]
            end = span.end
    return "".join([*parts, text[end:]])


# ---- records


def prediction_record(text: str, prediction: Prediction, names: OpinionNames) -> dict[str, Any]:
    """Return the record of `predict` for a text."""
    spans = [span_record(text, span, prob) for span, prob in prediction.spans]
    return {"input": text, "spans": spans, **_triplets(text, prediction, names)}


def _triplets(text: str, prediction: Prediction, names: OpinionNames) -> dict[str, Any]:
    if not names.polarities:
        return {}
    return {"triplets": [{**triplet_record(text, pair), "prob": prob} for pair, prob in prediction.pairs]}


def triplet_record(text: str, pair: Pair) -> dict[str, Any]:
    """Return a pair with the characters of its spans; an implicit side is null."""
    sides: Mapping[str, Span | None] = {"aspect": pair.aspect, "opinion": pair.opinion}
    spans = {name: _range_record(text, span) if span else None for name, span in sides.items()}
    return {**spans, "polarity": pair.polarity}


def span_record(text: str, span: Span, prob: float | None = None) -> dict[str, Any]:
    """Return a span with its characters and, if it is predicted, its probability."""
    return {**_range_record(text, span), "label": span.label, **({} if prob is None else {"prob": prob})}


def _range_record(text: str, span: Span) -> dict[str, Any]:
    return {"start": span.start, "end": span.end, "text": text[span.start : span.end]}


# ---- records read back


def read_spans(row: int, record: Record) -> list[Span]:
    """Return the predicted spans of a record of predictions/SPLIT.jsonl or of `predict`.

    Raises:
        DataError: the record has none, or a span lacks a key.
    """
    spans = record.get("predicted", record.get("spans"))
    if not isinstance(spans, list):
        message = _("expected a list under 'predicted' or 'spans', found {found!r}")
        raise RecordError(row, message.format(found=spans))
    try:
        return [Span(span["start"], span["end"], span["label"]) for span in spans]
    except (KeyError, TypeError) as error:
        message = _("a span needs start, end and label; {key} is missing")
        raise RecordError(row, message.format(key=error)) from error


def read_pairs(row: int, record: Record) -> list[Pair]:
    """Return the predicted pairs of such a record; none if it has no triplets.

    Raises:
        DataError: a triplet lacks a key.
    """
    try:
        return list(map(_read_pair, record.get("triplets", ())))
    except (KeyError, TypeError) as error:
        message = _("a triplet needs aspect, opinion and polarity; {key} is missing")
        raise RecordError(row, message.format(key=error)) from error


def _read_pair(triplet: Record) -> Pair:
    aspect, opinion = (
        Span(triplet[side]["start"], triplet[side]["end"], label) if triplet[side] else None
        for side, label in (("aspect", ASPECT), ("opinion", OPINION))
    )
    return Pair(aspect, opinion, triplet["polarity"])


def read_predictions(records: Sequence[Record], names: OpinionNames) -> tuple[list[list[Span]], list[list[Pair]]]:
    """Return the predicted spans and pairs of each record, whose labels and polarities are those of a model.

    Raises:
        DataError: a record lacks a key, or a label or polarity is unknown.
    """
    spans = [read_spans(row, record) for row, record in enumerate(records)]
    pairs = [read_pairs(row, record) for row, record in enumerate(records)]
    for row, (own_spans, own_pairs) in enumerate(zip(spans, pairs, strict=True)):
        _check_known(row, _UNKNOWN_LABEL, {span.label for span in own_spans}, names.labels)
        if names.polarities:  # otherwise pairs are not scored
            _check_known(row, _UNKNOWN_POLARITY, {pair.polarity for pair in own_pairs}, names.polarities)
    return spans, pairs


def _check_known(row: int, problem: str, used: set[str], known: Sequence[str]) -> None:
    for name in sorted(used - set(known)):
        near = did_you_mean(name, known)
        raise RecordError(row, _(problem).format(label=name, near=near, known=join(known)))
