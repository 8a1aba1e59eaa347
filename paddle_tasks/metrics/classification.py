"""Metrics of a classifier, computed from counts of rows by label and a sum of losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array


class ClassificationMetrics:
    """Accuracy, precision, recall, F1 and loss over any number of batches.

    With two labels, ``precision``, ``recall`` and ``f1`` are those of the second label, so the positive label must come
    last (as in ``0, 1`` and ``negative, positive``). With more labels they are macro averages. Macro averages, such as
    ``macro_f1``, are over the labels that are gold or predicted for some row; a label that is absent from both counts
    nowhere, as in scikit-learn.

    Attributes:
        labels: the names of the labels.
        hits: ``<int64>[labels]``, the number of rows whose gold label is predicted.
        gold_rows: ``<int64>[labels]``, the number of rows by gold label.
        predicted_rows: ``<int64>[labels]``, the number of rows by predicted label.
        loss_sum: the sum of the losses of all rows.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self.hits: Array = np.zeros(len(labels), dtype=np.int64)
        self.gold_rows: Array = np.zeros(len(labels), dtype=np.int64)
        self.predicted_rows: Array = np.zeros(len(labels), dtype=np.int64)
        self.loss_sum = 0.0

    def update(self, gold: Array, predicted: Array, losses: Array) -> None:
        """Add a batch: gold and predicted label indices ``<int64>[rows]`` and losses ``<float>[rows]``."""
        for counts, indices in (
            (self.hits, gold[gold == predicted]),
            (self.gold_rows, gold),
            (self.predicted_rows, predicted),
        ):
            np.add.at(counts, indices, 1)
        self.loss_sum += float(losses.sum(dtype=np.float64))

    def result(self) -> dict[str, Any]:
        """Return the metrics, with those of each label under ``per_label``; empty if there were no rows."""
        n_rows = int(self.gold_rows.sum())
        if not n_rows:
            return {}
        precision = _ratio(self.hits, self.predicted_rows)
        recall = _ratio(self.hits, self.gold_rows)
        f1 = _ratio(2 * self.hits, self._occurrences())
        return {
            "accuracy": float(self.hits.sum() / n_rows),
            "macro_f1": self._macro(f1),
            "precision": self._headline(precision),
            "recall": self._headline(recall),
            "f1": self._headline(f1),
            "loss": self.loss_sum / n_rows,
            "per_label": {
                label: {
                    "precision": float(precision[index]),
                    "recall": float(recall[index]),
                    "f1": float(f1[index]),
                    "rows": int(self.gold_rows[index]),
                }
                for index, label in enumerate(self.labels)
            },
        }

    def _occurrences(self) -> Array:
        """Return <int64>[labels]: for how many rows each label is gold, plus for how many it is predicted."""
        occurrences: Array = self.predicted_rows + self.gold_rows
        return occurrences

    def _headline(self, scores: Array) -> float:
        return float(scores[1]) if len(self.labels) == 2 else self._macro(scores)

    def _macro(self, scores: Array) -> float:
        return float(scores[self._occurrences() > 0].mean())


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros(len(part), dtype=np.float64), where=whole > 0)
