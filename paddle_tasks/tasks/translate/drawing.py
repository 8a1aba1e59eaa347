"""What is drawn at random for the batches of an epoch, as a function of seed, epoch and batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.parallel_batches import ParallelBatch
from paddle_tasks.tasks.translate.section import TranslateConfig

_MARKS, _FORCING = 1, 2  # keep the draws of the two apart


class TrainingDraws:
    """Draws which sources lose their punctuation marks, and which inputs of the decoder are forced."""

    def __init__(self, config: TranslateConfig, n_rows: int, n_batches: int, epoch: int) -> None:
        """Take the number of train pairs, that of batches in an epoch, and the epoch from 0."""
        training, share = config.training, config.data.strip_punctuation
        self._seed, self._n_batches, self._epoch = config.seed, n_batches, epoch
        self._forcing, self._n_steps = training.teacher_forcing, n_batches * training.epochs
        if training.max_steps is not None:
            self._n_steps = min(self._n_steps, training.max_steps * training.accumulation_steps)
        self._unmarked: Array | None = None
        if share:
            self._unmarked = np.random.default_rng([self._seed, epoch, _MARKS]).random(n_rows) < share

    def unmarked(self, rows: Sequence[int]) -> Array | None:
        """Return which of some rows lose their punctuation marks, <bool>[rows]; None if no row does."""
        return None if self._unmarked is None else self._unmarked[np.asarray(rows, np.int64)]

    def forced(self, batch: ParallelBatch, number: int) -> ParallelBatch:
        """Return a batch with the inputs that are forced, from its number in the epoch."""
        share = self.forcing_at(self._epoch * self._n_batches + number)
        if share == 1:
            return batch
        generator = np.random.default_rng([self._seed, self._epoch, _FORCING, number])
        is_forced = generator.random(batch.input_ids.shape) < share
        is_forced[:, :1] = True  # the start entry
        return replace(batch, is_forced=is_forced)

    def forcing_at(self, step: int) -> float:
        """Return the share of forced inputs in a batch of the whole training, counted from 0."""
        done = min(1.0, step / max(1, self._n_steps - 1))
        return self._forcing.start + (self._forcing.end - self._forcing.start) * done
