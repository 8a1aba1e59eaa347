"""The probability from which a label is predicted, chosen where it scores best."""

from __future__ import annotations

from typing import Literal

import numpy as np

from paddle_tasks.arrays import Array

Aim = Literal["accuracy", "f1"]


def best_threshold(is_positive: Array, probabilities: Array, aim: Aim, n_missed: int = 0) -> float:
    """Return the threshold with the best score: a row is positive when its probability is that or more.

    It lies in the middle between two probabilities; of equally good ones it is the one nearest to 0.5.

    Args:
        is_positive: <bool>[rows], at least one row.
        probabilities: <float>[rows], of the positive label.
        aim: the score, ``f1`` that of the positive label.
        n_missed: further positive rows, which no threshold finds.
    """
    ordered = np.unique(probabilities.astype(np.float64))
    # Below the lowest everything is positive, above the highest nothing.
    edges = np.concatenate([[0.0], ordered, [1.0]])
    thresholds = np.append((edges[:-1] + edges[1:]) / 2, 0.5)
    scores = _scores(is_positive, probabilities, thresholds, aim, n_missed)
    best = thresholds[scores == scores.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _scores(is_positive: Array, probabilities: Array, thresholds: Array, aim: Aim, n_missed: int) -> Array:
    """Return the score <float64>[thresholds] of each threshold."""
    n_positive, n_negative = is_positive.sum(), (~is_positive).sum()
    # Rows below each threshold, from the sorted probabilities of each side.
    missed = np.searchsorted(np.sort(probabilities[is_positive]), thresholds)
    refused = np.searchsorted(np.sort(probabilities[~is_positive]), thresholds)
    hits, false_alarms = n_positive - missed, n_negative - refused
    if aim == "accuracy":
        return np.asarray((hits + refused) / (len(is_positive) + n_missed))
    return np.asarray(2 * hits / np.maximum(1, n_positive + n_missed + hits + false_alarms))
