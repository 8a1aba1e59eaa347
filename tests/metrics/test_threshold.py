"""The threshold that scores best, against scikit-learn's scores at every threshold there can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from paddle_tasks.metrics.threshold import best_threshold

ROWS = st.lists(st.tuples(st.booleans(), st.integers(1, 19)), min_size=1, max_size=12)
SCORES = {"accuracy": accuracy_score, "f1": lambda gold, found: f1_score(gold, found, zero_division=0.0)}


@given(rows=ROWS, aim=st.sampled_from(["accuracy", "f1"]))
def test_no_other_threshold_scores_better(rows, aim):
    gold = np.array([positive for positive, _ in rows])
    chances = np.array([chance / 20 for _, chance in rows], dtype=np.float32)
    found = best_threshold(gold, chances, aim)
    score = SCORES[aim](gold, chances >= found)
    others = np.linspace(0, 1, 81) + 1e-4
    scores = np.array([SCORES[aim](gold, chances >= other) for other in others])
    assert score == pytest.approx(scores.max())
    if SCORES[aim](gold, chances >= 0.5) == pytest.approx(score):
        assert found == 0.5


def test_by_hand():
    gold = np.array([False, False, True, False, True, True])
    chances = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.9], dtype=np.float32)
    assert best_threshold(gold, chances, "accuracy") == 0.5
    assert best_threshold(gold, chances, "f1") == pytest.approx(0.25)
    assert best_threshold(~gold, chances, "f1") == pytest.approx(0.05), "everything is positive"
    assert best_threshold(gold & False, chances, "accuracy") == pytest.approx(0.95), "nothing is"


def test_positive_rows_that_no_threshold_finds_are_missed_by_all():
    gold, chances = np.array([True, False, False, False, True]), np.array([0.9, 0.8, 0.75, 0.7, 0.6])
    assert best_threshold(gold, chances, "f1") == pytest.approx(0.85), "2 / 3, and 4 / 7 for all"
    assert best_threshold(gold, chances, "f1", n_missed=5) == 0.5, "2 / 8, and 4 / 12 for all"
    assert best_threshold(gold, chances, "accuracy", n_missed=5) == pytest.approx(0.85)


def test_what_is_right_at_one_half_stays_there():
    gold = np.array([False, True])
    assert best_threshold(gold, np.array([0.45, 0.9]), "accuracy") == 0.5
    assert best_threshold(gold, np.array([0.1, 0.2]), "accuracy") == pytest.approx(0.15)
