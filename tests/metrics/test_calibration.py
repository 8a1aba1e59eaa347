"""Calibration bins and the expected calibration error, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.metrics.calibration import compute_calibration


def test_bins_include_their_upper_edge():
    bins = compute_calibration(np.array([0.0, 0.1, 0.10001, 1.0]), np.array([True, False, True, True]))
    assert bins.rows.tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    assert bins.accuracy[[0, 1, 9]].tolist() == [0.5, 1, 1]
    assert np.isnan(bins.accuracy[2])


def test_the_error_by_hand():
    bins = compute_calibration(np.array([0.62, 0.68, 0.9, 0.99]), np.array([True, False, True, True]))
    assert bins.expected_error == pytest.approx((2 * 0.15 + 0.1 + 0.01) / 4)
    assert compute_calibration(np.array([]), np.array([])).expected_error == 0
