"""How well a classifier's confidence says how often it is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array

N_BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Rows in bins of equal width by their confidence, those of a bin's upper edge within it.

    Attributes:
        rows: <int64>[bins].
        confidence: its mean <float64>[bins]; not a number in an empty bin.
        accuracy: the share of right rows <float64>[bins]; not a number in an empty bin.
    """

    rows: Array
    confidence: Array
    accuracy: Array

    @property
    def expected_error(self) -> float:
        """The mean over the rows of how far their bin's confidence and accuracy are apart; 0 without rows.

        ECE, equation 3 of Guo et al., On Calibration of Modern Neural Networks (ICML 2017, arXiv:1706.04599).
        """
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.rows * gaps).sum() / max(1, self.rows.sum()))


def calibration(confidence: Array, is_right: Array, n_bins: int = N_BINS) -> Calibration:
    """Return the bins of rows.

    Args:
        confidence: <float>[rows], the probability of the label that was predicted.
        is_right: <bool>[rows], whether it is the gold one.
        n_bins: how many equal parts of 0 to 1.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    places = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    rows = np.bincount(places, minlength=n_bins)
    sums = [np.bincount(places, weights=values, minlength=n_bins) for values in (confidence, np.asarray(is_right))]
    means = [np.divide(total, rows, out=np.full(n_bins, np.nan), where=rows > 0) for total in sums]
    return Calibration(rows, *means)
