"""Counts by threshold and by bin, for drawing curves and histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array

N_THRESHOLDS = 127  # as many as VisualDL draws
N_BINS = 30


@dataclass(frozen=True)
class ThresholdCounts:
    """The confusion counts of a binary decision at each threshold, ``<int64>[thresholds]`` each."""

    true_positives: Array
    false_positives: Array
    true_negatives: Array
    false_negatives: Array

    @property
    def precision(self) -> Array:
        """The precision at each threshold; 1 if no row is predicted positive, as in scikit-learn."""
        return _divide(self.true_positives, self.true_positives + self.false_positives, otherwise=1.0)

    @property
    def recall(self) -> Array:
        """The recall (true positive rate) at each threshold; 0 without positive rows."""
        return _divide(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> Array:
        """The share of the negative rows predicted positive at each threshold; 0 without negative rows."""
        return _divide(self.false_positives, self.false_positives + self.true_negatives)


def thresholds(n_thresholds: int = N_THRESHOLDS) -> Array:
    """Return ``<float64>[n_thresholds]``, equally spaced from 0 to 1."""
    return np.arange(n_thresholds) / (n_thresholds - 1)


def threshold_counts(is_positive: Array, scores: Array, n_thresholds: int = N_THRESHOLDS) -> ThresholdCounts:
    """Count correct and wrong decisions if rows with at least the threshold's score are predicted positive.

    Args:
        is_positive: ``<bool>[rows]``.
        scores: ``<float>[rows]`` from 0 to 1; negative if the row is never predicted positive. Rows with NaN are
            ignored.
        n_thresholds: the number of `thresholds`.
    """
    is_known = ~np.isnan(scores)
    truth, known = np.asarray(is_positive, dtype=bool)[is_known], np.asarray(scores, dtype=np.float64)[is_known]
    limits = thresholds(n_thresholds)
    hits, false_alarms = (len(part) - np.searchsorted(np.sort(part), limits) for part in (known[truth], known[~truth]))
    return ThresholdCounts(hits, false_alarms, int((~truth).sum()) - false_alarms, int(truth.sum()) - hits)


def exact_counts(is_positive: Array, scores: Array) -> ThresholdCounts:
    """Count correct and wrong decisions at each distinct score as the threshold, the highest first.

    Args:
        is_positive: ``<bool>[rows]``.
        scores: ``<float>[rows]``; a row with a negative score is never predicted positive.
    """
    truth, scores = np.asarray(is_positive, dtype=bool), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-scores, kind="stable")
    order = order[: np.count_nonzero(scores >= 0)]
    ends = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # the last row of each distinct score
    hits = np.cumsum(truth[order])[ends]
    false_alarms = ends + 1 - hits
    n_positive = int(truth.sum())
    return ThresholdCounts(hits, false_alarms, len(truth) - n_positive - false_alarms, n_positive - hits)


def average_precision(counts: ThresholdCounts) -> float:
    """Return the mean of the precision at each threshold, weighted by the recall that it adds."""
    return float(np.sum(np.diff(counts.recall, prepend=0.0) * counts.precision))


def area_under_roc(counts: ThresholdCounts) -> float:
    """Return the area under the true positive rate over the false positive rate, linear between thresholds."""
    false_rate, true_rate = (np.concatenate([[0.0], rate]) for rate in (counts.false_positive_rate, counts.recall))
    return float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2))


def histogram(values: Array, n_bins: int = N_BINS) -> tuple[Array, Array] | None:
    """Return a histogram of the finite values; None if there are none, or if their range overflows a float64.

    Returns:
        The counts ``<int64>[n_bins]`` and the edges ``<float64>[n_bins + 1]``.
    """
    finite = np.asarray(values, dtype=np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    if not len(finite) or finite.max() / 2 - finite.min() / 2 > np.finfo(np.float64).max / 2:
        return None
    counts, edges = np.histogram(finite, bins=n_bins)
    return counts, edges


def _divide(part: Array, whole: Array, *, otherwise: float = 0.0) -> Array:
    return np.divide(part, whole, out=np.full(len(part), otherwise), where=whole > 0)
