"""A training session: runs the loop, scores and saves when it is due, and stops well when it is told to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddle_tasks.errors import Interrupted
from paddle_tasks.training.checkpoint import CheckpointStore, optimizer_state
from paddle_tasks.training.loop import Loop, StepReport
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.panels import gradient_histograms
from paddle_tasks.training.tracking import Tracker

LOWER_IS_BETTER = frozenset({"loss", "perplexity"})


@dataclass(frozen=True)
class EvaluationReport:
    """The scores of the dev split after a step."""

    step: int
    epoch: int
    metrics: Mapping[str, Any]
    is_best: bool


@dataclass(frozen=True)
class CheckpointReport:
    """A checkpoint was written."""

    step: int
    folder: Path


@dataclass(frozen=True)
class MemoryReport:
    """The device's memory did not hold a batch, which is cut into parts from this step on."""

    step: int
    n_parts: int

    @property
    def text(self) -> str:
        """The sentence for people."""
        return (
            f"step {self.step}: out of memory; from here on each batch is computed in {self.n_parts} parts, whose "
            "gradients add up to the same (training.batch_size and training.accumulation_steps say it from the start)"
        )


Event = StepReport | EvaluationReport | CheckpointReport | MemoryReport


@dataclass
class Session:
    """What a run consists of besides its loop; all ranks decide alike, rank 0 writes.

    Attributes:
        evaluate: scores the dev split; given a function to call between batches, which may raise `Interrupted`.
        write_model: writes the model as it is now into a new folder.
        keep_best: takes the checkpoint folder of a new best model.
        rates: by which the learning rate is multiplied for each group of parameters; empty when there is one rate.
        state: what every checkpoint carries besides the progress.
    """

    loop: Loop
    tracker: Tracker
    store: CheckpointStore
    evaluate: Callable[[Callable[[], None]], Mapping[str, Any]]
    write_model: Callable[[Path], None]
    keep_best: Callable[[Path], None]
    observe: Callable[[Event], None]
    metric: str
    evaluate_every: int | None
    save_every: int | None
    log_every: int
    patience: int | None
    state: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    _saved: tuple[int, int] = (0, 0)
    _rate: tuple[int, float] = (0, 0.0)
    _n_parts: int = 1

    def run(self) -> None:
        """Train to the end.

        Raises:
            Interrupted: a signal came; the checkpoint is written.
            NonFiniteError: from the loop, when it is to stop on such a step.
        """
        self._saved, self._n_parts = self._place(), self.loop.progress.n_parts
        self._mend_best()
        if self.tracker.shows("full"):
            self.loop.look = self._look
        self._evaluate_when_due()  # which a signal may have cut short the last time
        for report in self.loop.steps():
            self._note_memory(report)
            self._log(report)
            self.observe(report)
            self._evaluate_when_due()
            if self.loop.stop.received or (self.save_every and report.step % self.save_every == 0):
                self._save(is_best=False)
            self.loop.stop.check()

    def _note_memory(self, report: StepReport) -> None:
        if report.n_parts > self._n_parts:
            self.observe(MemoryReport(report.step, report.n_parts))
        self._n_parts = report.n_parts

    def _mend_best(self) -> None:
        """Point at the best model again: a crash may have come between its checkpoint and the pointer or the copy."""
        progress = self.loop.progress
        if self.loop.ranks.writes and progress.step and progress.step == progress.best_step:
            folder = self.store.folder_of(progress.step)
            self.store.point_at(folder, is_best=True)
            self.keep_best(folder)

    def _evaluation_is_due(self) -> bool:
        progress = self.loop.progress
        if progress.step in (0, progress.evaluated_step):
            return False
        return self._ends_in_evaluation(progress.step, ends_epoch=progress.batch == 0)

    def _ends_in_evaluation(self, step: int, *, ends_epoch: bool) -> bool:
        if step == self.loop.total_steps:
            return True
        return step % self.evaluate_every == 0 if self.evaluate_every else ends_epoch

    def _look(self, *, ends_epoch: bool) -> None:
        step = self.loop.progress.step + 1
        if self._ends_in_evaluation(step, ends_epoch=ends_epoch):
            self.tracker.show(step, gradient_histograms(self.loop.model))

    def _evaluate_when_due(self) -> None:
        if not self._evaluation_is_due():
            return
        try:
            metrics = self.evaluate(self.loop.stop.check_here)
        except Interrupted:
            self._save(is_best=False)
            raise
        progress = self.loop.progress
        epoch = progress.current_epoch
        is_best = self._note_score(float(metrics[self.metric]))
        self.tracker.scalars(progress.step, epoch, scalars_of(metrics, "dev"))
        self._save(is_best=is_best)
        self.observe(EvaluationReport(progress.step, epoch, metrics, is_best))

    def _note_score(self, value: float) -> bool:
        progress = self.loop.progress
        progress.evaluated_step = progress.step
        is_best = progress.best_value is None or self._is_better(value, progress.best_value)
        if is_best:
            progress.best_value, progress.best_step = value, progress.step
        progress.evaluations_without_gain = 0 if is_best else progress.evaluations_without_gain + 1
        progress.stopped_early = bool(self.patience) and progress.evaluations_without_gain >= (self.patience or 0)
        return is_best

    def _is_better(self, value: float, best: float) -> bool:
        sign = -1 if self.metric in LOWER_IS_BETTER else 1
        return sign * value > sign * best or (math.isnan(best) and not math.isnan(value))

    def _save(self, *, is_best: bool) -> None:
        if self._saved == self._place():
            return
        if self.loop.ranks.writes:
            self._write(is_best=is_best)
        self._saved = self._place()

    def _write(self, *, is_best: bool) -> None:
        progress = self.loop.progress
        state = {**self.state, "progress": asdict(progress), "positions": self.tracker.positions()}
        scaler = self.loop.precision.scaler
        if scaler:
            state["scaler"] = {name: _plain(value) for name, value in scaler.state_dict().items()}
        accumulators = optimizer_state(self.loop.optimizer, self.loop.model, self.loop.average)
        folder = self.store.save(progress.step, self.write_model, accumulators, state, is_best=is_best)
        if is_best:
            self.keep_best(folder)
        self.observe(CheckpointReport(progress.step, folder))

    def _place(self) -> tuple[int, int]:
        return self.loop.progress.step, self.loop.progress.evaluated_step

    def _log(self, report: StepReport) -> None:
        self._rate = (self._rate[0] + report.n_tokens, self._rate[1] + report.seconds)
        if report.step % self.log_every and not report.ends_epoch and report.step < report.total_steps:
            return
        progress = self.loop.progress
        values: dict[str, float] = {}
        if progress.window_count:
            values["train/loss"] = progress.window_loss / progress.window_count
        values["train/learning_rate"] = report.learning_rate
        values |= {f"train/learning_rate/{group}": report.learning_rate * rate for group, rate in self.rates.items()}
        if math.isfinite(report.gradient_norm):
            values["train/gradient_norm"] = report.gradient_norm
        values["system/tokens_per_second"] = self._rate[0] / self._rate[1]
        values["system/memory_mb"] = peak_memory_mb()
        self.tracker.scalars(report.step, report.epoch, values)
        progress.window_loss, progress.window_count, self._rate = 0.0, 0, (0, 0.0)


def scalars_of(metrics: Mapping[str, Any], split: str) -> dict[str, float]:
    """Return a split's plain numbers as ``split/metric`` tags, of single labels F1 as ``split/f1/label``."""
    plain = {f"{split}/{name}": float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
    return plain | {f"{split}/f1/{name}": float(of["f1"]) for name, of in metrics.get("per_label", {}).items()}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
