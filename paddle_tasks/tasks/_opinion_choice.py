"""Which of the spans and triplets that may stand in a review are taken, so that their F1 is best."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paddle_tasks.data.opinions import OpinionExample
from paddle_tasks.metrics.threshold import best_threshold
from paddle_tasks.tasks._opinion_reading import Finding
from paddle_tasks.text.spans import Pair, Span

Found = Sequence[tuple[Any, float]]
LEAST = 0.1  # spans that are less probable are not looked at


@dataclass(frozen=True)
class Choice:
    """From which probability on something is taken; what scores the best F1 lies well below a half.

    Where annotators disagree, as they do about opinions, no span may be more probable than not, and yet to take none
    costs more recall than a wrong one costs precision: the best threshold is half of the best F1 (Lipton et al. 2014,
    https://arxiv.org/abs/1402.1892).

    Attributes:
        spans: the least probability of a span.
        triplets: that of a triplet, all of whose parts must be right.
        overlaps: whether spans may overlap, as annotated ones do; else the most probable one is taken.
    """

    spans: float = 0.5
    triplets: float = 0.25
    overlaps: bool = False

    def of(self, finding: Finding) -> Finding:
        """Return what is taken of what may stand in a review."""
        spans = {span: prob for span, prob in self.apart(finding.spans) if prob >= self.spans}
        pairs = {pair: prob for pair, prob in _among(spans, finding.pairs) if prob >= self.triplets}
        return replace(finding, spans=tuple(spans.items()), pairs=tuple(pairs.items()), possible=finding.spans)

    def apart(self, spans: Found) -> Found:
        """Return spans without those that overlap a more probable one; where they may, all of them."""
        taken: dict[Span, float] = {}
        for span, prob in sorted(spans, key=lambda found: -found[1]):
            if span not in taken and (self.overlaps or not any(_overlap(span, other) for other in taken)):
                taken[span] = prob
        return sorted(taken.items())


ALL = Choice(0.0, 0.0)  # what the best path has, of which no two overlap but where two tokens are of one character


def best_choice(examples: Sequence[OpinionExample], findings: Sequence[Finding], *, overlaps: bool) -> Choice:
    """Return the thresholds that give the best F1 of spans and, among these spans, of triplets.

    Args:
        examples: reviews with what is annotated.
        findings: what may stand in each of them.
        overlaps: see `Choice`.
    """
    choice = Choice(overlaps=overlaps)
    apart = [choice.apart(finding.spans) for finding in findings]
    choice = replace(choice, spans=_best([example.spans for example in examples], apart, choice.spans))
    paired = [(example.pairs, finding) for example, finding in zip(examples, findings, strict=True) if example.pairs]
    possible = [replace(choice, triplets=0.0).of(finding).pairs for _, finding in paired]
    return replace(choice, triplets=_best([pairs or () for pairs, _ in paired], possible, choice.triplets))


def _best(gold: Sequence[Iterable[Hashable]], found: Sequence[Found], otherwise: float) -> float:
    """Return the best threshold for what was found in each review, or another number where there is nothing."""
    scored = [(one in right, prob) for right, own in zip(map(set, gold), found, strict=True) for one, prob in own]
    if not scored:
        return otherwise
    is_right, probs = map(np.array, zip(*scored, strict=True))
    return best_threshold(is_right, probs, "f1", n_missed=sum(map(len, map(set, gold))) - int(is_right.sum()))


def _among(spans: Iterable[Span], pairs: Sequence[tuple[Pair, float]]) -> list[tuple[Pair, float]]:
    """Return the pairs whose spans are taken."""
    taken = {None, *spans}
    return [found for found in pairs if found[0].aspect in taken and found[0].opinion in taken]


def _overlap(one: Span, other: Span) -> bool:
    return one.start < other.end and other.start < one.end
