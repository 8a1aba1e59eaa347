"""The scores and records of classified rows, whatever classifier gave the probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import RecordError, did_you_mean
from paddle_tasks.language import _, join
from paddle_tasks.metrics.calibration import compute_calibration
from paddle_tasks.metrics.classification import ClassificationMetrics
from paddle_tasks.tasks.classification.data import LabelledData
from paddle_tasks.tasks.classification.decision import Decision
from paddle_tasks.tasks.classification.ngrams import NgramMixture
from paddle_tasks.tasks.classification.records import prediction
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.deduplication import check_count, with_deduplicated
from paddle_tasks.tasks.panels import LabelledPanels, sample_texts
from paddle_tasks.training.protocol import Evaluation, Record

_RATES = ("accuracy", "macro_f1", "f1")
_PARTS = ("network", "ngrams")
_DEDUPLICATED = (*_RATES, *(f"{name}_of_{part}" for part in _PARTS for name in _RATES))


@dataclass(frozen=True)
class Scorer:
    """Scores probabilities.

    Attributes:
        data: the labels, and the train split for the scores without its texts.
        decision: chooses labels.
        temperature: calibrates probabilities.
        ngrams: mixes n-grams into the probabilities of the network.
        metric: the one that chooses the best model, and the weight of n-grams.
        lower_is_better: whether its lowest value is the best.
    """

    data: LabelledData
    decision: Decision
    temperature: Temperature
    ngrams: NgramMixture = field(default_factory=NgramMixture)
    metric: str = "accuracy"
    lower_is_better: bool = False

    def score(self, split: Split[LabelledText], network: Array) -> Evaluation:
        """Return the evaluation of a split for the network's probabilities <float>[rows, labels].

        If the split shares texts with train, the headline metrics have twins over the other rows. Scores of
        calibrated answers have the expected calibration error, and that before calibration. Scores of answers with
        n-grams have those of the network alone and of the n-grams alone.
        """
        gold = self.data.label_indices(split.examples)
        ngrams = self.ngrams.log_probs(split.name, [example.text for example in split.examples])
        uncalibrated, alone = network, {}
        if ngrams is not None:
            self.ngrams.learn(split.name, gold, network, ngrams, partial(self._value, gold))
            uncalibrated, alone = self.ngrams.mix(network, ngrams), {"network": network, "ngrams": np.exp(ngrams)}
        self.temperature.learn(split.name, gold, uncalibrated)
        probabilities = self.temperature.apply(uncalibrated)
        self.decision.learn(split.name, gold, probabilities)
        losses = log_losses(gold, probabilities)

        def metrics(rows: Array) -> dict[str, Any]:
            own = self.decision.metrics(
                probabilities[rows], lambda predicted: self._count(gold[rows], predicted, losses[rows])
            )
            return {**own, **self._metrics_alone(gold, alone, rows)}

        scores = with_deduplicated(metrics, self.data.splits, split, _DEDUPLICATED)
        scores |= self.ngrams.settings() if alone else {}
        if self.temperature.is_known:
            errors = {"ece": probabilities, "ece_uncalibrated": uncalibrated}
            scores |= {name: expected_error(gold, values) for name, values in errors.items()}
        records = list(self._records(split.examples, probabilities, losses))
        panels = self._panels(split, gold, probabilities)
        return Evaluation(scores, records, texts=sample_texts(records), panels=panels.panels)

    def _value(self, gold: Array, probabilities: Array) -> float:
        """Return how good probabilities <float>[rows, labels] are by the metric that chooses; higher is better."""
        predicted = self.decision.choose(probabilities)
        value = float(self._count(gold, predicted, log_losses(gold, probabilities))[self.metric])
        return -value if self.lower_is_better else value

    def _metrics_alone(self, gold: Array, alone: Mapping[str, Array], rows: Array) -> dict[str, float]:
        """Return the metrics of each part of the model by itself for the rows that are True in <bool>[rows]."""
        found: dict[str, float] = {}
        for part, probabilities in alone.items():
            losses = log_losses(gold[rows], probabilities[rows])
            metrics = self._count(gold[rows], self.decision.choose(probabilities[rows]), losses)
            found |= {f"{name}_of_{part}": metrics[name] for name in (*_RATES, "loss") if name in metrics}
        return found

    def _panels(self, split: Split[LabelledText], gold: Array, probabilities: Array) -> LabelledPanels:
        return LabelledPanels(
            labels=self.data.labels,
            names=[self.data.label_names.get(label, label) for label in self.data.labels],
            gold=gold,
            predicted=self.decision.choose(probabilities),
            probabilities=probabilities,
            lengths=np.array([sum(map(len, texts)) for texts in self.data.texts(split)]),
        )

    def _count(self, gold: Array, predicted: Array, losses: Array) -> dict[str, Any]:
        metrics = ClassificationMetrics(self.data.labels)
        metrics.update(gold, predicted, losses)
        return metrics.result()

    def _records(
        self, examples: Sequence[LabelledText], probabilities: Array, losses: Array
    ) -> Iterator[dict[str, Any]]:
        for row, (example, row_probabilities, loss) in enumerate(zip(examples, probabilities, losses, strict=True)):
            yield {
                "row": row,
                "where": example.where,
                "text": example.text,
                "gold": example.label,
                **self.prediction(row_probabilities),
                "loss": float(loss),
            }

    def prediction(self, probabilities: Array) -> dict[str, Any]:
        """Return the predicted label, its name if it has one, and the probabilities <float>[labels] by label."""
        return prediction(self.data.labels, self.data.label_names, self.decision, probabilities)

    # ---- somebody's predictions

    def score_records(self, split: Split[LabelledText], records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of predicted labels, with a loss if all records have probabilities."""
        check_count(len(split.examples), records, _("rows of {path}").format(path=split.path))
        gold = self.data.label_indices(split.examples)
        predicted = np.array([self._label_index(row, record) for row, record in enumerate(records)], dtype=np.int64)
        probabilities = self._probabilities(records)
        losses = np.zeros(len(gold)) if probabilities is None else log_losses(gold, probabilities)
        metrics = with_deduplicated(
            lambda rows: self._count(gold[rows], predicted[rows], losses[rows]), self.data.splits, split, _DEDUPLICATED
        )
        return {name: value for name, value in metrics.items() if name != "loss" or probabilities is not None}

    def _label_index(self, row: int, record: Record) -> int:
        label = record.get("predicted", record.get("label"))
        if label not in self.data.labels:
            near = did_you_mean(str(label), self.data.labels)
            problem = _("the label {label!r} is unknown{near} (one of {known})")
            raise RecordError(row, problem.format(label=label, near=near, known=join(self.data.labels)))
        return self.data.labels.index(label)

    def _probabilities(self, records: Sequence[Record]) -> Array | None:
        if not all(set(record.get("probabilities", ())) == set(self.data.labels) for record in records):
            return None
        # In float32, as a model computes them, so that the loss of a run's own records is the run's.
        return np.array(
            [[record["probabilities"][label] for label in self.data.labels] for record in records], "float32"
        )


def expected_error(gold: Array, probabilities: Array) -> float:
    """Return the expected calibration error for labels <int64>[rows] and probabilities <float>[rows, labels]."""
    return compute_calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold).expected_error


def log_losses(gold: Array, probabilities: Array) -> Array:
    """Return the negative log-probability of each row's label <float>[rows]; finite, even if the probability is 0."""
    likelihoods = probabilities[np.arange(len(gold)), gold]
    return np.asarray(-np.log(np.maximum(likelihoods, np.finfo(np.float32).tiny)))
