"""Prediction with a trained model: texts per second, the time for one text, and a whole process for one."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

from paddle_tasks.inference.pipelines import Pipeline, pipeline
from paddle_tasks.onednn import precision
from paddle_tasks.onednn.precision import Precision
from paddle_tasks.workflows.bench.report import Notify, Report, run_rounds, time_call
from paddle_tasks.workflows.bench.startup import run_python
from paddle_tasks.workflows.bench.texts import BenchTexts, Times

_CALLS = 100
"""Calls with one text in each round."""


def measure_prediction(name: str, file: Path, *, repeats: int, notify: Notify = lambda _text: None) -> Report:
    """Time a model in each precision that this CPU has, in turn.

    Args:
        name: a run folder or the name of a shipped model.
        file: the texts; `predict` reads the same files.
        repeats: rounds that count.
        notify: called with messages about the progress.

    Raises:
        UserError: there is no such model, or the file holds no texts.
    """
    texts = BenchTexts.read(name, file)
    kinds: tuple[Precision, ...] = ("bfloat16", "float32") if precision.has_bfloat16() else ("float32",)
    timers: dict[str, Callable[[], tuple[Times, float]]] = {
        kind: partial(_measure, name, pipeline(name, device="cpu", precision=kind), kind, texts) for kind in kinds
    }
    rounds = run_rounds(timers, repeats, warmup=1, notify=notify)
    measurements = []
    for kind in kinds:
        times, processes = zip(*rounds[kind], strict=True)
        seconds = statistics.median(processes)
        measurements.append(texts.measurement(kind, times, (50, 95), process_seconds=seconds))
    return texts.report("predict", measurements)


def _measure(name: str, predictor: Pipeline, kind: Precision, texts: BenchTexts) -> tuple[Times, float]:
    """Return the times of a round, and the seconds of a process for one text."""
    times = texts.time(predictor.answer, _CALLS)
    command = ("-m", "paddle_tasks", "predict", name, "--device", "cpu", "--", texts.one)
    return times, time_call(lambda: run_python(command, {precision.AUTO_VARIABLE: kind}))
