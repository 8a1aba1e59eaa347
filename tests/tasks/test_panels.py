"""Which labels and rows the panels of a split show."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.tasks.panels import LabelledPanels, choose_rows, most_frequent


def test_curves_are_those_of_the_ten_most_frequent_labels():
    gold = np.repeat(np.arange(14), [1, 9, 2, 8, 3, 7, 4, 6, 5, 5, 11, 12, 13, 0])
    assert most_frequent(gold) == [12, 11, 10, 1, 3, 5, 7, 8, 9, 6]
    panels = LabelledPanels(
        labels=[f"l{label}" for label in range(14)],
        names=["x"] * 14,
        gold=gold,
        predicted=gold,
        probabilities=np.eye(14)[gold],
        lengths=np.ones(len(gold), dtype=int),
    ).panels()
    assert list(panels.curves) == [f"l{label}" for label in most_frequent(gold)]
    curve = panels.curves["l12"]
    assert curve.is_positive.sum() == 13
    assert (curve.scores == curve.is_positive).all()


@pytest.mark.parametrize(("n_rows", "n_chosen"), [(1, 1), (7, 7), (100, 100), (101, 100), (10_000, 100)])
def test_rows_with_vectors_are_evenly_spread_over_a_split(n_rows, n_chosen):
    rows = choose_rows(n_rows)
    assert len(rows) == n_chosen
    assert rows[0] == 0
    assert rows[-1] == n_rows - 1
    assert (np.diff(rows) > 0).all()
