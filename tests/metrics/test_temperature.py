"""The temperature of probabilities: recovered where it is known, the best of a grid, and labels that stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from paddle_tasks.metrics.calibration import compute_calibration, scale
from paddle_tasks.metrics.temperature import fit_temperature


def rows_of(sharpness: float, n_rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from probabilities, and those probabilities with logits multiplied by ``sharpness``."""
    random = np.random.default_rng(3)
    true = scale(random.dirichlet((0.7, 0.7, 0.7), n_rows), 1.0)
    gold = (random.random(n_rows)[:, None] > true.cumsum(axis=1)[:, :-1]).sum(axis=1)
    return gold, scale(true, 1 / sharpness)


def test_a_known_answer():
    np.testing.assert_allclose(scale(np.array([[0.9, 0.1]]), 2), [[0.75, 0.25]], atol=1e-7)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(sharpness):
    gold, probabilities = rows_of(sharpness)
    assert fit_temperature(gold, probabilities) == pytest.approx(sharpness, rel=0.03)


def test_no_temperature_of_a_grid_has_a_lower_loss():
    gold, probabilities = rows_of(2.5, 500)
    losses = [log_loss(gold, scale(probabilities, value), labels=[0, 1, 2]) for value in np.geomspace(0.2, 9, 100)]
    found = fit_temperature(gold, probabilities)
    assert log_loss(gold, scale(probabilities, found), labels=[0, 1, 2]) < min(losses) + 1e-4


def test_the_expected_calibration_error_falls():
    gold, network = rows_of(3.0)

    def error(probabilities: np.ndarray) -> float:
        return compute_calibration(probabilities.max(axis=1), probabilities.argmax(axis=1) == gold).expected_error

    assert error(network) > 0.1
    assert error(scale(network, fit_temperature(gold, network))) < 0.02


def test_a_few_rows_that_are_all_right_do_not_make_the_model_certain():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]] * 5)
    assert 0.5 < fit_temperature(np.array([0, 1] * 5), probabilities) < 1


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5),
    st.floats(0.1, 10),
)
def test_labels_stay_as_they_are(rows, temperature):
    probabilities = np.array(rows, np.float32) + np.float32(1e-3)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scaled = scale(probabilities, temperature)
    np.testing.assert_allclose(scaled.sum(axis=1), 1, atol=1e-5)
    chosen = scaled[np.arange(len(rows)), probabilities.argmax(axis=1)]
    np.testing.assert_allclose(chosen, scaled.max(axis=1), atol=1e-6)


def test_a_probability_of_zero_is_finite():
    assert np.isfinite(scale(np.array([[0.0, 1.0]]), 3.0)).all()
    assert 0 < fit_temperature(np.array([0]), np.array([[0.0, 1.0]])) <= 10
