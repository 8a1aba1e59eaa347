"""Scores of spans and of the pairs between them, and what kinds of errors there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

ErrorKind = Literal["boundary", "type", "missed", "spurious"]
ERROR_KINDS: tuple[ErrorKind, ...] = ("boundary", "type", "missed", "spurious")


class SpanLike(Protocol):
    """A labelled half-open range of characters, which can be hashed."""

    @property
    def start(self) -> int:
        """The first character."""

    @property
    def end(self) -> int:
        """Behind the last one."""

    @property
    def label(self) -> str:
        """What it is."""


class PairLike(Protocol):
    """An opinion on an aspect and its polarity, which can be hashed; either span may be None."""

    @property
    def aspect(self) -> SpanLike | None:
        """What it is about."""

    @property
    def opinion(self) -> SpanLike | None:
        """What is said."""

    @property
    def polarity(self) -> str:
        """How it is meant."""


class _Gathers(Protocol):
    def gather_objects(self, value: Any) -> list[Any]:
        """Return the value of every process."""


class SpanMetrics:
    """Precision, recall and F1 of spans over any number of batches, exact and by how much of them is covered.

    A span is right when start, end and label are. Of tags in one layer this is what seqeval says in its strict mode
    with IOB2. The second figure, ``partial_…``, is proportional: a predicted span counts for precision as the share
    of its characters that are in gold spans of its label, and a gold one for recall likewise.

    Source of the second: Johansson and Moschitti 2013, Relational Features in Fine-Grained Opinion Analysis,
    https://aclanthology.org/J13-3002; with overlapping spans no character counts twice here.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        # By (what, label, …): whole numbers alone, so that the result does not depend on their order.
        self._counts: Counter[tuple[Any, ...]] = Counter()

    def update(self, gold: Sequence[Iterable[SpanLike]], predicted: Sequence[Iterable[SpanLike]]) -> None:
        """Count texts: the gold spans of each and the predicted ones, in any order; one given twice counts once.

        Raises:
            ValueError: there are more or fewer predictions than texts.
        """
        for right, found in zip(gold, predicted, strict=True):
            self._count(set(right), set(found))

    def _count(self, gold: set[SpanLike], predicted: set[SpanLike]) -> None:
        self._counts.update(("gold", span.label) for span in gold)
        self._counts.update(("predicted", span.label) for span in predicted)
        self._counts.update(("right", span.label) for span in gold & predicted)
        self._counts.update(("precision", span.label, *_covered(span, gold)) for span in predicted)
        self._counts.update(("recall", span.label, *_covered(span, predicted)) for span in gold)
        self._counts.update(("error", error.kind) for error in sort_errors(gold, predicted))

    def over(self, ranks: _Gathers) -> SpanMetrics:
        """Return the scores over what all processes have counted."""
        whole = SpanMetrics(self.labels)
        for counts in ranks.gather_objects(self._counts):
            whole._counts.update(counts)
        return whole

    def result(self) -> dict[str, Any]:
        """Return the micro scores, ``macro_f1`` over the labels, those of each under ``per_label``, and the errors.

        A label that is neither gold nor predicted scores 0. Its F1 is also ``LABEL_f1``, as only numbers are logged.
        Errors are counted by kind under ``errors``.
        """
        per_label = {label: self._scores([label]) for label in self.labels}
        whole = self._scores(sorted({key[1] for key in self._counts if key[0] in ("gold", "predicted")}))
        del whole["spans"]
        return {
            **whole,
            "macro_f1": sum(scores["f1"] for scores in per_label.values()) / max(1, len(per_label)),
            **{f"{label}_f1": scores["f1"] for label, scores in per_label.items()},
            "per_label": per_label,
            "errors": {kind: self._counts["error", kind] for kind in ERROR_KINDS},
        }

    def _scores(self, labels: Sequence[str]) -> dict[str, Any]:
        n_gold, n_predicted, n_right = (
            sum(self._counts[what, label] for label in labels) for what in ("gold", "predicted", "right")
        )
        shares = [self._share_sum(what, labels) for what in ("precision", "recall")]
        return {
            **_prf(n_right, n_right, n_predicted, n_gold),
            **{f"partial_{name}": score for name, score in _prf(shares[0], shares[1], n_predicted, n_gold).items()},
            "spans": n_gold,
        }

    def _share_sum(self, what: str, labels: Sequence[str]) -> float:
        shares = sorted((key[2:], n) for key, n in self._counts.items() if key[0] == what and key[1] in labels)
        return float(sum(n * covered / length for (covered, length), n in shares))


class TripletMetrics:
    """Precision, recall and F1 of (aspect, opinion, polarity) over any number of batches.

    A triplet is right when both spans are exactly and the polarity is, an implicit side only as an implicit one.
    ``pair_f1`` leaves the polarity out, and ``polarity_accuracy`` is over the pairs that are right.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def update(self, gold: Sequence[Iterable[PairLike]], predicted: Sequence[Iterable[PairLike]]) -> None:
        """Count texts: the gold pairs of each and the predicted ones, in any order; one given twice counts once.

        Raises:
            ValueError: there are more or fewer predictions than texts.
        """
        for right, found in zip(gold, predicted, strict=True):
            triplets, pairs = (set(map(_triplet, right)), set(map(_triplet, found))), (set[Any](), set[Any]())
            for place in (0, 1):
                pairs[place].update(triplet[:2] for triplet in triplets[place])
            for name, (expected, other) in (("triplet", triplets), ("pair", pairs)):
                self._counts[f"{name} gold"] += len(expected)
                self._counts[f"{name} predicted"] += len(other)
                self._counts[f"{name} right"] += len(expected & other)

    def over(self, ranks: _Gathers) -> TripletMetrics:
        """Return the scores over what all processes have counted."""
        whole = TripletMetrics()
        for counts in ranks.gather_objects(self._counts):
            whole._counts.update(counts)
        return whole

    def result(self) -> dict[str, Any]:
        """Return ``triplet_precision``, ``triplet_recall``, ``triplet_f1``, ``pair_f1``, ``polarity_accuracy``."""
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


def _prf(of_predicted: float, of_gold: float, n_predicted: int, n_gold: int) -> dict[str, float]:
    """Return precision, recall and F1; without predicted or gold spans they are 0, as in seqeval."""
    precision = of_predicted / n_predicted if n_predicted else 0.0
    recall = of_gold / n_gold if n_gold else 0.0
    total = precision + recall
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / total if total else 0.0}


def _covered(span: SpanLike, others: Iterable[SpanLike]) -> tuple[int, int]:
    """Return how many characters of a span are in others of its label, and how many it has."""
    places = range(span.start, span.end)
    inside = [range(max(span.start, other.start), min(span.end, other.end)) for other in others if _like(span, other)]
    return len(set().union(*inside)), len(places)


def _like(span: SpanLike, other: SpanLike) -> bool:
    return span.label == other.label


# ---- errors


@dataclass(frozen=True, slots=True)
class SpanError:
    """One error: ``boundary`` (the label is right), ``type`` (the place is right), ``missed`` or ``spurious``."""

    kind: ErrorKind
    gold: SpanLike | None
    predicted: SpanLike | None

    def record(self, text: str) -> dict[str, Any]:
        """Return what errors.jsonl says of it, with the characters of the text."""
        return {
            "kind": self.kind,
            **{
                name: _record(text, span) for name, span in (("gold", self.gold), ("predicted", self.predicted)) if span
            },
        }


def _record(text: str, span: SpanLike) -> Mapping[str, Any]:
    return {"start": span.start, "end": span.end, "label": span.label, "text": text[span.start : span.end]}


def sort_errors(gold: Iterable[SpanLike], predicted: Iterable[SpanLike]) -> list[SpanError]:
    """Return the errors of one text, in the order of their places.

    What is not right is put together first by the same place (``type``), then by overlap with the same label
    (``boundary``), those first that share most; each span belongs to one error. What is left is ``missed`` or
    ``spurious``.
    """
    expected, found = set(gold), set(predicted)
    missed, spurious = expected - found, found - expected
    errors: list[SpanError] = []
    candidates = [("type", -1, a, b) for a in missed for b in spurious if (a.start, a.end) == (b.start, b.end)]
    candidates += [
        ("boundary", -_shared(a, b), a, b) for a in missed for b in spurious if _like(a, b) and _shared(a, b)
    ]
    for kind, _, right, wrong in sorted(candidates, key=_candidate_order):
        if right in missed and wrong in spurious:
            missed.remove(right)
            spurious.remove(wrong)
            errors.append(SpanError("type" if kind == "type" else "boundary", right, wrong))
    errors += [SpanError("missed", span, None) for span in missed]
    errors += [SpanError("spurious", None, span) for span in spurious]
    return sorted(errors, key=_place)


def _candidate_order(candidate: tuple[str, int, SpanLike, SpanLike]) -> tuple[Any, ...]:
    kind, overlap, right, wrong = candidate
    return kind != "type", overlap, right.start, right.end, wrong.start, wrong.end, right.label, wrong.label


def _shared(one: SpanLike, other: SpanLike) -> int:
    """Return how many characters two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _place(error: SpanError) -> tuple[Any, ...]:
    first = error.gold or error.predicted
    return (first.start, first.end, first.label, error.kind) if first else ()
