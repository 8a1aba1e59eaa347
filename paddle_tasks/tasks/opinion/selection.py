"""Which candidate spans and triplets are predicted, chosen on dev so that their F1 is best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.metrics.spans import SpanMetrics
from paddle_tasks.metrics.threshold import best_threshold
from paddle_tasks.tasks.opinion.prediction import Prediction
from paddle_tasks.text.spans import Span, find_overlapping

Scored = Sequence[tuple[Any, float]]
MIN_SPAN_PROB, MIN_TRIPLET_PROB = 0.1, 0.01
"""Candidates are at least that probable."""


@dataclass(frozen=True)
class Selection:
    """The thresholds from which on candidates are predicted.

    The threshold with the best F1 is well below a half. Where annotators disagree, as they do about opinions, no span
    may be more probable than not, and predicting none costs more recall than a wrong one costs precision: the best
    threshold is half of the best F1 (Lipton et al. 2014, https://arxiv.org/abs/1402.1892).

    Attributes:
        spans: the lowest probability of a span.
        triplets: the lowest probability of a triplet, all of whose parts must be right.
        overlaps: whether spans are predicted that overlap a more probable one.
    """

    spans: float = 0.5
    triplets: float = 0.25
    overlaps: bool = False

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Selection:
        """Return the selection of a model folder; older folders hold a part of it or nothing."""
        overlaps = bool(settings["config"]["model"].get("overlaps"))
        return cls(**{"overlaps": overlaps, **settings.get("choice", {})})

    def apply(self, prediction: Prediction) -> Prediction:
        """Return a prediction with the selected spans, and the triplets between them."""
        candidates = prediction.spans if self.overlaps else tuple(_without_overlaps(prediction.spans))
        spans = tuple(span for span in candidates if span[1] >= self.spans)
        selected = {None, *(span for span, _ in spans)}
        pairs = tuple(
            (pair, prob)
            for pair, prob in prediction.pairs
            if prob >= self.triplets and pair.aspect in selected and pair.opinion in selected
        )
        return replace(prediction, spans=spans, pairs=pairs, candidates=candidates)

    @property
    def min_probs(self) -> tuple[float, float]:
        """The lowest probability of a span and of a triplet."""
        return self.spans, self.triplets


CANDIDATES = Selection(MIN_SPAN_PROB, MIN_TRIPLET_PROB)
"""Everything that dev may choose from."""
EVERYTHING = Selection(0.0, 0.0)
"""For the spans of the best path, which is a selection already."""


def _without_overlaps(spans: Sequence[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Return spans, from left to right, without those that overlap a more probable one."""
    is_free = np.ones(max([0, *(span.end for span, _ in spans)]), dtype=bool)
    kept = []
    for span, prob in sorted(spans, key=lambda scored: -scored[1]):
        if is_free[span.start : span.end].all():
            is_free[span.start : span.end] = False
            kept.append((span, prob))
    return sorted(kept)


def best_selection(
    examples: Sequence[OpinionExample], predictions: Sequence[Prediction], *, overlaps: bool | None = None
) -> Selection:
    """Return the selection with the best F1 of spans and, among these spans, of triplets.

    Args:
        examples: annotated reviews.
        predictions: the candidates of each review.
        overlaps: whether overlapping spans are predicted; None does so if some are annotated and F1 gets better.
    """
    gold = [set(example.spans) for example in examples]
    options = [bool(overlaps)]
    if overlaps is None and any(map(find_overlapping, gold)):  # otherwise a tiny gain would be chance
        options = [False, True]
    selections = [_best_for_spans(gold, predictions, option) for option in options]
    # Of equal ones the first, which is without overlaps.
    selection = max(selections, key=lambda candidate: _span_f1(gold, predictions, candidate))
    annotated = [row for row, example in enumerate(examples) if example.pairs is not None]
    pairs = [examples[row].pairs or () for row in annotated]
    candidates = [selection.apply(predictions[row]).pairs for row in annotated]
    return replace(selection, triplets=_best_threshold(pairs, candidates, Selection.triplets, MIN_TRIPLET_PROB))


def _best_for_spans(gold: Sequence[set[Span]], predictions: Sequence[Prediction], overlaps: bool) -> Selection:
    widest = replace(CANDIDATES, overlaps=overlaps)
    candidates = [widest.apply(prediction).spans for prediction in predictions]
    return replace(widest, spans=_best_threshold(gold, candidates, Selection.spans, MIN_SPAN_PROB))


def _span_f1(gold: Sequence[set[Span]], predictions: Sequence[Prediction], selection: Selection) -> float:
    predicted = [{span for span, _ in selection.apply(prediction).spans} for prediction in predictions]
    metrics = SpanMetrics(sorted({span.label for spans in (*gold, *predicted) for span in spans}))
    metrics.update(gold, predicted)
    f1: float = metrics.result()["f1"]
    return f1


def _best_threshold(
    gold: Sequence[Iterable[Hashable]], candidates: Sequence[Scored], default: float, min_prob: float
) -> float:
    """Return the best threshold for the candidates of each review, or the default if there are none."""
    gold_sets = [set(right) for right in gold]
    scored = [(item in right, prob) for right, own in zip(gold_sets, candidates, strict=True) for item, prob in own]
    if not scored:
        return default
    is_right, probs = map(np.array, zip(*scored, strict=True))
    n_missed = sum(map(len, gold_sets)) - int(is_right.sum())
    return max(min_prob, best_threshold(is_right, probs, "f1", n_missed))
