"""A training session: runs the loop, evaluates, logs and saves when due, and stops cleanly on a signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddle_tasks.errors import Interrupted
from paddle_tasks.language import _
from paddle_tasks.training.checkpoint import CheckpointStore, optimizer_state
from paddle_tasks.training.loop import Loop, StepReport
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.panels import gradient_histograms
from paddle_tasks.training.tracking import Tracker


@dataclass(frozen=True)
class EvaluationReport:
    """The metrics of the dev split after a step.

    Attributes:
        metric: the metric that selects the best model.
        summary_metrics: the metrics to show, in this order.
        is_best: whether it is the best evaluation so far.
    """

    step: int
    epoch: int
    metrics: Mapping[str, Any]
    metric: str
    summary_metrics: Sequence[str]
    is_best: bool


@dataclass(frozen=True)
class CheckpointReport:
    """A checkpoint was written into ``folder`` after a step."""

    step: int
    folder: Path


@dataclass(frozen=True)
class MemoryReport:
    """The device ran out of memory in this step; from here on every batch is split into ``n_parts``."""

    step: int
    n_parts: int

    @property
    def text(self) -> str:
        """The message for the user."""
        return _(
            "step {step}: out of memory; from here on each batch is computed in {parts} parts, whose gradients add up "
            "to the same (to avoid failed attempts, lower training.batch_size and raise training.accumulation_steps)"
        ).format(step=self.step, parts=self.n_parts)


Event = StepReport | EvaluationReport | CheckpointReport | MemoryReport


@dataclass
class Session:
    """Everything around the loop of a run; all ranks make the same decisions, rank 0 writes.

    Attributes:
        loop: the training loop.
        tracker: receives the metrics.
        store: the checkpoints of the run.
        evaluate: returns the metrics of the dev split. It calls the given function between batches, which may raise
            `Interrupted`.
        write_model: writes the current model into a new folder.
        keep_best: called with the checkpoint folder of a new best model.
        observe: called with every event.
        metric: the metric that selects the best model.
        lower_is_better: whether the lowest value of the metric is the best.
        summary_metrics: the metrics that events show, in this order.
        evaluate_every: steps between evaluations; None for one at the end of each epoch.
        save_every: steps between checkpoints; None for checkpoints with evaluations only.
        log_every: steps between logged values.
        patience: evaluations without improvement before early stopping; None for no early stopping.
        state: further values for every checkpoint's state.json.
        rate_factors: factor of the learning rate for each group of parameters; empty if all have the same rate.
    """

    loop: Loop
    tracker: Tracker
    store: CheckpointStore
    evaluate: Callable[[Callable[[], None]], Mapping[str, Any]]
    write_model: Callable[[Path], None]
    keep_best: Callable[[Path], None]
    observe: Callable[[Event], None]
    metric: str
    lower_is_better: bool
    summary_metrics: Sequence[str]
    evaluate_every: int | None
    save_every: int | None
    log_every: int
    patience: int | None
    state: Mapping[str, Any] = field(default_factory=dict)
    rate_factors: Mapping[str, float] = field(default_factory=dict)
    _saved: tuple[int, int] = (0, 0)
    _window_tokens: int = 0
    _window_seconds: float = 0.0
    _n_parts: int = 1

    def run(self) -> None:
        """Train to the end.

        Raises:
            Interrupted: a signal arrived; a checkpoint was written.
            NonFiniteError: a loss or gradient is not finite and the loop is set to stop.
        """
        self._saved, self._n_parts = self._state_id(), self.loop.progress.n_parts
        self._restore_pointers()
        if self.tracker.shows("full"):
            self.loop.on_gradients = self.show_gradients
        self._evaluate_when_due()  # a signal may have interrupted the evaluation before this run was resumed
        for report in self.loop.steps():
            self._report_memory(report)
            self.log_step(report)
            self.observe(report)
            self._evaluate_when_due()
            if self.loop.stop.received or (self.save_every and report.step % self.save_every == 0):
                self._save(is_best=False)
            self.loop.stop.check()

    def _report_memory(self, report: StepReport) -> None:
        if report.n_parts > self._n_parts:
            self.observe(MemoryReport(report.step, report.n_parts))
        self._n_parts = report.n_parts

    def _restore_pointers(self) -> None:
        """Point to the last checkpoint again, and copy its model again if it is the best one.

        A crash may have happened after that checkpoint was written, but before the pointers or the copy were.
        """
        progress = self.loop.progress
        folder = self.store.step_folder(progress.step)
        if not self.loop.ranks.writes or not folder.is_dir():
            return
        is_best = progress.step == progress.best_step
        self.store.update_pointers(folder, is_best=is_best)
        if is_best:
            self.keep_best(folder)

    def _evaluation_is_due(self) -> bool:
        progress = self.loop.progress
        if progress.step in (0, progress.evaluated_step):
            return False
        return self._is_evaluation_step(progress.step, ends_epoch=progress.batch == 0)

    def _is_evaluation_step(self, step: int, *, ends_epoch: bool) -> bool:
        if step == self.loop.total_steps:
            return True
        return step % self.evaluate_every == 0 if self.evaluate_every else ends_epoch

    def show_gradients(self, *, ends_epoch: bool) -> None:
        """Write histograms of the gradients if this step ends in an evaluation; a `GradientHook`."""
        step = self.loop.progress.step + 1  # the hook is called before the progress advances
        if self._is_evaluation_step(step, ends_epoch=ends_epoch):
            self.tracker.write_panels(step, gradient_histograms(self.loop.model))

    def _evaluate_when_due(self) -> None:
        if not self._evaluation_is_due():
            return
        try:
            metrics = self.evaluate(self.loop.stop.check_local)
        except Interrupted:
            self._save(is_best=False)
            raise
        progress = self.loop.progress
        epoch = progress.current_epoch
        is_best = self._record_score(float(metrics[self.metric]))
        self.tracker.write_scalars(progress.step, epoch, flatten_metrics(metrics, "dev"))
        self._save(is_best=is_best)
        self.observe(EvaluationReport(progress.step, epoch, metrics, self.metric, self.summary_metrics, is_best))

    def _record_score(self, value: float) -> bool:
        progress = self.loop.progress
        progress.evaluated_step = progress.step
        is_best = not math.isnan(value) and self._is_better(value, progress.best_value)
        if is_best:
            progress.best_value, progress.best_step = value, progress.step
        progress.evaluations_without_gain = 0 if is_best else progress.evaluations_without_gain + 1
        progress.stopped_early = bool(self.patience) and progress.evaluations_without_gain >= (self.patience or 0)
        return is_best

    def _is_better(self, value: float, best: float | None) -> bool:
        if best is None or math.isnan(best):  # NaN: from an older version
            return True
        sign = -1 if self.lower_is_better else 1
        return sign * value > sign * best

    def _save(self, *, is_best: bool) -> None:
        if self._saved == self._state_id():
            return
        if self.loop.ranks.writes:
            self._write_checkpoint(is_best=is_best)
        self._saved = self._state_id()

    def _write_checkpoint(self, *, is_best: bool) -> None:
        progress = self.loop.progress
        state = {**self.state, "progress": asdict(progress), "positions": self.tracker.positions()}
        scaler = self.loop.precision.scaler
        if scaler:
            state["scaler"] = {name: _to_json_value(value) for name, value in scaler.state_dict().items()}
        accumulators = optimizer_state(self.loop.optimizer, self.loop.model, self.loop.average)
        folder = self.store.save(progress.step, self.write_model, accumulators, state, is_best=is_best)
        if is_best:
            self.keep_best(folder)
        self.observe(CheckpointReport(progress.step, folder))

    def _state_id(self) -> tuple[int, int]:
        """Return what identifies a saved state: an evaluation changes the state without a further step."""
        return self.loop.progress.step, self.loop.progress.evaluated_step

    def log_step(self, report: StepReport) -> None:
        """Write the scalars of the steps since the last call that wrote, if they are due after this step."""
        self._window_tokens += report.n_tokens
        self._window_seconds += report.seconds
        if report.step % self.log_every and not report.ends_epoch and report.step < report.total_steps:
            return
        progress = self.loop.progress
        rate = report.learning_rate
        values: dict[str, float] = {}
        if progress.window_count:
            values["train/loss"] = progress.window_loss / progress.window_count
        values["train/learning_rate"] = rate
        values |= {f"train/learning_rate/{group}": rate * factor for group, factor in self.rate_factors.items()}
        if math.isfinite(report.gradient_norm):
            values["train/gradient_norm"] = report.gradient_norm
        values["system/tokens_per_second"] = self._window_tokens / self._window_seconds
        values["system/memory_mb"] = peak_memory_mb()
        self.tracker.write_scalars(report.step, report.epoch, values)
        progress.window_loss, progress.window_count = 0.0, 0
        self._window_tokens, self._window_seconds = 0, 0.0


def flatten_metrics(metrics: Mapping[str, Any], split: str) -> dict[str, float]:
    """Return the numbers among a split's metrics by tag: ``SPLIT/METRIC``, and ``SPLIT/f1/LABEL`` for single labels.

    ``{"f1": 0.5, "per_label": {"a": {"f1": 0.25, "rows": 3}}}`` of dev gives ``{"dev/f1": 0.5, "dev/f1/a": 0.25}``.
    """
    numbers = {f"{split}/{name}": float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
    per_label = metrics.get("per_label", {})
    return numbers | {f"{split}/f1/{label}": float(scores["f1"]) for label, scores in per_label.items()}


def _to_json_value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
