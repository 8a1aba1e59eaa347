"""The training loop: a generator that yields a report after each optimiser step. It neither prints nor opens files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.errors import NonFiniteError
from paddle_tasks.language import _
from paddle_tasks.process_state import random_generator
from paddle_tasks.training.adversarial import perturbed, word_vectors
from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.memory import is_out_of_memory, release_memory
from paddle_tasks.training.optimizer import learning_rate, scale_gradients
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.settings import OptimizerSection
from paddle_tasks.training.stopping import StopSignal


class MicroBatch(Protocol):
    """The rows of one forward and backward pass on one rank."""

    @property
    def rows(self) -> tuple[int, ...]:
        """Index of each row in its data set."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens without padding."""

    @property
    def n_padded_tokens(self) -> int:
        """Number of tokens including padding."""

    def split(self, n_parts: int) -> Sequence[MicroBatch]:
        """Split the rows into at most ``n_parts`` smaller batches."""


LossFunction = Callable[[nn.Layer, Any], tuple[paddle.Tensor, int]]
"""Maps a model and a micro-batch to the summed loss <float32>[] and the number of summands."""


class GradientHook(Protocol):
    """Called after the weights are updated, before the gradients are cleared and `Progress` advances."""

    def __call__(self, *, ends_epoch: bool) -> None:
        """Read the gradients; ``ends_epoch`` is whether this is the last step of its epoch."""


@dataclass
class Progress:
    """The progress of a run, saved in every checkpoint as JSON.

    Attributes:
        step: number of finished optimiser steps.
        epoch: number of finished epochs.
        batch: number of finished micro-batches of the current epoch.
        window_loss: loss summed since it was last logged.
        window_count: number of summands of ``window_loss``.
        n_tokens: tokens trained on so far, without padding.
        n_padded_tokens: the same including padding.
        seconds: time spent in training steps.
        skipped_steps: number of steps skipped because their loss or gradient was not finite.
        evaluated_step: the last step after which the dev split was evaluated.
        best_value: best value so far of the metric that selects the model.
        best_step: the step with this value.
        evaluations_without_gain: number of evaluations since ``best_step``.
        stopped_early: whether early stopping ended the run.
        n_parts: number of parts that each micro-batch is split into to fit the device's memory.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    window_loss: float = 0.0
    window_count: int = 0
    n_tokens: int = 0
    n_padded_tokens: int = 0
    seconds: float = 0.0
    skipped_steps: int = 0
    evaluated_step: int = 0
    best_value: float | None = None
    best_step: int = 0
    evaluations_without_gain: int = 0
    stopped_early: bool = False
    n_parts: int = 1

    @property
    def current_epoch(self) -> int:
        """The epoch of the last step, counted from 1."""
        return self.epoch + (self.batch > 0)


@dataclass(frozen=True)
class StepReport:
    """The outcome of one optimiser step, summed over all ranks.

    Attributes:
        step: number of the step, from 1.
        total_steps: number of steps of the whole run.
        epoch: number of the epoch, from 1.
        loss: mean loss of the step.
        gradient_norm: global norm of the gradient before clipping.
        n_tokens: tokens of the step, without padding.
        seconds: duration of the step.
        ends_epoch: whether it is the last step of its epoch.
        skipped: whether the weights were left unchanged because the loss or the gradient was not finite.
        n_parts: number of parts that each micro-batch was split into.
    """

    step: int
    total_steps: int
    epoch: int
    loss: float
    learning_rate: float
    gradient_norm: float
    n_tokens: int
    seconds: float
    ends_epoch: bool
    skipped: bool = False
    n_parts: int = 1


@dataclass(frozen=True)
class StepSums:
    """Sums over the rows of one step on all ranks.

    Attributes:
        loss: summed loss.
        count: number of summands of the loss.
        n_tokens: tokens without padding.
        n_padded_tokens: tokens including padding.
    """

    loss: float
    count: int
    n_tokens: int
    n_padded_tokens: int

    @property
    def mean_loss(self) -> float:
        """The mean loss; 0 if there are no summands."""
        return self.loss / max(1, self.count)


@dataclass
class Loop:
    """Trains a model over epochs of micro-batches.

    Attributes:
        batches_of: called with (epoch, start), both from 0; yields the micro-batches of the epoch from ``start`` on.
        n_batches: number of micro-batches in an epoch.
        accumulation_steps: number of micro-batches in an optimiser step.
        max_steps: maximum number of optimiser steps; None for no limit besides ``epochs``.
        seed: seed of the run, which the seed of each step is derived from.
        on_nonfinite: what to do when a loss or gradient is not finite.
        progress: the state to continue from, updated after every step.
        fgm_epsilon: how far word vectors are shifted for a second, adversarial pass; 0 for no such pass.
        average: an average of the weights, updated after each step.
        ranks: the processes that share the rows of each batch.
        stop: signals to this process, which are exchanged between the ranks in each step.
        on_gradients: called after each update, before the gradients are cleared.
    """

    model: nn.Layer
    loss: LossFunction
    optimizer: paddle.optimizer.Optimizer
    settings: OptimizerSection
    batches_of: Callable[[int, int], Iterator[MicroBatch]]
    n_batches: int
    epochs: int
    accumulation_steps: int
    max_steps: int | None
    seed: int
    on_nonfinite: Literal["stop", "skip"]
    progress: Progress
    precision: Precision = field(default_factory=Precision)
    fgm_epsilon: float = 0.0
    average: WeightAverage | None = None
    ranks: Ranks = field(default_factory=Ranks)
    stop: StopSignal = field(default_factory=StopSignal)
    on_gradients: GradientHook | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimiser steps in an epoch."""
        return math.ceil(self.n_batches / self.accumulation_steps)

    @property
    def total_steps(self) -> int:
        """Number of optimiser steps in the whole run."""
        steps = self.epochs * self.steps_per_epoch
        return min(steps, self.max_steps or steps)

    @property
    def is_done(self) -> bool:
        """Whether all steps are done or early stopping ended the run."""
        return self.progress.step >= self.total_steps or self.progress.stopped_early

    def steps(self) -> Iterator[StepReport]:
        """Train from ``progress`` on, and yield a report after each step, when ``progress`` is up to date.

        Raises:
            NonFiniteError: a loss or gradient is not finite and ``on_nonfinite`` is ``stop``; the weights are those
                before the step.
        """
        while not self.is_done:
            yield from self._epoch()

    def _epoch(self) -> Iterator[StepReport]:
        progress, batches = self.progress, self.batches_of(self.progress.epoch, self.progress.batch)
        ends_epoch = False
        while not (ends_epoch or self.is_done):
            started = time.perf_counter()
            group = _next_batches(batches, min(self.accumulation_steps, self.n_batches - progress.batch))
            ends_epoch = progress.batch + len(group) == self.n_batches
            with random_generator():
                report = self.train_step(group, started, ends_epoch=ends_epoch)
            yield report

    def train_step(self, group: Sequence[MicroBatch], started: float, *, ends_epoch: bool) -> StepReport:
        """Run one optimiser step over a group of micro-batches.

        Args:
            group: the micro-batches of this rank.
            started: ``time.perf_counter()`` before the batches were made.
            ends_epoch: whether it is the last step of its epoch.
        """
        progress = self.progress
        self.model.train()  # an evaluation may have switched to eval mode
        rate = learning_rate(self.settings, progress.step, self.total_steps)
        sums = self._accumulate(group)
        norm = self._update(rate, sums, group)
        if self.on_gradients:
            self.on_gradients(ends_epoch=ends_epoch)
        self.clear_gradients()
        skipped = not math.isfinite(norm) or not math.isfinite(sums.loss)
        self._advance(len(group), sums, skipped=skipped, ends_epoch=ends_epoch)
        if self.average and not skipped:
            self.average.update(progress.step)
        seconds = time.perf_counter() - started
        progress.seconds += seconds
        return StepReport(
            step=progress.step,
            total_steps=self.total_steps,
            epoch=progress.current_epoch,
            loss=sums.mean_loss,
            learning_rate=rate,
            gradient_norm=norm,
            n_tokens=sums.n_tokens,
            seconds=seconds,
            ends_epoch=ends_epoch,
            skipped=skipped,
            n_parts=progress.n_parts,
        )

    def _accumulate(self, group: Sequence[MicroBatch]) -> StepSums:
        """Sum the gradients of summed losses over the micro-batches and all ranks.

        Summing gives 8 x 1 and 4 x 2 rows the same gradient; it is divided by the total count once, in `_update`.
        """
        while (summed := self._compute_gradients(group)) is None:
            self.clear_gradients()  # the failed backward pass may have added gradients to some parameters
            release_memory()
            self.progress.n_parts *= 2
        self.ranks.sum_gradients(self.model.parameters())
        return self.exchange_sums(*summed, group)

    def exchange_sums(self, loss: float, count: int, group: Sequence[MicroBatch]) -> StepSums:
        """Return the sums of a step over all ranks.

        In the same exchange, the ranks agree on the largest ``n_parts`` and on whether any of them received a signal.

        Args:
            loss: this rank's summed loss.
            count: number of summands.
            group: this rank's micro-batches.
        """
        n_tokens = sum(batch.n_tokens for batch in group)
        n_padded_tokens = sum(batch.n_padded_tokens for batch in group)
        is_signalled = self.stop.pending is not None
        table = self.ranks.gather_numbers([loss, count, n_tokens, n_padded_tokens, is_signalled, self.progress.n_parts])
        self.progress.n_parts = int(table[:, 5].max())
        self.stop.agree(table[:, 4].sum())
        return StepSums(float(table[:, 0].sum()), *map(int, table[:, 1:4].sum(axis=0)))

    def _compute_gradients(self, group: Sequence[MicroBatch]) -> tuple[float, int] | None:
        """Add the gradients of a group and return its summed loss and count, or None if memory ran out."""
        # Randomness is a function of (seed, step), so a resumed run needs no generator state.
        paddle.seed(step_seed(self.seed, self.progress.step, self.ranks.rank))
        parts = [part for batch in group if batch.rows for part in batch.split(self.progress.n_parts)]
        if not parts:  # with fewer rows than ranks, some ranks have none
            return 0.0, 0
        try:
            losses, counts = zip(*map(self._backward, parts), strict=True)
            return float(paddle.add_n(list(losses))), sum(counts)
        except Exception as error:
            if not is_out_of_memory(error) or self.progress.n_parts >= max(len(batch.rows) for batch in group):
                raise
            return None

    def _backward(self, batch: MicroBatch) -> tuple[paddle.Tensor, int]:
        """Add a batch's gradients, with an adversarial pass if there is one; return its clean loss and count."""
        weight = word_vectors(self.model) if self.fgm_epsilon else None
        if weight is None or weight.stop_gradient:
            return self._forward_backward(batch)
        before = weight.grad.clone() if weight.grad is not None else None
        result = self._forward_backward(batch)
        with perturbed(weight, weight.grad if before is None else weight.grad - before, self.fgm_epsilon):
            self._forward_backward(batch)
        return result

    def _forward_backward(self, batch: MicroBatch) -> tuple[paddle.Tensor, int]:
        with self.precision.autocast():
            loss, count = self.loss(self.model, batch)
        scaler = self.precision.scaler
        with self.precision.backward():
            (scaler.scale(loss) if scaler else loss).backward()
        return loss.detach().astype("float32"), count

    def _update(self, rate: float, sums: StepSums, group: Sequence[MicroBatch]) -> float:
        scaler, finite = self.precision.scaler, math.isfinite(sums.loss)
        if scaler and finite:  # not for a step that is skipped: after unscale_, the scaler expects its step and update
            scaler.unscale_(self.optimizer)
        count = max(1, sums.count) if self.settings.gradient == "mean" else 1
        norm: float = scale_gradients(self.model.parameters(), count, self.settings.max_gradient_norm)
        if finite and (scaler or math.isfinite(norm)):  # the scaler handles overflowing gradients
            self._apply(rate)
        elif self.on_nonfinite == "stop":
            self._raise_nonfinite(sums.mean_loss, norm, group)
        return norm

    def clear_gradients(self) -> None:
        """Delete all gradients."""
        # Not set to zero: a parameter that a batch does not use would then decay, but not in the first step after a
        # resume, when it has no gradient yet.
        self.optimizer.clear_grad(set_to_zero=False)

    def _apply(self, rate: float) -> None:
        self.optimizer.set_lr(rate)
        # The first step names the accumulators; in a fresh name space they get the names that checkpoints use.
        with paddle.utils.unique_name.guard():
            if self.precision.scaler:  # it skips the update and lowers its scale if a gradient overflowed
                self.precision.scaler.step(self.optimizer)
                self.precision.scaler.update()
            else:
                self.optimizer.step()

    def _raise_nonfinite(self, loss: float, norm: float, group: Sequence[MicroBatch]) -> NoReturn:
        self.clear_gradients()
        local_rows = [row for batch in group for row in batch.rows]
        rows = [row for rows in self.ranks.gather_objects(local_rows) for row in rows]
        raise NonFiniteError(
            _(
                "step {step}: loss {loss} and gradient norm {norm}, expected finite numbers; "
                "the weights are those before this step. Rows of the train data in this step, counted from 0: {rows}. "
                "Lower optimizer.learning_rate, or skip such batches with training.on_nonfinite=skip; then add --fresh"
            ).format(step=self.progress.step + 1, loss=loss, norm=norm, rows=rows)
        )

    def _advance(self, n_batches: int, sums: StepSums, *, skipped: bool, ends_epoch: bool) -> None:
        progress = self.progress
        progress.step += 1
        progress.skipped_steps += skipped
        progress.batch = 0 if ends_epoch else progress.batch + n_batches
        progress.epoch += int(ends_epoch)
        progress.n_tokens += sums.n_tokens
        progress.n_padded_tokens += sums.n_padded_tokens
        if not skipped:
            progress.window_loss += sums.loss
            progress.window_count += sums.count


def _next_batches(batches: Iterator[MicroBatch], number: int) -> list[MicroBatch]:
    return [next(batches) for _ in range(number)]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return the seed of a step's randomness (dropout), mixed from the run's seed, the step and the rank."""
    # A trailing zero does not change a SeedSequence, so rank 0 draws the same numbers as a single process.
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
