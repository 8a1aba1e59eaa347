"""The linear interpolation of two language models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.generation.next_token import Logits, NextTokenModel, log_softmax

_TOLERANCE, _MAX_STEPS = 1e-6, 1000


@dataclass(frozen=True)
class Mixture:
    """A model whose probabilities are a weighted mean of those of two models; a `NextTokenModel`.

    Attributes:
        first: a model.
        second: another one with the same vocabulary.
        weight: the weight of the first model, above 0 and below 1.
    """

    first: NextTokenModel
    second: NextTokenModel
    weight: float

    def __post_init__(self) -> None:
        """Check the weight.

        Raises:
            ValueError: it is out of range.
        """
        if not 0 < self.weight < 1:
            raise ValueError(f"weight: expected a number above 0 and below 1, found {self.weight}")

    def start(self, prompts: Sequence[Sequence[int]]) -> tuple[Any, Logits]:
        """Return both states after the prompts, and the log-probabilities of the next tokens."""
        return self._mix(self.first.start(prompts), self.second.start(prompts))

    def advance(self, state: Any, tokens: Sequence[int]) -> tuple[Any, Logits]:
        """Append one token to each row and return both states and the log-probabilities after it."""
        return self._mix(self.first.advance(state[0], tokens), self.second.advance(state[1], tokens))

    def select(self, state: Any, rows: Sequence[int]) -> Any:
        """Return both states of these rows."""
        return self.first.select(state[0], rows), self.second.select(state[1], rows)

    def _mix(self, first: tuple[Any, Logits], second: tuple[Any, Logits]) -> tuple[Any, Logits]:
        mixed = mix_log_probs(log_softmax(first[1]), log_softmax(second[1]), self.weight)
        return (first[0], second[0]), mixed.astype(np.float32, copy=False)


def mix_log_probs(first: Array, second: Array, weight: float) -> Array:
    """Return log(weight * exp(first) + (1 - weight) * exp(second)) without underflow."""
    mixed: Array = np.logaddexp(
        first + np.log(weight).astype(first.dtype), second + np.log1p(-weight).astype(first.dtype)
    )
    return mixed


def fit_weight(first: Array, second: Array) -> float:
    """Return the weight of the first model, above 0 and below 1, that makes the tokens of a text most probable.

    Computed by expectation maximisation from 0.5 on. The likelihood is concave in the weight, so there is one maximum.

    Args:
        first: <float64>[tokens], the log-probabilities of the tokens by the first model.
        second: <float64>[tokens], those by the second model.
    """
    weight = 0.5
    for _ in range(_MAX_STEPS):
        shares = np.exp(np.log(weight) + first - mix_log_probs(first, second, weight))
        new = min(max(float(shares.mean()), _TOLERANCE), 1 - _TOLERANCE)
        if abs(new - weight) < _TOLERANCE:
            return new
        weight = new
    return weight
