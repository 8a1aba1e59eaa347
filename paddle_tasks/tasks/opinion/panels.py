"""What there is to look at of reviews that were read: which spans are taken for which, how sure, and the CRF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.models.chain import allowed_transitions
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.reading import Finding
from paddle_tasks.tasks.opinion.rows import Names
from paddle_tasks.tasks.panels import MOST_CURVES, calibration, confusion, matrix
from paddle_tasks.text.spans import Span, tag_names
from paddle_tasks.training.panels import NEVER, Curve, Panels, shortened

NO_SPAN = "(none)"
_MOST_CHARACTERS = 60


@dataclass(frozen=True)
class OpinionPanels:
    """Reviews, and what was found in each of them by a model."""

    examples: Sequence[OpinionExample]
    findings: Sequence[Finding]
    names: Names
    model: OpinionTagger

    def panels(self) -> Panels:
        """Return confusion and calibration of spans, curves of the most frequent labels, histograms, transitions.

        The curves are over the spans that may stand there, each with its probability, and those that are missed.
        """
        confidence = np.array([prob for _, prob, is_found, _ in self._spans if is_found])
        is_right = np.array([is_gold for _, _, is_found, is_gold in self._spans if is_found], dtype=bool)
        lengths = np.array([len(example.text) for example in self.examples])
        is_wrong = np.array([not is_whole(*both) for both in self._rows()], dtype=bool)
        return Panels(
            histograms={"confidence": confidence, "length": lengths, "length_of_errors": lengths[is_wrong]},
            images={**self._confusion(), **calibration(confidence, is_right), **self._transitions()},
            curves={label: self._curve(label) for label in self._frequent()},
        )

    def _rows(self) -> Iterator[tuple[OpinionExample, Finding]]:
        return zip(self.examples, self.findings, strict=True)

    @cached_property
    def _spans(self) -> list[tuple[Span, float, bool, bool]]:
        """Each span that is annotated or found: its probability, whether it is found, and whether it is annotated."""
        return [span for example, finding in self._rows() for span in _judged(example, finding)]

    def _frequent(self) -> list[str]:
        counts = Counter(span.label for span, _, _, is_gold in self._spans if is_gold)
        return [label for label, _ in counts.most_common(MOST_CURVES)]

    def _curve(self, label: str) -> Curve:
        rows = [(example.spans, dict(finding.possible)) for example, finding in self._rows()]
        scored = [(gold, {**dict.fromkeys(gold, NEVER), **probs}) for gold, probs in rows]
        own = [(span in gold, prob) for gold, probs in scored for span, prob in probs.items() if span.label == label]
        truth, scores = zip(*own, strict=True)
        return Curve(np.array(truth, dtype=bool), np.array(scores))

    def _confusion(self) -> dict[str, Array]:
        """Return the image of the labels that the same characters have, and have been given, none included."""
        labels = [*self.names.labels, NO_SPAN]
        place = {label: number for number, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
        for example, finding in self._rows():
            for gold, found in _matched(example, finding):
                counts[place.get(gold, len(labels) - 1), place[found]] += 1
        return confusion(counts, labels)

    def _transitions(self) -> dict[str, Array]:
        if not hasattr(self.model, "crf"):
            return {}
        scores = self.model.crf.transitions.detach().astype("float32").numpy()
        legal = np.where(allowed_transitions(len(self.names.labels)), scores, np.nan)
        return matrix("crf_transitions", legal, tag_names(self.names.labels))


def is_whole(example: OpinionExample, finding: Finding) -> bool:
    """Tell whether all spans of a review were found, and no others."""
    return set(example.spans) == {span for span, _ in finding.spans}


def described_rows(examples: Sequence[OpinionExample], findings: Sequence[Finding]) -> list[list[str]]:
    """Return what is known of each review beside its vector: polarities (or labels), result, prediction, text."""
    return [
        [
            _summary(example.spans, [pair.polarity for pair in example.pairs or ()]),
            "right" if is_whole(example, finding) else "wrong",
            _summary([span for span, _ in finding.spans], [pair.polarity for pair, _ in finding.pairs]),
            shortened(example.text, _MOST_CHARACTERS),
        ]
        for example, finding in zip(examples, findings, strict=True)
    ]


def _summary(spans: Sequence[Span], polarities: Sequence[str]) -> str:
    return "+".join(sorted(set(polarities) or {span.label for span in spans})) or NO_SPAN


def _judged(example: OpinionExample, finding: Finding) -> Iterator[tuple[Span, float, bool, bool]]:
    gold, found = set(example.spans), dict(finding.spans)
    yield from ((span, prob, True, span in gold) for span, prob in found.items())
    missed = [span for span in example.spans if span not in found]
    yield from ((span, finding.gold_probs.get(span, 0.0), False, True) for span in missed)


def _matched(example: OpinionExample, finding: Finding) -> Iterator[tuple[str, str]]:
    """Yield the labels of the same characters, annotated and found; `NO_SPAN` where one of the two is none."""
    gold = {(span.start, span.end): span.label for span in example.spans}
    found = {(span.start, span.end): span.label for span, _ in finding.spans}
    yield from ((gold.get(place, NO_SPAN), found.get(place, NO_SPAN)) for place in sorted({*gold, *found}))
