"""Mixing two classifiers by log-odds: by hand, and the weight with the best score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.metrics.calibration import mix_log_odds
from paddle_tasks.metrics.mixing import WEIGHTS, choose_weight

GOLD = np.array([0, 1, 1, 0])
NETWORK = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.4, 0.6]])
"""Right in the first two rows."""
OTHERS = np.log([[0.6, 0.4], [0.4, 0.6], [0.2, 0.8], [0.8, 0.2]])
"""Right in all rows."""


def accuracy(probabilities) -> float:
    return float((probabilities.argmax(axis=1) == GOLD).mean())


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.1, 3))
def test_log_odds_are_added(first, second, weight):
    mixed = mix_log_odds(np.array([[1 - first, first]]), np.log([[1 - second, second]]), weight)
    odds = np.log(first / (1 - first)) + weight * np.log(second / (1 - second))
    assert mixed[0, 1] == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-5)
    assert mixed.sum() == pytest.approx(1, abs=1e-6)


def test_the_weight_0_leaves_the_probabilities_as_they_are():
    assert mix_log_odds(NETWORK, OTHERS, 0.0) is NETWORK


def test_the_weight_with_the_best_score_is_chosen():
    weight = choose_weight(GOLD, NETWORK, OTHERS, accuracy)
    assert accuracy(NETWORK) == 0.5
    assert accuracy(mix_log_odds(NETWORK, OTHERS, weight)) == 1
    best = {weight: accuracy(mix_log_odds(NETWORK, OTHERS, weight)) for weight in WEIGHTS}
    assert best[weight] == max(best.values())


def test_misleading_others_get_the_weight_0():
    assert choose_weight(GOLD, np.exp(OTHERS), np.log(NETWORK[:, ::-1]), accuracy) == 0


def test_equal_scores_are_decided_by_the_loss_after_calibration():
    first, second = (choose_weight(GOLD, np.exp(part), OTHERS, lambda _: 0.0) for part in (0 * OTHERS, OTHERS))
    assert (first, second) == (0.0, 0.0) or first > 0
    network = np.full((4, 2), 0.5)  # says nothing, so any weight above 0 is as good once it is calibrated
    assert choose_weight(GOLD, network, OTHERS, accuracy) > 0


def test_scores_that_are_no_numbers_leave_the_network_alone():
    assert choose_weight(GOLD, NETWORK, OTHERS, lambda _: float("nan")) == 0
