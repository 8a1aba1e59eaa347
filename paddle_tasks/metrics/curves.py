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
