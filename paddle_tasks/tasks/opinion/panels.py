"""VisualDL panels of annotated reviews and their predictions: confusion, calibration, curves, histograms, the CRF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.language import _
from paddle_tasks.models.chain import allowed_transitions
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction
from paddle_tasks.tasks.opinion.record_view import NO_SPAN
from paddle_tasks.tasks.panels import MAX_CURVES, calibration_image, confusion_image, describe_result, matrix_image
from paddle_tasks.text.spans import Span, tag_names
from paddle_tasks.training.panels import NEVER, Curve, Panels, shorten

_MAX_CHARACTERS = 60


class _JudgedSpan(NamedTuple):
    """A span that is annotated or predicted."""

    span: Span
    prob: float
    is_predicted: bool
    is_gold: bool


@dataclass(frozen=True)
class OpinionPanels:
    """The panels of annotated reviews and a model's predictions."""

    examples: Sequence[OpinionExample]
    predictions: Sequence[Prediction]
    names: OpinionNames
    model: OpinionTagger

    def panels(self) -> Panels:
        """Return confusion and calibration of spans, curves of the most frequent labels, histograms and transitions.

        The curves are over the candidate spans, each with its probability, and the annotated spans that are missed.
        """
        confidence = np.array([judged.prob for judged in self._judged if judged.is_predicted])
        is_right = np.array([judged.is_gold for judged in self._judged if judged.is_predicted], dtype=bool)
        lengths = np.array([len(example.text) for example in self.examples])
        is_wrong = np.array([not is_exact(*row) for row in self._rows()], dtype=bool)
        return Panels(
            histograms={"confidence": confidence, "length": lengths, "length_of_errors": lengths[is_wrong]},
            images={**self._confusion(), **calibration_image(confidence, is_right), **self._transitions()},
            curves={label: self._curve(label) for label in self._most_frequent()},
        )

    def _rows(self) -> Iterator[tuple[OpinionExample, Prediction]]:
        return zip(self.examples, self.predictions, strict=True)

    @cached_property
    def _judged(self) -> list[_JudgedSpan]:
        return [judged for example, prediction in self._rows() for judged in _judge(example, prediction)]

    def _most_frequent(self) -> list[str]:
        counts = Counter(judged.span.label for judged in self._judged if judged.is_gold)
        return [label for label, _count in counts.most_common(MAX_CURVES)]

    def _curve(self, label: str) -> Curve:
        rows = [(example.spans, dict(prediction.candidates)) for example, prediction in self._rows()]
        scored = [(gold, {**dict.fromkeys(gold, NEVER), **probs}) for gold, probs in rows]
        own = [(span in gold, prob) for gold, probs in scored for span, prob in probs.items() if span.label == label]
        is_gold, scores = zip(*own, strict=True)
        return Curve(np.array(is_gold, dtype=bool), np.array(scores))

    def _confusion(self) -> dict[str, Array]:
        """Return the image of the annotated and the predicted label of the same characters, none included."""
        labels = [*self.names.labels, NO_SPAN]
        names = [*self.names.labels, _(NO_SPAN)]
        index = {label: number for number, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
        for example, prediction in self._rows():
            for gold, predicted in _label_pairs(example, prediction):
                counts[index.get(gold, len(labels) - 1), index[predicted]] += 1
        return confusion_image(counts, names)

    def _transitions(self) -> dict[str, Array]:
        if not hasattr(self.model, "crf"):
            return {}
        scores = self.model.crf.transitions.detach().astype("float32").numpy()
        legal = np.where(allowed_transitions(len(self.names.labels)), scores, np.nan)
        return matrix_image("crf_transitions", legal, tag_names(self.names.labels))


def is_exact(example: OpinionExample, prediction: Prediction) -> bool:
    """Return whether the predicted spans of a review are its annotated spans."""
    return set(example.spans) == {span for span, _prob in prediction.spans}


def describe_rows(examples: Sequence[OpinionExample], predictions: Sequence[Prediction]) -> list[list[str]]:
    """Return the description of each review's vector: polarities (or labels), result, prediction and text."""
    return [
        [
            _summary(example.spans, [pair.polarity for pair in example.pairs or ()]),
            describe_result(is_right=is_exact(example, prediction)),
            _summary([span for span, _prob in prediction.spans], [pair.polarity for pair, _prob in prediction.pairs]),
            shorten(example.text, _MAX_CHARACTERS),
        ]
        for example, prediction in zip(examples, predictions, strict=True)
    ]


def _summary(spans: Sequence[Span], polarities: Sequence[str]) -> str:
    return "+".join(sorted(set(polarities) or {span.label for span in spans})) or _(NO_SPAN)


def _judge(example: OpinionExample, prediction: Prediction) -> Iterator[_JudgedSpan]:
    gold, predicted = set(example.spans), dict(prediction.spans)
    yield from (_JudgedSpan(span, prob, True, span in gold) for span, prob in predicted.items())
    missed = [span for span in example.spans if span not in predicted]
    yield from (_JudgedSpan(span, prediction.gold_probs.get(span, 0.0), False, True) for span in missed)


def _label_pairs(example: OpinionExample, prediction: Prediction) -> Iterator[tuple[str, str]]:
    """Yield the annotated and the predicted label of the same characters; `NO_SPAN` if there is only one."""
    gold = {(span.start, span.end): span.label for span in example.spans}
    predicted = {(span.start, span.end): span.label for span, _prob in prediction.spans}
    for characters in sorted({*gold, *predicted}):
        yield gold.get(characters, NO_SPAN), predicted.get(characters, NO_SPAN)
