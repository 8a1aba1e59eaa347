"""Which of the spans and triplets that may stand in a review are taken, so that their F1 is best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.metrics.spans import SpanMetrics
from paddle_tasks.metrics.threshold import best_threshold
from paddle_tasks.tasks.opinion.reading import Finding
from paddle_tasks.text.spans import Span, overlapping

Found = Sequence[tuple[Any, float]]
LEAST, LEAST_OF_TRIPLETS = 0.1, 0.01  # what is less probable is not looked at


@dataclass(frozen=True)
class Choice:
    """From which probability on something is taken; what scores the best F1 lies well below a half.

    Where annotators disagree, as they do about opinions, no span may be more probable than not, and yet to take none
    costs more recall than a wrong one costs precision: the best threshold is half of the best F1 (Lipton et al. 2014,
    https://arxiv.org/abs/1402.1892).

    Attributes:
        spans: the least probability of a span.
        triplets: that of a triplet, all of whose parts must be right.
        overlaps: take spans that overlap a more probable one, too.
    """

    spans: float = 0.5
    triplets: float = 0.25
    overlaps: bool = False

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Choice:
        """Return that of a model's folder; in older ones a part of it is missing or all of it."""
        told = bool(settings["config"]["model"].get("overlaps"))
        return cls(**{"overlaps": told, **settings.get("choice", {})})

    def of(self, finding: Finding) -> Finding:
        """Return what is taken of what may stand in a review."""
        possible = finding.spans if self.overlaps else tuple(_apart(finding.spans))
        spans = tuple(found for found in possible if found[1] >= self.spans)
        taken = {None, *(span for span, _ in spans)}
        pairs = tuple(
            (pair, prob)
            for pair, prob in finding.pairs
            if prob >= self.triplets and pair.aspect in taken and pair.opinion in taken
        )
        return replace(finding, spans=spans, pairs=pairs, possible=possible)

    @property
    def least(self) -> tuple[float, float]:
        """The probabilities below which nothing is taken."""
        return self.spans, self.triplets


WIDEST = Choice(LEAST, LEAST_OF_TRIPLETS)  # what there is to choose from
ALL = Choice(0.0, 0.0)  # what the best path has


def _apart(spans: Sequence[tuple[Span, float]]) -> list[tuple[Span, float]]:
    """Return spans, from left to right, but for those that overlap a more probable one."""
    is_free = np.ones(max([0, *(span.end for span, _ in spans)]), dtype=bool)
    taken = []
    for span, prob in sorted(spans, key=lambda found: -found[1]):
        if is_free[span.start : span.end].all():
            is_free[span.start : span.end] = False
            taken.append((span, prob))
    return sorted(taken)


def best_choice(
    examples: Sequence[OpinionExample], findings: Sequence[Finding], *, overlaps: bool | None = None
) -> Choice:
    """Return what gives the best F1 of spans and, among these spans, of triplets.

    Args:
        examples: reviews with what is annotated.
        findings: what may stand in each of them.
        overlaps: whether spans that overlap are taken; None takes them where some are annotated and F1 is the better
            for it.
    """
    gold = [set(example.spans) for example in examples]
    ways = [bool(overlaps)]
    if overlaps is None and any(map(overlapping, gold)):  # else the gain of a hair would be chance
        ways = [False, True]
    choices = [_best_spans(gold, findings, way) for way in ways]
    choice = max(choices, key=lambda one: _span_f1(gold, findings, one))  # of equals the first: plain spans
    known = [place for place, example in enumerate(examples) if example.pairs is not None]  # of others nobody knows
    pairs = [examples[place].pairs or () for place in known]
    possible = [choice.of(findings[place]).pairs for place in known]
    return replace(choice, triplets=_best(pairs, possible, Choice.triplets, LEAST_OF_TRIPLETS))


def _best_spans(gold: Sequence[set[Span]], findings: Sequence[Finding], overlaps: bool) -> Choice:
    widest = replace(WIDEST, overlaps=overlaps)
    return replace(widest, spans=_best(gold, [widest.of(found).spans for found in findings], Choice.spans, LEAST))


def _span_f1(gold: Sequence[set[Span]], findings: Sequence[Finding], choice: Choice) -> float:
    found = [{span for span, _ in choice.of(finding).spans} for finding in findings]
    metrics = SpanMetrics(sorted({span.label for spans in (*gold, *found) for span in spans}))
    metrics.update(gold, found)
    f1: float = metrics.result()["f1"]
    return f1


def _best(gold: Sequence[Iterable[Hashable]], found: Sequence[Found], otherwise: float, least: float) -> float:
    """Return the best threshold for what was found in each review, or another number where nothing was."""
    scored = [(one in right, prob) for right, own in zip(map(set, gold), found, strict=True) for one, prob in own]
    if not scored:
        return otherwise
    is_right, probs = map(np.array, zip(*scored, strict=True))
    n_missed = sum(map(len, map(set, gold))) - int(is_right.sum())
    return max(least, best_threshold(is_right, probs, "f1", n_missed))
