"""The paired bootstrap finds differences that are there, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.metrics.bootstrap import paired_bootstrap, pooled_f1


def rows(is_right) -> np.ndarray:
    """Return the scores of rows with one label each."""
    right = np.asarray(is_right, dtype=float)
    return np.stack([right, np.ones_like(right), np.ones_like(right)], axis=1)


def test_f1_of_one_label_a_row_is_the_accuracy():
    assert pooled_f1(rows([1, 0, 1, 1])) == 0.75
    assert pooled_f1(np.array([[2.0, 3.0, 5.0], [1.0, 1.0, 1.0]])) == pytest.approx(6 / 10)
    assert pooled_f1(np.zeros((2, 3))) == 0.0


def test_the_interval_is_that_of_the_normal_approximation():
    generator = np.random.default_rng(1)
    first, second = generator.random(2000) < 0.8, generator.random(2000) < 0.7
    low, high = paired_bootstrap(rows(first), rows(second))
    difference = first.astype(float) - second
    mean, half = difference.mean(), 1.96 * difference.std() / np.sqrt(2000)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.004)
    assert low > 0


def test_equal_systems_do_not_differ_and_the_order_gives_the_sign():
    scores = rows([1, 0] * 50)
    assert paired_bootstrap(scores, scores) == (0.0, 0.0)
    worse = rows([0, 0] * 50)
    low, high = paired_bootstrap(scores, worse)
    other_low, other_high = paired_bootstrap(worse, scores)
    assert (low, high) == pytest.approx((-other_high, -other_low))
    assert low > 0.3


def test_a_small_difference_on_few_rows_may_be_chance():
    low, high = paired_bootstrap(rows([1] * 16 + [0] * 4), rows([1] * 15 + [0] * 4 + [1]))
    assert low < 0 < high or low == 0


def test_the_rows_must_be_the_same():
    with pytest.raises(ValueError, match="3 and 2"):
        paired_bootstrap(rows([1, 1, 1]), rows([1, 1]))
    with pytest.raises(ValueError, match="0 and 0"):
        paired_bootstrap(np.zeros((0, 3)), np.zeros((0, 3)))
