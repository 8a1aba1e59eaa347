"""Progress of a training run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from paddle_tasks.cli.output import print_notice
from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.language import _
from paddle_tasks.metrics.names import score_name, split_name
from paddle_tasks.training.display_text import format_duration
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import CheckpointReport, EvaluationReport

if TYPE_CHECKING:
    from paddle_tasks.training.trainer import Observer

_SECONDS_BETWEEN_LINES = 10.0
_BAR_WIDTH = 10


@contextlib.contextmanager
def display_progress(*, quiet: bool) -> Iterator[Observer]:
    """Yield an observer of training runs that writes to stderr; stdout is for results."""
    if quiet:
        yield lambda _event: None
    elif sys.stderr.isatty():
        with training_bar() as bar:
            # rich shows what is written to stderr above the bar.
            yield ProgressDisplay(print_notice, bar).show
    else:
        yield ProgressDisplay(print_notice).show


def training_bar() -> Progress:
    """Return an empty progress bar on stderr, which disappears at the end: the scores stand above it and below it."""
    return Progress(
        TextColumn("{task.fields[epoch]}"),
        BarColumn(_BAR_WIDTH),
        TextColumn("{task.fields[unit]}"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}"),
        console=Console(stderr=True),
        transient=True,
    )


class ProgressDisplay:
    """Shows the events of training runs, one run after another.

    Attributes:
        loss: smoothed loss; NaN before the first step of a run.
        rate: smoothed tokens per second.
        score: the last dev score, as text.
    """

    def __init__(self, write_line: Callable[[str], Any], bar: Progress | None = None) -> None:
        """Take a function that writes a line, and the bar to move, if there is one."""
        self._write_line, self._bar = write_line, bar
        self._bar_task: Any = None
        self.loss, self.rate, self.score = float("nan"), 0.0, ""
        self._step_seconds = 0.0
        self._last_line = 0.0
        self._last_step = 0

    def show(self, event: Any) -> None:
        """Show one event."""
        if isinstance(event, StepReport):
            self._show_step(event)
        elif isinstance(event, EvaluationReport):
            self._show_evaluation(event)
        elif not isinstance(event, CheckpointReport):
            self._write_line(event.text)

    def _show_step(self, report: StepReport) -> None:
        if report.step <= self._last_step:  # the next run of a sweep has begun
            self._reset(report)
        self._last_step = report.step
        # Raw values would change too fast to be read.
        self.rate = _smoothed(self.rate, report.n_tokens / report.seconds)
        self._step_seconds = _smoothed(self._step_seconds, report.seconds)
        self.loss = 0.9 * self.loss + 0.1 * report.loss if not math.isnan(self.loss) else report.loss
        if self._bar is not None:
            self._move_bar(self._bar, report)
        elif time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES or report.step == 1:
            self._last_line = time.monotonic()
            step = _("step {step}/{total}").format(step=report.step, total=report.total_steps)
            self._write_line(f"{_epoch(report.epoch)}  {step}  {self._state(report)}")

    def _state(self, report: StepReport) -> str:
        """Return loss, score, speed if it is asked for, and the time left."""
        left = (report.total_steps - report.step) * self._step_seconds
        parts = [f"loss {self.loss:.4f}", self.score]
        if verbosity.verbose or self._bar is None:
            parts.append(_("{rate:,.0f} tokens/s").format(rate=self.rate))
        if report.step > 1 and report.step < report.total_steps:
            parts.append(_("{time} left").format(time=format_duration(left)))
        return "  ".join(filter(None, parts))

    def _reset(self, report: StepReport) -> None:
        self.loss, self.rate, self.score, self._last_line = float("nan"), 0.0, "", 0.0
        self._step_seconds = 0.0
        if self._bar is not None and self._bar_task is not None:
            self._bar.reset(self._bar_task, total=report.total_steps)

    def _move_bar(self, bar: Progress, report: StepReport) -> None:
        fields: dict[str, Any] = {"epoch": _epoch(report.epoch), "unit": _("step"), "state": self._state(report)}
        if self._bar_task is None:
            self._bar_task = bar.add_task("train", total=report.total_steps, completed=report.step, **fields)
        bar.update(self._bar_task, completed=report.step, **fields)

    def _show_evaluation(self, report: EvaluationReport) -> None:
        names = [name for name in report.summary_metrics if name in report.metrics]
        scores = "  ".join(f"{name} {report.metrics[name]:.4f}" for name in names)
        self.score = f"{score_name('dev', report.metric)} {report.metrics[report.metric]:.4f}"
        best = "  " + _("best") if report.is_best else ""
        step = "" if self._bar is not None else "  " + _("step {step}").format(step=report.step)
        self._write_line(f"{_epoch(report.epoch)}{step}  {split_name('dev')} {scores}{best}")


def _epoch(number: int) -> str:
    return _("epoch {number}").format(number=number)


def _smoothed(before: float, value: float) -> float:
    return 0.9 * before + 0.1 * value if before else value
