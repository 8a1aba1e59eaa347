"""Metrics of spans and of aspect-opinion triplets, and a classification of span errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from paddle_tasks.language import mark_in_context

ErrorKind = Literal["boundary", "type", "missed", "spurious"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("boundary", "type", "missed", "spurious")
_NAMES = (  # of these kinds, for `label_name`
    mark_in_context("label", "boundary"),
    mark_in_context("label", "type"),
    mark_in_context("label", "missed"),
    mark_in_context("label", "spurious"),
)


class SpanLike(Protocol):
    """A hashable labelled half-open range of characters."""

    @property
    def start(self) -> int:
        """The first character."""

    @property
    def end(self) -> int:
        """The position after the last character."""

    @property
    def label(self) -> str:
        """The label."""


class PairLike(Protocol):
    """A hashable opinion on an aspect with its polarity; either span may be None."""

    @property
    def aspect(self) -> SpanLike | None:
        """The aspect; None if it is implicit."""

    @property
    def opinion(self) -> SpanLike | None:
        """The opinion; None if it is implicit."""

    @property
    def polarity(self) -> str:
        """The polarity of the opinion."""


class SpanMetrics:
    """Exact and partial precision, recall and F1 of spans over any number of batches.

    Exact: a span is correct if its start, end and label are. For spans that do not overlap this equals seqeval's strict
    mode with IOB2. Partial (``partial_…``): a predicted span counts for precision by the share of its characters that
    lie in gold spans of its label, and a gold span for recall likewise.

    Source of the partial metrics: Johansson and Moschitti 2013, Relational Features in Fine-Grained Opinion Analysis,
    https://aclanthology.org/J13-3002; unlike there, characters of overlapping spans are not counted twice.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        # Keys are (quantity, label, …). Counts are integers, so the result does not depend on the order of updates.
        self._counts: Counter[tuple[Any, ...]] = Counter()

    def update(self, gold: Sequence[Iterable[SpanLike]], predicted: Sequence[Iterable[SpanLike]]) -> None:
        """Add texts: their gold spans and their predicted spans, each in any order; duplicates count once.

        Raises:
            ValueError: the lengths of ``gold`` and ``predicted`` differ.
        """
        for gold_spans, predicted_spans in zip(gold, predicted, strict=True):
            self._count(set(gold_spans), set(predicted_spans))

    def _count(self, gold: set[SpanLike], predicted: set[SpanLike]) -> None:
        self._counts.update(("gold", span.label) for span in gold)
        self._counts.update(("predicted", span.label) for span in predicted)
        self._counts.update(("right", span.label) for span in gold & predicted)
        self._counts.update(("precision", span.label, *_covered(span, gold)) for span in predicted)
        self._counts.update(("recall", span.label, *_covered(span, predicted)) for span in gold)
        self._counts.update(("error", error.kind) for error in find_errors(gold, predicted))

    def result(self) -> dict[str, Any]:
        """Return micro averages, ``macro_f1``, the metrics of each label and the number of errors by kind.

        ``macro_f1`` is the mean over the labels that are gold or predicted for some span, as in seqeval.
        ``per_label`` has the metrics of each label; a label that is neither scores 0. The F1 of a label is also at the
        top level as ``LABEL_f1``, since only numbers are logged. ``errors`` has the counts of the errors by kind.
        """
        per_label = {label: self._scores([label]) for label in self.labels}
        occurring = sorted({key[1] for key in self._counts if key[0] in ("gold", "predicted")})
        micro = self._scores(occurring)
        del micro["spans"]
        return {
            **micro,
            "macro_f1": self._macro_f1(per_label, occurring),
            **{f"{label}_f1": scores["f1"] for label, scores in per_label.items()},
            "per_label": per_label,
            "errors": {kind: self._counts["error", kind] for kind in ERROR_KINDS},
        }

    def _macro_f1(self, per_label: Mapping[str, Mapping[str, float]], occurring: Sequence[str]) -> float:
        scores = [per_label[label]["f1"] for label in self.labels if label in occurring]
        return sum(scores) / max(1, len(scores))

    def _scores(self, labels: Sequence[str]) -> dict[str, Any]:
        n_gold, n_predicted, n_right = (
            sum(self._counts[quantity, label] for label in labels) for quantity in ("gold", "predicted", "right")
        )
        shares = [self._share_sum(quantity, labels) for quantity in ("precision", "recall")]
        return {
            **_prf(n_right, n_right, n_predicted, n_gold),
            **{f"partial_{name}": score for name, score in _prf(shares[0], shares[1], n_predicted, n_gold).items()},
            "spans": n_gold,
        }

    def _share_sum(self, quantity: str, labels: Sequence[str]) -> float:
        shares = sorted((key[2:], n) for key, n in self._counts.items() if key[0] == quantity and key[1] in labels)
        return float(sum(n * covered / length for (covered, length), n in shares))


class TripletMetrics:
    """Precision, recall and F1 of (aspect, opinion, polarity) over any number of batches.

    A triplet is correct if both spans match exactly and the polarity matches; an implicit side matches only an implicit
    one. ``pair_f1`` ignores the polarity; ``polarity_accuracy`` is computed over the correct pairs.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def update(self, gold: Sequence[Iterable[PairLike]], predicted: Sequence[Iterable[PairLike]]) -> None:
        """Add texts: their gold pairs and their predicted pairs, each in any order; duplicates count once.

        Raises:
            ValueError: the lengths of ``gold`` and ``predicted`` differ.
        """
        for gold_pairs, predicted_pairs in zip(gold, predicted, strict=True):
            gold_triplets, predicted_triplets = set(map(_triplet, gold_pairs)), set(map(_triplet, predicted_pairs))
            self._count("triplet", gold_triplets, predicted_triplets)
            self._count("pair", {t[:2] for t in gold_triplets}, {t[:2] for t in predicted_triplets})

    def _count(self, name: str, gold: set[Any], predicted: set[Any]) -> None:
        self._counts[f"{name} gold"] += len(gold)
        self._counts[f"{name} predicted"] += len(predicted)
        self._counts[f"{name} right"] += len(gold & predicted)

    def result(self) -> dict[str, Any]:
        """Return precision, recall, F1 and number of triplets, ``pair_f1`` and ``polarity_accuracy``."""
        scores = {name: self._prf(name) for name in ("triplet", "pair")}
        n_pairs = self._counts["pair right"]
        return {
            **{f"triplet_{name}": score for name, score in scores["triplet"].items()},
            "pair_f1": scores["pair"]["f1"],
            "polarity_accuracy": self._counts["triplet right"] / n_pairs if n_pairs else 0.0,
            "triplets": self._counts["triplet gold"],
        }

    def _prf(self, name: str) -> dict[str, float]:
        n_right = self._counts[f"{name} right"]
        return _prf(n_right, n_right, self._counts[f"{name} predicted"], self._counts[f"{name} gold"])


def _triplet(pair: PairLike) -> tuple[Any, Any, str]:
    sides = [(span.start, span.end) if span else None for span in (pair.aspect, pair.opinion)]
    return sides[0], sides[1], pair.polarity


def _prf(right_predicted: float, right_gold: float, n_predicted: int, n_gold: int) -> dict[str, float]:
    """Return precision, recall and F1; without predicted or gold spans they are 0, as in seqeval."""
    precision = right_predicted / n_predicted if n_predicted else 0.0
    recall = right_gold / n_gold if n_gold else 0.0
    total = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / total if total else 0.0}


def _covered(span: SpanLike, others: Iterable[SpanLike]) -> tuple[int, int]:
    """Return how many characters of a span lie in ``others`` of the same label, and the length of the span."""
    same_label = [other for other in others if other.label == span.label]
    covered = [range(max(span.start, other.start), min(span.end, other.end)) for other in same_label]
    return len(set().union(*covered)), len(range(span.start, span.end))


# ---- errors

_Candidate = tuple[ErrorKind, int, SpanLike, SpanLike]
"""A possible error: its kind, the negative number of shared characters, the gold and the predicted span."""


@dataclass(frozen=True, slots=True)
class SpanError:
    """One error: ``boundary`` (only the label is right), ``type`` (only the range is), ``missed`` or ``spurious``."""

    kind: ErrorKind
    gold: SpanLike | None
    predicted: SpanLike | None

    def record(self, text: str) -> dict[str, Any]:
        """Return the record for errors.jsonl, which includes the characters of the spans."""
        return {
            "kind": self.kind,
            **{
                name: _record(text, span) for name, span in (("gold", self.gold), ("predicted", self.predicted)) if span
            },
        }


def _record(text: str, span: SpanLike) -> Mapping[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "text": text[span.start : span.end]}


def find_errors(gold: Iterable[SpanLike], predicted: Iterable[SpanLike]) -> list[SpanError]:
    """Return the errors of one text, ordered by position.

    Wrong spans are matched with gold spans, first those of the same range (``type``), then those of the same label
    that overlap (``boundary``), starting with the largest overlap. Each span belongs to one error. The remaining spans
    are ``missed`` or ``spurious``.
    """
    gold_set, predicted_set = set(gold), set(predicted)
    missed, spurious = gold_set - predicted_set, predicted_set - gold_set
    errors: list[SpanError] = []
    pairs = [(a, b) for a in missed for b in spurious]
    candidates: list[_Candidate] = [("type", -1, a, b) for a, b in pairs if (a.start, a.end) == (b.start, b.end)]
    candidates += [
        ("boundary", -shared, a, b) for a, b in pairs if a.label == b.label and (shared := _shared_length(a, b))
    ]
    for kind, _, right, wrong in sorted(candidates, key=_candidate_order):
        if right in missed and wrong in spurious:
            missed.remove(right)
            spurious.remove(wrong)
            errors.append(SpanError(kind, right, wrong))
    errors += [SpanError("missed", span, None) for span in missed]
    errors += [SpanError("spurious", None, span) for span in spurious]
    return sorted(errors, key=_error_order)


def _candidate_order(candidate: _Candidate) -> tuple[Any, ...]:
    kind, overlap, right, wrong = candidate
    return kind != "type", overlap, right.start, right.end, wrong.start, wrong.end, right.label, wrong.label


def _shared_length(a: SpanLike, b: SpanLike) -> int:
    """Return how many characters two spans share."""
    return max(0, min(a.end, b.end) - max(a.start, b.start))


def _error_order(error: SpanError) -> tuple[Any, ...]:
    first = error.gold or error.predicted
    return (first.start, first.end, first.label, error.kind) if first else ()
