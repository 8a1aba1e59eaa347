"""Calibration: one number, fitted on dev, that makes a classifier's probabilities as sure as they are right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.metrics.calibration import scale

KEY = "temperature"
UNSURE_BELOW = 0.2
"""An answer is unsure if its margin is below this; with two labels, if its probability is below 0.6."""


class Temperature:
    """Divides the logits of a classifier by a temperature, which is fitted on dev.

    Labels stay as they are; a temperature above 1 makes all answers less sure. While a run trains, its scores are those
    of the network, whose losses show overfitting; its best model is calibrated before its last scores.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, arXiv:1706.04599, section 4.2.

    Args:
        is_fitted: whether to fit a temperature at all.

    Attributes:
        value: the temperature, 1 until it is fitted or restored.
        is_known: whether it is fitted or restored.
    """

    def __init__(self, is_fitted: bool = True) -> None:
        self.value, self.is_known = 1.0, False
        self._is_fitted, self._learns = is_fitted, False

    def start_learning(self) -> None:
        """Fit the value on dev from now on."""
        self._learns = self._is_fitted

    def learn(self, split: SplitName, gold: Array, probabilities: Array) -> None:
        """Fit the value on dev.

        Args:
            split: the name of the split.
            gold: <int64>[rows], the index of each row's label.
            probabilities: <float>[rows, labels], those of the network.
        """
        if self._learns and split == "dev":
            from paddle_tasks.metrics.temperature import fit_temperature  # scipy.optimize is slow to import

            self.value, self.is_known = fit_temperature(gold, probabilities), True

    def apply(self, probabilities: Array) -> Array:
        """Return calibrated probabilities <float32>[rows, labels] for those of the network <float>[rows, labels]."""
        return scale(probabilities, self.value) if self.is_known else probabilities

    def settings(self) -> dict[str, Any]:
        """Return what a model folder keeps; nothing without a fitted value."""
        return {KEY: self.value, "calibrated": True} if self.is_known else {}

    @classmethod
    def restored(cls, settings: Mapping[str, Any]) -> Temperature:
        """Return the temperature of a model folder."""
        temperature = cls()
        temperature.restore(settings)
        return temperature

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned; models of older versions are not calibrated."""
        self.is_known = KEY in settings
        self.value = float(settings.get(KEY, 1.0))
