"""Calibration: whether a classifier's confidence equals its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array

N_BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Rows grouped by confidence into bins of equal width; a bin includes its upper edge.

    Attributes:
        rows: ``<int64>[bins]``, the number of rows.
        confidence: ``<float64>[bins]``, the mean confidence; NaN in an empty bin.
        accuracy: ``<float64>[bins]``, the share of correct rows; NaN in an empty bin.
    """

    rows: Array
    confidence: Array
    accuracy: Array

    @property
    def expected_error(self) -> float:
        """The expected calibration error (ECE): the mean gap between confidence and accuracy of the rows' bins.

        0 without rows. Equation 3 of Guo et al., On Calibration of Modern Neural Networks (ICML 2017,
        arXiv:1706.04599).
        """
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.rows * gaps).sum() / max(1, self.rows.sum()))


def compute_calibration(confidence: Array, is_right: Array, n_bins: int = N_BINS) -> Calibration:
    """Group rows into bins by confidence.

    Args:
        confidence: ``<float>[rows]``, the probability of the predicted label.
        is_right: ``<bool>[rows]``, whether the predicted label is the gold label.
        n_bins: the number of bins between 0 and 1.
    """
    confidence = np.asarray(confidence, dtype=np.float64)
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    rows = np.bincount(bins, minlength=n_bins)
    sums = [np.bincount(bins, weights=values, minlength=n_bins) for values in (confidence, np.asarray(is_right))]
    means = [np.divide(total, rows, out=np.full(n_bins, np.nan), where=rows > 0) for total in sums]
    return Calibration(rows, *means)


def scale(probabilities: Array, temperature: float) -> Array:
    """Return probabilities <float32>[rows, labels] whose logits are divided by a temperature.

    At 2, ``[0.9, 0.1]`` becomes ``[0.75, 0.25]``: the square roots, normalised.
    """
    return _softmax(to_logits(probabilities) / temperature)


def mix_log_odds(probabilities: Array, others: Array, weight: float) -> Array:
    """Return the probabilities <float32>[rows, labels] whose log-odds are those of one classifier and of another.

    With the weight 0 they are those of the first one, unchanged. At 1, ``[0.75, 0.25]`` and ``[0.75, 0.25]`` become
    ``[0.9, 0.1]``: the products, normalised.

    Args:
        probabilities: those of the first classifier <float>[rows, labels].
        others: the log-probabilities of the second one <float>[rows, labels].
        weight: the factor of the log-odds of the second one.
    """
    return _softmax(to_logits(probabilities) + weight * others) if weight else probabilities


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def to_logits(probabilities: Array) -> Array:
    """Return the logarithms <float64>[rows, labels] of probabilities; finite, even if a probability is 0."""
    values = probabilities.astype(np.float64)
    return np.asarray(np.log(np.maximum(values, np.finfo(np.float32).tiny)))
