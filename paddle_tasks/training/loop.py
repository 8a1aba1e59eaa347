"""The training loop: a generator of one report for each optimiser step. It neither prints nor opens files."""

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
from paddle_tasks.training.adversarial import moved, word_vectors
from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.memory import is_out_of_memory, release
from paddle_tasks.training.optimizer import learning_rate, scale_gradients
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.settings import OptimizerSection
from paddle_tasks.training.stopping import StopSignal


class Sized(Protocol):
    """A batch, as far as the loop needs to know it."""

    @property
    def rows(self) -> tuple[int, ...]:
        """The place of each row in its data set."""

    @property
    def n_tokens(self) -> int:
        """Real tokens."""

    @property
    def n_padded_tokens(self) -> int:
        """Tokens with padding."""

    def split(self, n_parts: int) -> Sequence[Sized]:
        """Return the rows in at most so many smaller batches."""


Loss = Callable[[nn.Layer, Any], tuple[paddle.Tensor, int]]
"""Gives a batch's summed loss <float32>[] and the number of things it sums over."""


class Look(Protocol):
    """Looks at the gradients of a step that is done but for its count in `Progress`."""

    def __call__(self, *, ends_epoch: bool) -> None:
        """Look at them; ``ends_epoch`` tells whether the step is the last of its epoch."""


@dataclass
class Progress:
    """Where a run stands; all of it goes into a checkpoint, as JSON.

    Attributes:
        step: optimiser steps done.
        epoch: epochs finished.
        batch: micro-batches of the current epoch that are done.
        window_loss: loss summed since it was last logged, over ``window_count`` items.
        n_parts: into how many parts each micro-batch is cut, since the device's memory holds no more.
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
        """The epoch, counted from 1, that the last step was part of."""
        return self.epoch + (self.batch > 0)


@dataclass(frozen=True)
class StepReport:
    """What one optimiser step did; ``epoch`` counts from 1, ``loss`` is the mean of the step."""

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
class _Sums:
    """What came of one step's rows, over all ranks."""

    loss: float
    count: int
    n_tokens: int
    n_padded_tokens: int

    @property
    def mean_loss(self) -> float:
        return self.loss / max(1, self.count)


@dataclass
class Loop:
    """One run of a model over epochs of batches.

    Attributes:
        batches_of: gives an epoch's micro-batches, counted from 0, from the given place on.
        n_batches: micro-batches in an epoch.
        fgm_epsilon: how far the word vectors are moved for a second, adversarial pass; 0: no such pass.
        average: takes in the weights after each step.
        ranks: the processes that share the rows of each batch.
        stop: tells the other ranks of a signal, or is told of one, with each step.
        look: is called after each update, while the gradients that it took are still there.
    """

    model: nn.Layer
    loss: Loss
    optimizer: paddle.optimizer.Optimizer
    settings: OptimizerSection
    batches_of: Callable[[int, int], Iterator[Sized]]
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
    look: Look | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return math.ceil(self.n_batches / self.accumulation_steps)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        steps = self.epochs * self.steps_per_epoch
        return min(steps, self.max_steps or steps)

    @property
    def is_done(self) -> bool:
        """Whether no step is left, or early stopping has ended the run."""
        return self.progress.step >= self.total_steps or self.progress.stopped_early

    def steps(self) -> Iterator[StepReport]:
        """Train from where ``progress`` stands, yielding after each step with ``progress`` up to date."""
        while not self.is_done:
            yield from self._epoch()

    def _epoch(self) -> Iterator[StepReport]:
        progress, batches = self.progress, self.batches_of(self.progress.epoch, self.progress.batch)
        ends_epoch = False
        while not (ends_epoch or self.is_done):
            started = time.perf_counter()
            group = _take(batches, min(self.accumulation_steps, self.n_batches - progress.batch))
            ends_epoch = progress.batch + len(group) == self.n_batches
            yield self._step(group, started, ends_epoch=ends_epoch)

    def _step(self, group: Sequence[Sized], started: float, *, ends_epoch: bool) -> StepReport:
        progress = self.progress
        self.model.train()  # an evaluation may have come between
        rate = learning_rate(self.settings, progress.step, self.total_steps)
        sums = self._accumulate(group)
        norm = self._update(rate, sums, group)
        if self.look:
            self.look(ends_epoch=ends_epoch)
        self._clear()
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

    def _accumulate(self, group: Sequence[Sized]) -> _Sums:
        """Add up gradients of summed losses, so that 8 x 1 and 4 x 2 rows give the same, over all ranks."""
        while (summed := self._try(group)) is None:
            self._clear()  # some parameters may have got the gradient of the batch that failed, others not
            release()
            self.progress.n_parts *= 2
        self.ranks.sum_gradients(self.model.parameters())
        return self._exchange(*summed, group)

    def _exchange(self, loss: float, count: int, group: Sequence[Sized]) -> _Sums:
        """Tell the other ranks what came of this one's rows, so that all go on alike."""
        n_tokens = sum(batch.n_tokens for batch in group)
        n_padded_tokens = sum(batch.n_padded_tokens for batch in group)
        was_told = self.stop.pending is not None
        table = self.ranks.table([loss, count, n_tokens, n_padded_tokens, was_told, self.progress.n_parts])
        self.progress.n_parts = int(table[:, 5].max())
        self.stop.agree(table[:, 4].sum())
        return _Sums(float(table[:, 0].sum()), *map(int, table[:, 1:4].sum(axis=0)))

    def _try(self, group: Sequence[Sized]) -> tuple[float, int] | None:
        """Compute a group's gradients, or return None when the device's memory does not hold them."""
        # Randomness is a function of (seed, step), so a resumed run needs no generator state.
        paddle.seed(step_seed(self.seed, self.progress.step, self.ranks.rank))
        parts = [part for batch in group if batch.rows for part in batch.split(self.progress.n_parts)]
        if not parts:  # there are fewer rows than ranks
            return 0.0, 0
        try:
            losses, counts = zip(*map(self._backward, parts), strict=True)
            return float(paddle.add_n(list(losses))), sum(counts)
        except Exception as error:
            if not is_out_of_memory(error) or self.progress.n_parts >= max(len(batch.rows) for batch in group):
                raise
            return None

    def _backward(self, batch: Sized) -> tuple[paddle.Tensor, int]:
        weight = word_vectors(self.model) if self.fgm_epsilon else None
        if weight is None or weight.stop_gradient:
            return self._pass(batch)
        before = weight.grad.clone() if weight.grad is not None else None
        result = self._pass(batch)
        with moved(weight, weight.grad if before is None else weight.grad - before, self.fgm_epsilon):
            self._pass(batch)
        return result

    def _pass(self, batch: Sized) -> tuple[paddle.Tensor, int]:
        with self.precision.autocast():
            loss, count = self.loss(self.model, batch)
        scaler = self.precision.scaler
        (scaler.scale(loss) if scaler else loss).backward()
        return loss.detach().astype("float32"), count

    def _update(self, rate: float, sums: _Sums, group: Sequence[Sized]) -> float:
        scaler, finite = self.precision.scaler, math.isfinite(sums.loss)
        if scaler and finite:  # once unscaled, it expects its own step and update
            scaler.unscale_(self.optimizer)
        count = max(1, sums.count)
        norm: float = scale_gradients(self.model.parameters(), count, self.settings.max_gradient_norm)
        if finite and (scaler or math.isfinite(norm)):  # an overflow of scaled gradients is the scaler's to handle
            self._apply(rate)
        elif self.on_nonfinite == "stop":
            self._refuse(sums.mean_loss, norm, group)
        return norm

    def _clear(self) -> None:
        # Not to zeros: a parameter that a batch leaves out would decay then, but not in the first step after a resume.
        self.optimizer.clear_grad(set_to_zero=False)

    def _apply(self, rate: float) -> None:
        self.optimizer.set_lr(rate)
        # The first step names the accumulators; a fresh name space makes the names those of the checkpoints.
        with paddle.utils.unique_name.guard():
            if self.precision.scaler:  # skips the update and lowers its scale when a scaled gradient overflowed
                self.precision.scaler.step(self.optimizer)
                self.precision.scaler.update()
            else:
                self.optimizer.step()

    def _refuse(self, loss: float, norm: float, group: Sequence[Sized]) -> NoReturn:
        self._clear()
        own = [row for batch in group for row in batch.rows]
        rows = [row for rows in self.ranks.objects(own) for row in rows]
        raise NonFiniteError(
            f"step {self.progress.step + 1}: loss {loss} and gradient norm {norm}, expected finite numbers; "
            f"the weights are those before the step. Rows of the train data, counted from 0: {rows}. "
            "Lower optimizer.learning_rate or leave such batches out with training.on_nonfinite=skip, with --fresh"
        )

    def _advance(self, n_batches: int, sums: _Sums, *, skipped: bool, ends_epoch: bool) -> None:
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


def _take(batches: Iterator[Sized], number: int) -> list[Sized]:
    return [next(batches) for _ in range(number)]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return the seed of a step's dropout, well mixed from the run's seed, the step's number and the rank."""
    # A zero at the end changes nothing, so rank 0 draws what one process alone does.
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1)[0])
