"""The progress of training: times as one says them, lines that fit, and a bar that starts again with each run."""

from __future__ import annotations

from dataclasses import fields

import pytest
from rich.console import Console

from paddle_tasks import language
from paddle_tasks.cli.progress import ProgressDisplay, training_bar
from paddle_tasks.training.display_text import format_duration
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import EvaluationReport


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


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.02, "1 s", "1 秒"),
        (8.4, "8 s", "8 秒"),
        (59.4, "59 s", "59 秒"),
        (59.6, "1 min", "1 分钟"),
        (200, "3 min", "3 分钟"),
        (3599, "1 h 0 min", "1 小时 0 分"),
        (7500, "2 h 5 min", "2 小时 5 分"),
    ],
)
def test_durations(seconds, english, chinese, request):
    request.addfinalizer(lambda: language.use("en"))
    for name, expected in (("en", english), ("zh", chinese)):
        language.use(name)
        assert format_duration(seconds) == expected


@pytest.mark.parametrize("name", ["en", "zh"])
def test_the_bar_fits_a_terminal(name, request):
    request.addfinalizer(lambda: language.use("en"))
    language.use(name)
    bar = training_bar()
    bar.live.console = console = Console(width=80, record=True, force_terminal=True)
    display = ProgressDisplay(lambda text: None, bar)
    metrics = {"accuracy": 0.8765}
    display.show(EvaluationReport(98_000, 7, metrics, "accuracy", ("accuracy",), is_best=True))
    display.show(report(98_765, 123_456, loss=1234.5))
    with console.capture() as shown:
        console.print(bar.get_renderable())
    assert len(shown.get().strip().splitlines()) == 1
    assert {"en": "dev accuracy 0.8765", "zh": "验证集准确率 0.8765"}[name] in shown.get()


def test_the_bar_disappears_at_the_end():
    assert training_bar().live.transient


def test_plain_lines_tell_the_time_left():
    lines: list[str] = []
    display = ProgressDisplay(lines.append)
    display.show(report(1, 41, loss=1.0))
    assert lines == ["epoch 0  step 1/41  loss 1.0000  16 tokens/s"]
    display.show(report(2, 41, loss=1.0))
    assert len(lines) == 1, "not every step is told"
