"""Choice of the decision threshold with the best score."""

from __future__ import annotations

from typing import Literal

import numpy as np

from paddle_tasks.arrays import Array

ThresholdMetric = Literal["accuracy", "f1"]


def best_threshold(is_positive: Array, probabilities: Array, metric: ThresholdMetric, n_missed: int = 0) -> float:
    """Return the threshold with the best score; a row is predicted positive if its probability is at least that.

    The candidates are the midpoints between neighbouring probabilities, and 0.5. Of equally good ones, the one nearest
    to 0.5 is returned.

    Args:
        is_positive: ``<bool>[rows]``, at least one row.
        probabilities: ``<float>[rows]``, of the positive label.
        metric: the score to maximise: the accuracy, or the F1 of the positive label.
        n_missed: the number of further positive rows, which count as missed at any threshold.
    """
    ordered = np.unique(probabilities.astype(np.float64))
    # Below the lowest probability every row is positive, above the highest none.
    edges = np.concatenate([[0.0], ordered, [1.0]])
    thresholds = np.append((edges[:-1] + edges[1:]) / 2, 0.5)
    scores = _scores(is_positive, probabilities, thresholds, metric, n_missed)
    best = thresholds[scores == scores.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _scores(
    is_positive: Array, probabilities: Array, thresholds: Array, metric: ThresholdMetric, n_missed: int
) -> Array:
    """Return the score of each threshold, ``<float64>[thresholds]``."""
    n_positive, n_negative = is_positive.sum(), (~is_positive).sum()
    # The numbers of positive and negative rows below each threshold.
    missed = np.searchsorted(np.sort(probabilities[is_positive]), thresholds)
    rejected = np.searchsorted(np.sort(probabilities[~is_positive]), thresholds)
    hits, false_alarms = n_positive - missed, n_negative - rejected
    if metric == "accuracy":
        return np.asarray((hits + rejected) / (len(is_positive) + n_missed))
    return np.asarray(2 * hits / np.maximum(1, n_positive + n_missed + hits + false_alarms))
