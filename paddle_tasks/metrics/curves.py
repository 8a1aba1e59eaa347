"""What curves and histograms are drawn from: counts over thresholds and over bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array

N_THRESHOLDS = 127  # as many as VisualDL draws
N_BINS = 30


@dataclass(frozen=True)
class ThresholdCounts:
    """How many rows are taken for positive, and how many rightly, from each threshold on; <int64>[thresholds] each."""

    true_positives: Array
    false_positives: Array
    true_negatives: Array
    false_negatives: Array

    @property
    def precision(self) -> Array:
        """The share of the rows taken for positive that are; 1 where no row is taken, as in scikit-learn."""
        return _share(self.true_positives, self.true_positives + self.false_positives, otherwise=1.0)

    @property
    def recall(self) -> Array:
        """The share of the positive rows that are taken for it: the true positive rate; 0 without such rows."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_positive_rate(self) -> Array:
        """The share of the negative rows that are taken for positive; 0 without such rows."""
        return _share(self.false_positives, self.false_positives + self.true_negatives)


def thresholds(n_thresholds: int = N_THRESHOLDS) -> Array:
    """Return <float64>[n_thresholds] from 0 to 1 at equal distances."""
    return np.arange(n_thresholds) / (n_thresholds - 1)


def threshold_counts(is_positive: Array, scores: Array, n_thresholds: int = N_THRESHOLDS) -> ThresholdCounts:
    """Count what is right when rows are taken for positive whose score reaches a threshold.

    Args:
        is_positive: <bool>[rows].
        scores: <float>[rows] from 0 to 1, or less for what no threshold reaches; rows with NaN are left out.
        n_thresholds: those of `thresholds`.
    """
    is_known = ~np.isnan(scores)
    truth, known = np.asarray(is_positive, dtype=bool)[is_known], np.asarray(scores, dtype=np.float64)[is_known]
    limits = thresholds(n_thresholds)
    hits, alarms = (len(part) - np.searchsorted(np.sort(part), limits) for part in (known[truth], known[~truth]))
    return ThresholdCounts(hits, alarms, int((~truth).sum()) - alarms, int(truth.sum()) - hits)


def histogram(values: Array, n_bins: int = N_BINS) -> tuple[Array, Array] | None:
    """Return the counts <int64>[n_bins] of the finite values and the edges <float64>[n_bins + 1]; None without any."""
    finite = np.asarray(values, dtype=np.float64).ravel()
    finite = finite[np.isfinite(finite)]
    if not len(finite) or finite.max() / 2 - finite.min() / 2 > np.finfo(np.float64).max / 2:
        return None
    counts, edges = np.histogram(finite, bins=n_bins)
    return counts, edges


def _share(part: Array, whole: Array, *, otherwise: float = 0.0) -> Array:
    return np.divide(part, whole, out=np.full(len(part), otherwise), where=whole > 0)
