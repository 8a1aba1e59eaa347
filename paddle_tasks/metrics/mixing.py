"""The weight of a second classifier, whose log-odds are added to those of a first one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.metrics.calibration import mix_log_odds, scale, to_logits
from paddle_tasks.metrics.temperature import fit_temperature

WEIGHTS: tuple[float, ...] = tuple(step / 10 for step in range(31))
"""The weights that are tried, 0 first."""

Score = Callable[[Array], float]
"""Returns how good probabilities <float>[rows, labels] are; higher is better."""


def choose_weight(gold: Array, probabilities: Array, others: Array, score: Score) -> float:
    """Return the weight with the best score on dev.

    Of weights with equal scores it is the one whose probabilities have the lowest loss once they are calibrated, and of
    those the lowest one. With 0 the first classifier decides alone, so the score cannot become worse than its own.

    Args:
        gold: <int64>[rows], the index of each row's label.
        probabilities: those of the first classifier <float>[rows, labels].
        others: the log-probabilities of the second one <float>[rows, labels].
        score: scores the mixture.
    """
    mixtures = {weight: mix_log_odds(probabilities, others, weight) for weight in WEIGHTS}
    scores = {weight: score(mixture) for weight, mixture in mixtures.items()}
    best = [weight for weight in WEIGHTS if scores[weight] == max(scores.values())]
    return min(best, key=lambda weight: _calibrated_loss(gold, mixtures[weight]), default=0.0)  # scores may be NaN


def _calibrated_loss(gold: Array, probabilities: Array) -> float:
    calibrated = scale(probabilities, fit_temperature(gold, probabilities))
    return -float(to_logits(calibrated)[np.arange(len(gold)), gold].mean())
