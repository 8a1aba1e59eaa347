"""The confusion matrix of classifications, of a size that memory and pictures can hold."""

from __future__ import annotations

import numpy as np

from paddle_tasks.arrays import Array

MAX_LABELS = 500
"""Rows of a matrix; ten thousand labels would give a hundred million cells."""


def count_confusions(gold: Array, predicted: Array, n_labels: int) -> tuple[Array, Array]:
    """Count rows by gold and predicted label; of more than `MAX_LABELS` labels, only the most frequent gold ones.

    Args:
        gold: label indices <int64>[rows].
        predicted: <int64>[rows].
        n_labels: the number of labels.

    Returns:
        The counts <int64>[shown, shown], and the indices of the labels that are shown <int64>[shown], in their order.
    """
    shown = np.arange(n_labels)
    if n_labels > MAX_LABELS:
        frequencies = np.bincount(gold, minlength=n_labels)
        shown = np.sort(np.argsort(-frequencies, kind="stable")[:MAX_LABELS])
    places = np.full(n_labels, -1)
    places[shown] = np.arange(len(shown))
    kept = (places[gold] >= 0) & (places[predicted] >= 0)
    counts = np.zeros((len(shown), len(shown)), dtype=np.int64)
    np.add.at(counts, (places[gold[kept]], places[predicted[kept]]), 1)
    return counts, shown
