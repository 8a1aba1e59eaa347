"""Scores of a split: the loss of the references, and the translations beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.generation.continuation import Continuation
from paddle_tasks.tasks.translate.text_scores import score_texts, text_record

Part = tuple[int, Array, int]
"""The number of a row, the losses <float32>[entries] of its reference, and how many entries are predicted right."""


@dataclass(frozen=True)
class TranslationScores:
    """The scores of some pairs.

    Attributes:
        pairs: the pairs.
        parts: of each pair, in their order.
        outputs: the best translation of each source.
        train: the pairs of train, which may have some of ``pairs`` too.
    """

    pairs: Sequence[Pair]
    parts: Sequence[Part]
    outputs: Sequence[Continuation]
    train: Sequence[Pair] = ()

    def metrics(self) -> dict[str, Any]:
        """Return the metrics: of the references as targets, and of the translations."""
        losses = np.concatenate([losses for _, losses, _ in self.parts])
        loss = float(losses.mean(dtype=np.float64))
        hits = sum(n_right for _, _, n_right in self.parts)
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "accuracy": hits / len(losses),
            **score_texts(self.pairs, self._texts, self.train),
            "ended": float(np.mean([output.finish == "end" for output in self.outputs])),
        }

    @property
    def _texts(self) -> list[str]:
        return [output.text for output in self.outputs]

    def records(self) -> list[dict[str, Any]]:
        """Return a record for each pair: source, reference, translation, and the mean loss of the reference in nats."""
        rows = zip(self.pairs, self.parts, self.outputs, strict=True)
        return [
            {**text_record(row, pair, output.text), "finish": output.finish, "loss": float(losses.mean())}
            for row, (pair, (_, losses, _), output) in enumerate(rows)
        ]
