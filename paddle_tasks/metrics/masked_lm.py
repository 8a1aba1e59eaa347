"""Metrics of a masked language model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from paddle_tasks.arrays import Array


class Gatherer(Protocol):
    """Exchanges objects between the processes of a run."""

    def gather_objects(self, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks."""


class MaskedLMMetrics:
    """Accuracy, loss and perplexity over masked tokens; every token has the same weight, whatever the batches."""

    def __init__(self, parts: Iterable[tuple[Array, Array, Array, Array]] = ()) -> None:
        """Start with the masked tokens of other metrics; see `update` for the arrays of a part."""
        self._parts = list(parts)

    def update(self, rows: Array, targets: Array, predicted: Array, losses: Array) -> None:
        """Add masked tokens: their rows, true ids, predicted ids and cross-entropies, ``[tokens]`` each."""
        self._parts.append((rows, targets, predicted, losses))

    def gather(self, ranks: Gatherer) -> MaskedLMMetrics:
        """Return the metrics over the tokens of all processes, ordered by row."""
        return MaskedLMMetrics(part for parts in ranks.gather_objects(self._parts) for part in parts)

    def result(self) -> dict[str, float]:
        """Return ``accuracy``, mean ``loss`` in nats and ``perplexity``; empty if there were no tokens."""
        _, targets, predicted, losses = self._concatenated()
        if not len(targets):
            return {}
        loss = float(losses.astype(np.float64).mean())
        return {"accuracy": float((targets == predicted).mean()), "loss": loss, "perplexity": math.exp(min(loss, 700))}

    def records(self, vocabulary: Sequence[str]) -> list[dict[str, Any]]:
        """Return a record for each row: its number, its masked tokens, the predicted tokens and their mean loss."""
        rows, targets, predicted, losses = self._concatenated()
        numbers, counts = np.unique(rows, return_counts=True)
        parts = [np.split(values, np.cumsum(counts))[:-1] for values in (targets, predicted, losses)]
        return [
            {
                "row": int(row),
                "gold": [vocabulary[token] for token in gold],
                "predicted": [vocabulary[token] for token in answers],
                "loss": float(loss.mean()),
            }
            for row, gold, answers, loss in zip(numbers, *parts, strict=True)
        ]

    def _concatenated(self) -> tuple[Array, ...]:
        """Return rows, targets, predicted ids and losses of all tokens, ordered by row."""
        parts = self._parts or [(np.zeros(0, np.int64),) * 4]
        columns = [np.concatenate(values) for values in zip(*parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        return tuple(values[order] for values in columns)
