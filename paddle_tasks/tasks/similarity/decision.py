"""The threshold from which on a pair is similar; it may be learnt from dev."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.metrics.threshold import ThresholdMetric, best_threshold
from paddle_tasks.tasks.classification.decision import CountMetrics

_HALF = 0.5


class Threshold:
    """Chooses the second label where its probability is at least ``value``.

    Args:
        setting: the value itself, or the metric for which the value is chosen on dev.

    Attributes:
        value: the threshold.
    """

    def __init__(self, setting: ThresholdMetric | float = "accuracy") -> None:
        self.value = _HALF if isinstance(setting, str) else setting
        self._aim: ThresholdMetric | None = setting if isinstance(setting, str) else None
        self._learns = False

    def start_learning(self) -> None:
        """Choose the value on dev from now on, unless it is set."""
        self._learns = True

    def learn(self, split: SplitName, gold: Array, probabilities: Array) -> None:
        """Choose the value that scores best on dev."""
        if self._learns and self._aim and split == "dev":
            self.value = best_threshold(gold == 1, probabilities[:, 1], self._aim)

    def choose(self, probabilities: Array) -> Array:
        """Return 1 where the second label has at least the threshold's probability: <int64>[rows]."""
        return _at_least(probabilities, self.value)

    def margins(self, probabilities: Array) -> Array:
        """Return twice the distance from the threshold, which at 0.5 is that between both labels; at most 1."""
        return np.asarray(np.minimum(1.0, 2 * np.abs(probabilities[:, 1].astype(np.float64) - self.value)))

    def metrics(self, probabilities: Array, count: CountMetrics) -> dict[str, Any]:
        """Return the metrics at the threshold, the threshold, and the metrics at 0.5, which was not chosen on dev."""
        half = count(_at_least(probabilities, _HALF))
        at_half = {f"{name}_at_half": half[name] for name in ("accuracy", "f1")}
        return {**count(self.choose(probabilities)), "threshold": self.value, **at_half}

    def settings(self) -> dict[str, Any]:
        """Return the threshold."""
        return {"threshold": self.value}

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore the threshold."""
        self.value = float(settings["threshold"])


def _at_least(probabilities: Array, threshold: float) -> Array:
    # In float64: a threshold between two probabilities, rounded to float32, may equal one of them.
    return (probabilities[:, 1].astype(np.float64) >= threshold).astype(np.int64)
