"""How well a linear classifier reads labels off vectors."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from paddle_tasks.arrays import Array

_INVERSE_PENALTY = 0.1


def linear_probe_accuracy(train: Array, train_labels: Sequence[str], dev: Array, dev_labels: Sequence[str]) -> float:
    """Return the accuracy on dev of a logistic regression that is fitted on standardised train vectors.

    Args:
        train: <float>[train rows, size].
        train_labels: the label of each.
        dev: <float>[dev rows, size].
        dev_labels: the label of each.
    """
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000))
    return float(classifier.fit(train, train_labels).score(dev, dev_labels))
