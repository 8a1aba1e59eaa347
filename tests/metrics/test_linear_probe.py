"""A linear probe reads what is linear, and nothing else."""

from __future__ import annotations

import numpy as np

from paddle_tasks.metrics.linear_probe import linear_probe_accuracy


def accuracy(rule) -> float:
    vectors = np.random.default_rng(1).standard_normal((600, 4))
    labels = ["yes" if value else "no" for value in rule(vectors)]
    return linear_probe_accuracy(vectors[:400], labels[:400], vectors[400:], labels[400:])


def test_a_plane_is_read_but_not_the_sign_of_a_product():
    assert accuracy(lambda vectors: vectors[:, 0] + vectors[:, 1] > 0) > 0.95
    assert accuracy(lambda vectors: vectors[:, 0] * vectors[:, 1] > 0) < 0.65
