"""The best threshold, against scikit-learn's scores at all possible thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from paddle_tasks.metrics.threshold import best_threshold

ROWS = st.lists(st.tuples(st.booleans(), st.integers(1, 19)), min_size=1, max_size=12)
SCORES = {"accuracy": accuracy_score, "f1": lambda gold, predicted: f1_score(gold, predicted, zero_division=0.0)}


@pytest.mark.long
@given(rows=ROWS, metric=st.sampled_from(["accuracy", "f1"]))
def test_no_other_threshold_scores_better(rows, metric):
    gold = np.array([positive for positive, _ in rows])
    probs = np.array([prob / 20 for _, prob in rows], dtype=np.float32)
    threshold = best_threshold(gold, probs, metric)
    score = SCORES[metric](gold, probs >= threshold)
    others = np.linspace(0, 1, 81) + 1e-4
    scores = np.array([SCORES[metric](gold, probs >= other) for other in others])
    assert score == pytest.approx(scores.max())
    if SCORES[metric](gold, probs >= 0.5) == pytest.approx(score):
        assert threshold == 0.5


def test_by_hand():
    gold = np.array([False, False, True, False, True, True])
    probs = np.array([0.1, 0.2, 0.3, 0.4, 0.7, 0.9], dtype=np.float32)
    assert best_threshold(gold, probs, "accuracy") == 0.5
    assert best_threshold(gold, probs, "f1") == pytest.approx(0.25)
    assert best_threshold(~gold, probs, "f1") == pytest.approx(0.05), "everything is positive"
    assert best_threshold(gold & False, probs, "accuracy") == pytest.approx(0.95), "nothing is"


def test_missed_rows_count_at_every_threshold():
    gold, probs = np.array([True, False, False, False, True]), np.array([0.9, 0.8, 0.75, 0.7, 0.6])
    assert best_threshold(gold, probs, "f1") == pytest.approx(0.85), "2 / 3, and 4 / 7 for all"
    assert best_threshold(gold, probs, "f1", n_missed=5) == 0.5, "2 / 8, and 4 / 12 for all"
    assert best_threshold(gold, probs, "accuracy", n_missed=5) == pytest.approx(0.85)


def test_one_half_is_preferred_among_equals():
    gold = np.array([False, True])
    assert best_threshold(gold, np.array([0.45, 0.9]), "accuracy") == 0.5
    assert best_threshold(gold, np.array([0.1, 0.2]), "accuracy") == pytest.approx(0.15)
