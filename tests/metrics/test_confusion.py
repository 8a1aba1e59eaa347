"""Confusion matrices against scikit-learn, and of more labels than a matrix can show."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import confusion_matrix

from paddle_tasks.metrics.confusion import MAX_LABELS, count_confusions


def drawn(n_labels: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(n_labels, size=n_rows), generator.integers(n_labels, size=n_rows)


def test_it_equals_that_of_scikit_learn():
    gold, predicted = drawn(7, 200)
    counts, shown = count_confusions(gold, predicted, 9)
    np.testing.assert_array_equal(counts, confusion_matrix(gold, predicted, labels=range(9)))
    np.testing.assert_array_equal(shown, np.arange(9))


def test_of_many_labels_the_most_frequent_are_counted():
    gold, predicted = drawn(10_000, 3000)
    gold[:400], predicted[:100] = 9_999, 9_999
    counts, shown = count_confusions(gold, predicted, 10_000)
    assert counts.shape == (MAX_LABELS, MAX_LABELS)
    assert shown[-1] == 9_999
    assert counts[-1, -1] == (predicted[gold == 9_999] == 9_999).sum() >= 100
    kept = np.isin(gold, shown) & np.isin(predicted, shown)
    np.testing.assert_array_equal(counts, confusion_matrix(gold[kept], predicted[kept], labels=shown))
    assert np.bincount(gold, minlength=10_000)[shown].sum() == np.sort(np.bincount(gold))[-MAX_LABELS:].sum()
