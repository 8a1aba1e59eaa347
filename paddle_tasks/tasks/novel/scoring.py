"""Scores of every character of a split, gathered from batches and processes, and the records of its chapters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.character_rows import EncodedTexts
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.corpus.novels import Chapter
from paddle_tasks.metrics.next_character import next_character_metrics, total_losses

Part = tuple[Array, Array, Array]
"""The indices of targets, their losses and predictions."""


@dataclass(frozen=True)
class CharacterScores:
    """The scores of every character of some chapters.

    Attributes:
        texts: the chapters as ids.
        losses: the cross-entropy of each entry of ``texts.ids`` <float32>[entries]; that of start entries is 0.
        predicted: the most probable entry in the place of each <int64>[entries].
        n_unknown_types: the number of distinct characters of the chapters that the vocabulary lacks.
    """

    texts: EncodedTexts
    losses: Array
    predicted: Array
    n_unknown_types: int

    @classmethod
    def collect(cls, texts: EncodedTexts, parts: Sequence[Part], n_unknown_types: int) -> CharacterScores:
        """Return the scores from those of batches, which have each character once."""
        losses, predicted = np.zeros(len(texts.ids), np.float32), np.zeros(len(texts.ids), np.int64)
        for indices, part_losses, part_predicted in parts:
            losses[indices], predicted[indices] = part_losses, part_predicted
        return cls(texts, losses, predicted, n_unknown_types)

    def metrics(self) -> dict[str, float]:
        """Return the metrics over all characters."""
        chosen = self.texts.is_target
        return next_character_metrics(
            self.texts.ids[chosen],
            self.predicted[chosen],
            self.losses[chosen],
            unknown_id=CharacterVocabulary.unknown_id,
            n_unknown_types=self.n_unknown_types,
        )

    def records(self, chapters: Sequence[Chapter], vocabulary: CharacterVocabulary) -> list[dict[str, Any]]:
        """Return a record for each chapter: its text, the text of the predictions, and the mean loss in nats."""
        unknown = CharacterVocabulary.unknown_id
        costs = total_losses(self.texts.ids, self.losses, unknown_id=unknown, n_unknown_types=self.n_unknown_types)
        ranges = zip(self.texts.starts + 1, self.texts.ends, strict=True)
        return [
            {
                "row": row,
                "where": chapter.where,
                "gold": chapter.text,
                "predicted": vocabulary.decode(self.predicted[start:end].tolist()),
                "loss": float(costs[start:end].mean()) if end > start else 0.0,
            }
            for row, (chapter, (start, end)) in enumerate(zip(chapters, ranges, strict=True))
        ]
