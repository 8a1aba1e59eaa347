"""The progress bar of a sweep starts again with each of its runs."""

from __future__ import annotations

from dataclasses import fields

from paddle_tasks.cli.progress import ProgressDisplay, training_bar
from paddle_tasks.training.loop import StepReport


def report(step: int, total: int, loss: float) -> StepReport:
    values = {field.name: 0 for field in fields(StepReport)}
    return StepReport(**{**values, "step": step, "total_steps": total, "loss": loss, "n_tokens": 8, "seconds": 0.5})


def test_the_next_run_resets_the_bar_and_the_loss():
    bar = training_bar()
    display = ProgressDisplay(lambda text: None, bar)
    for step in range(1, 7):
        display.show(report(step, 6, loss=9.0))
    (task,) = bar.tasks
    assert (task.completed, task.total, task.finished, display.loss) == (6, 6, True, 9.0)
    display.show(report(1, 4, loss=1.0))
    (task,) = bar.tasks
    assert (task.completed, task.total, task.finished, display.loss) == (1, 4, False, 1.0)
