"""Prediction with a trained model: texts per second, the time for one text, and a whole process for one."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from paddle_tasks import runtime
from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import InputLayout, read_inputs
from paddle_tasks.inference.pipelines import Pipeline, pipeline
from paddle_tasks.inference.usage import usage_of
from paddle_tasks.onednn import precision
from paddle_tasks.onednn.precision import Precision
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call
from paddle_tasks.workflows.bench.startup import run_python

_CALLS = 100
"""Calls with one text in each round."""


@dataclass(frozen=True)
class _Round:
    """What one round measures: seconds for all texts, for each call with one text, and of a process for one."""

    all_texts: float
    one_text: Sequence[float]
    process: float


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
    texts = read_texts(name, file)
    one = min(texts, key=lambda text: abs(len(text) - 100))
    kinds: tuple[Precision, ...] = ("bfloat16", "float32") if precision.has_bfloat16() else ("float32",)
    predictors = {kind: pipeline(name, device="cpu", precision=kind) for kind in kinds}
    timers: dict[str, Callable[[], _Round]] = {
        kind: partial(_measure, name, predictor, kind, texts, one) for kind, predictor in predictors.items()
    }
    rounds = run_rounds(timers, repeats, warmup=1, notify=notify)
    return Report(
        bench="predict",
        timed=f"prediction of {len(texts):,} texts",
        measurements=[_measurement(kind, rounds[kind], len(texts)) for kind in kinds],
        settings={"characters_of_the_one_text": len(one)},
        environment=runtime.describe_environment("cpu"),
    )


def read_texts(name: str, file: Path) -> list[str]:
    """Return the texts of a file that a model can predict; `predict` reads the same files."""
    inputs = read_inputs([], file, InputLayout.of_model(usage_of(name)))
    texts = [row.text for row in inputs.rows if not row.error]
    if not texts:
        raise DataError(f"{file}: holds no text that can be predicted")
    return texts


def _measure(name: str, predictor: Pipeline, kind: Precision, texts: list[str], one: str) -> _Round:
    whole = time_call(lambda: predictor.answer(texts))
    calls = [time_call(lambda: predictor.answer([one])) for _ in range(_CALLS)]
    command = ("-m", "paddle_tasks", "predict", name, "--device", "cpu", "--", one)
    process = time_call(lambda: run_python(command, {precision.AUTO_VARIABLE: kind}))
    return _Round(whole, calls, process)


def _measurement(kind: str, rounds: Sequence[_Round], n_texts: int) -> Measurement:
    seconds = Spread.from_values([each.all_texts for each in rounds])
    calls = [1000 * call for each in rounds for call in each.one_text]
    values: Mapping[str, float] = {
        "texts_per_second": n_texts / seconds.median,
        "one_text_p50_ms": float(np.percentile(calls, 50)),
        "one_text_p95_ms": float(np.percentile(calls, 95)),
        "process_seconds": statistics.median(each.process for each in rounds),
    }
    return Measurement(kind, seconds, values)
