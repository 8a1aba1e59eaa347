"""What a person sees while a run trains: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from paddle_tasks.metrics import SHOWN
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import CheckpointReport, EvaluationReport

if TYPE_CHECKING:
    from paddle_tasks.workflows.train import Observer


_SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def watch(*, quiet: bool) -> Iterator[Observer]:
    """Yield what a training run reports to; it writes to stderr, results go to stdout."""
    if quiet:
        yield ignore
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _Watcher(partial(bar.console.print, markup=False, highlight=False), bar).see
    else:
        yield _Watcher(lambda text: sys.stderr.write(f"{text}\n"), None).see


def ignore(event: object) -> None:
    """Show nothing."""


def _bar() -> Progress:
    return Progress(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} tokens/s  {task.fields[score]}"),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


class _Watcher:
    """Keeps the running figures that steps, evaluations and checkpoints bring."""

    def __init__(self, say: Callable[[str], Any], bar: Progress | None) -> None:
        self.say, self.bar = say, bar
        self.row: Any = None
        self.loss, self.rate, self.score = float("nan"), 0.0, ""
        self.said = 0.0
        self.step = 0

    def see(self, event: Any) -> None:
        """Show one event."""
        if isinstance(event, StepReport):
            self._step(event)
        elif isinstance(event, EvaluationReport):
            self._evaluation(event)
        elif not isinstance(event, CheckpointReport):
            self.say(event.text)

    def _step(self, report: StepReport) -> None:
        if report.step <= self.step:  # of a sweep's next run
            self.loss, self.rate, self.score, self.said = float("nan"), 0.0, "", 0.0
            if self.bar is not None and self.row is not None:
                self.bar.reset(self.row, total=report.total_steps)
        self.step = report.step
        # Smoothed, or the figures would dance too fast to be read.
        rate = report.n_tokens / report.seconds
        self.rate = 0.9 * self.rate + 0.1 * rate if self.rate else rate
        self.loss = 0.9 * self.loss + 0.1 * report.loss if self.loss == self.loss else report.loss
        if self.bar is not None:
            self._move_bar(report)
        elif time.monotonic() - self.said > _SECONDS_BETWEEN_LINES or report.step == 1:
            self.said = time.monotonic()
            left = (report.total_steps - report.step) * report.seconds
            self.say(
                f"epoch {report.epoch}  step {report.step}/{report.total_steps}  loss {self.loss:.4f}  "
                f"{self.rate:,.0f} tokens/s  {left / 60:.1f} min left"
            )

    def _move_bar(self, report: StepReport) -> None:
        assert self.bar is not None
        fields: dict[str, Any] = {"epoch": report.epoch, "loss": self.loss, "rate": self.rate, "score": self.score}
        if self.row is None:
            self.row = self.bar.add_task("train", total=report.total_steps, completed=report.step, **fields)
        self.bar.update(self.row, completed=report.step, **fields)

    def _evaluation(self, report: EvaluationReport) -> None:
        scores = "  ".join(f"{name} {report.metrics[name]:.4f}" for name in SHOWN if name in report.metrics)
        self.score = f"dev {report.metrics['accuracy' if 'accuracy' in report.metrics else 'f1']:.4f}"
        self.say(f"epoch {report.epoch}  step {report.step}  dev {scores}{'  best so far' * report.is_best}")
