"""How a label is chosen from probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.tables.catalogue import SplitName

CountMetrics = Callable[[Array], dict[str, Any]]
"""Takes the index of each row's predicted label <int64>[rows] and returns the metrics."""


class Decision(Protocol):
    """Chooses labels, perhaps by something that is learnt from the dev split."""

    def start_learning(self) -> None:
        """Learn from dev from now on; the decision of a loaded model keeps what it has learnt."""

    def learn(self, split: SplitName, gold: Array, probabilities: Array) -> None:
        """Learn from a scored split, if it is the one to learn from.

        Args:
            split: the name of the split.
            gold: <int64>[rows], the index of each row's label.
            probabilities: <float>[rows, labels].
        """

    def choose(self, probabilities: Array) -> Array:
        """Return the index of each row's label <int64>[rows] for probabilities <float>[rows, labels]."""

    def margins(self, probabilities: Array) -> Array:
        """Return how far each row is from another label, <float>[rows] in [0, 1]."""

    def metrics(self, probabilities: Array, count: CountMetrics) -> dict[str, Any]:
        """Return the metrics of the labels that are chosen, and what the decision itself adds to them."""

    def settings(self) -> dict[str, Any]:
        """Return what was learnt, as a model folder keeps it."""

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned."""


class MostProbable:
    """Chooses the label with the highest probability."""

    def start_learning(self) -> None:
        """Do nothing."""

    def learn(self, split: SplitName, gold: Array, probabilities: Array) -> None:
        """Learn nothing."""

    def choose(self, probabilities: Array) -> Array:
        """Return the index of the most probable label, the first of equal ones."""
        labels: Array = probabilities.argmax(axis=1)
        return labels

    def margins(self, probabilities: Array) -> Array:
        """Return the distance between the two highest probabilities of each row; with one label, 1."""
        highest = np.sort(probabilities, axis=1)[:, ::-1]
        return np.asarray(highest[:, 0] - highest[:, 1:2].sum(axis=1))

    def metrics(self, probabilities: Array, count: CountMetrics) -> dict[str, Any]:
        """Return the metrics of the most probable labels."""
        return count(self.choose(probabilities))

    def settings(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def restore(self, settings: Mapping[str, Any]) -> None:
        """Restore nothing."""
