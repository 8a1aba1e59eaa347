"""Scores of a masked language model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from paddle_tasks.arrays import Array


class _Gathers(Protocol):
    def gather_objects(self, value: Any) -> list[Any]:
        """Return the value of every process."""


class MaskedLMMetrics:
    """Accuracy, loss and perplexity over hidden tokens; all tokens count alike, whatever batch they came in."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, Array, Array, Array]] = []

    def update(self, rows: Array, targets: Array, predicted: Array, losses: Array) -> None:
        """Take in tokens: each one's row, its id, the id that was predicted and its cross-entropy, [n] each."""
        self._parts.append((rows, targets, predicted, losses))

    def over(self, ranks: _Gathers) -> MaskedLMMetrics:
        """Return the scores over what all processes have taken in, in the order of the rows."""
        whole = MaskedLMMetrics()
        whole._parts = [part for parts in ranks.gather_objects(self._parts) for part in parts]
        return whole

    def result(self) -> dict[str, float]:
        """Return ``accuracy``, mean ``loss`` in nats and ``perplexity``; empty when no token was taken in."""
        _, targets, predicted, losses = self._joined()
        if not len(targets):
            return {}
        loss = float(losses.astype(np.float64).mean())
        return {"accuracy": float((targets == predicted).mean()), "loss": loss, "perplexity": math.exp(min(loss, 700))}

    def records(self, vocabulary: Sequence[str]) -> list[dict[str, Any]]:
        """Return for each row its number, its hidden tokens, what was named instead, and their mean loss."""
        rows, targets, predicted, losses = self._joined()
        numbers, counts = np.unique(rows, return_counts=True)
        parts = [np.split(values, np.cumsum(counts))[:-1] for values in (targets, predicted, losses)]
        return [
            {
                "row": int(row),
                "gold": [vocabulary[token] for token in gold],
                "predicted": [vocabulary[token] for token in named],
                "loss": float(loss.mean()),
            }
            for row, gold, named, loss in zip(numbers, *parts, strict=True)
        ]

    def _joined(self) -> tuple[Array, ...]:
        parts = self._parts or [(np.zeros(0, np.int64),) * 4]
        joined = [np.concatenate(values) for values in zip(*parts, strict=True)]
        order = np.argsort(joined[0], kind="stable")
        return tuple(values[order] for values in joined)
