"""The temperature that makes a classifier's probabilities as sure as they are right."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from paddle_tasks.arrays import Array
from paddle_tasks.metrics.calibration import to_logits

_LIMITS = (0.1, 10.0)


def fit_temperature(gold: Array, probabilities: Array) -> float:
    """Return the temperature with the lowest loss of dev, at least 0.1 and at most 10.

    The squared logarithm of the temperature is added to the summed loss. It counts as little as one row, and keeps a
    small dev split that is right throughout from making every answer certain.

    Args:
        gold: <int64>[rows], the index of each row's label.
        probabilities: <float>[rows, labels].
    """
    logits = to_logits(probabilities)
    rows = np.arange(len(gold))

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        highest = scaled.max(axis=1)
        totals = highest + np.log(np.exp(scaled - highest[:, None]).sum(axis=1))
        return float((totals - scaled[rows, gold]).sum() + logarithm**2)

    found = minimize_scalar(loss, bounds=tuple(np.log(_LIMITS)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
