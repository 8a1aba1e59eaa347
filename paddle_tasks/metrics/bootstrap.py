"""The uncertainty of the difference between two systems that are scored on the same rows."""

from __future__ import annotations

import numpy as np

from paddle_tasks.arrays import Array

N_SAMPLES = 1000
_MAX_DRAWS = 20_000_000
"""Rows that are drawn at most; with more than 20,000 rows there are fewer samples."""
_MIN_SAMPLES = 200


def paired_bootstrap(first: Array, second: Array, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the F1 of the first system less that of the second one.

    The rows are drawn with replacement, the same for both systems. F1 is that of the sums over the rows; if each row
    predicts and expects one item, it is the accuracy.

    Source: Koehn, Statistical Significance Tests for Machine Translation Evaluation, EMNLP 2004.

    Args:
        first: the right, predicted and expected items of each row <float>[rows, 3].
        second: the same of the other system, for the same rows.
        seed: chooses the samples.

    Raises:
        ValueError: the numbers of rows differ, or there are none.
    """
    if first.shape != second.shape or not len(first):
        raise ValueError(f"expected the same rows of both systems, found {len(first)} and {len(second)}")
    generator, n_rows = np.random.default_rng(seed), len(first)
    n_samples = max(_MIN_SAMPLES, min(N_SAMPLES, _MAX_DRAWS // n_rows))
    differences = np.empty(n_samples)
    for sample in range(n_samples):
        rows = generator.integers(n_rows, size=n_rows)
        differences[sample] = pooled_f1(first[rows]) - pooled_f1(second[rows])
    low, high = np.percentile(differences, [2.5, 97.5])
    return float(low), float(high)


def pooled_f1(scores: Array) -> float:
    """Return the F1 of right, predicted and expected items <float>[rows, 3], summed over the rows."""
    right, predicted, expected = scores.sum(axis=0)
    return float(2 * right / ((predicted + expected) or 1.0))
