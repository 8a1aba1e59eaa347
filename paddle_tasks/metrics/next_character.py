"""Metrics of models that predict each next character of texts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from paddle_tasks.arrays import Array


def next_character_metrics(
    targets: Array, predicted: Array, losses: Array, *, unknown_id: int, n_unknown_types: int
) -> dict[str, float]:
    """Return loss, perplexity, accuracy and the share of unknown characters.

    A target that is not in the vocabulary costs what the model gives the unknown entry, plus the logarithm of the
    number of such characters, as if each of them were equally probable (Ueberla, 1994). It is never predicted right.

    Args:
        targets: <int>[characters], the ids to predict.
        predicted: <int>[characters], the most probable ids.
        losses: <float>[characters], the cross-entropy of each target in nats.
        unknown_id: the id of every character that is not in the vocabulary.
        n_unknown_types: the number of distinct characters of the scored texts that are not in the vocabulary.

    Returns:
        ``loss`` in nats per character, ``perplexity``, ``accuracy`` and ``unknown_share``; empty without targets.
    """
    if not len(targets):
        return {}
    is_unknown = targets == unknown_id
    loss = float((total_losses(targets, losses, unknown_id=unknown_id, n_unknown_types=n_unknown_types)).mean())
    return {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700)),
        "accuracy": float(((targets == predicted) & ~is_unknown).mean()),
        "unknown_share": float(is_unknown.mean()),
    }


def total_losses(targets: Array, losses: Array, *, unknown_id: int, n_unknown_types: int) -> Array:
    """Return the cost of each target <float64>[characters] in nats; see `next_character_metrics`."""
    costs: Array = losses.astype(np.float64) + math.log(max(1, n_unknown_types)) * (targets == unknown_id)
    return costs


def text_accuracy(gold: Sequence[str], predicted: Sequence[str]) -> float:
    """Return the share of characters of texts that are predicted right; each pair has the same length."""
    hits = [one == other for pair in zip(gold, predicted, strict=True) for one, other in zip(*pair, strict=True)]
    return float(np.mean(hits))
