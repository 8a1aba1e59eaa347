"""Scores of a classifier, from a confusion matrix and a sum of losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array


class ClassificationMetrics:
    """Accuracy, precision, recall, F1 and loss over any number of batches.

    ``precision``, ``recall`` and ``f1`` are those of the second label when there are two (sort them so that the
    positive one comes last, as ``0, 1`` and ``negative, positive`` do), and macro averages otherwise. ``macro_f1``
    averages over every label; a label that is neither gold nor predicted counts as 0, as in scikit-learn.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.confusion: Array = np.zeros((len(labels), len(labels)), dtype=np.int64)
        self.loss_sum = 0.0

    def update(self, gold: Array, predicted: Array, losses: Array) -> None:
        """Count a batch: gold and predicted label indices <int64>[rows], losses <float>[rows]."""
        np.add.at(self.confusion, (gold, predicted), 1)
        self.loss_sum += float(losses.sum(dtype=np.float64))

    def result(self) -> dict[str, Any]:
        """Return the scores, those of each label under ``per_label``; empty when nothing was counted."""
        n_rows = int(self.confusion.sum())
        if not n_rows:
            return {}
        hits = np.diag(self.confusion)
        precision = _ratio(hits, self.confusion.sum(axis=0))
        recall = _ratio(hits, self.confusion.sum(axis=1))
        f1 = _ratio(2 * hits, self.confusion.sum(axis=0) + self.confusion.sum(axis=1))
        return {
            "accuracy": float(hits.sum() / n_rows),
            "macro_f1": float(f1.mean()),
            "precision": self._headline(precision),
            "recall": self._headline(recall),
            "f1": self._headline(f1),
            "loss": self.loss_sum / n_rows,
            "per_label": {
                label: {
                    "precision": float(precision[index]),
                    "recall": float(recall[index]),
                    "f1": float(f1[index]),
                    "rows": int(self.confusion[index].sum()),
                }
                for index, label in enumerate(self.labels)
            },
        }

    def _headline(self, scores: Array) -> float:
        return float(scores[1] if len(self.labels) == 2 else scores.mean())


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part), dtype=np.float64), where=whole > 0)
