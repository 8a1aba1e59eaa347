"""Whole training runs through the trainer: tokens per second of the steps, and where the rest of the time goes."""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from paddle import Tensor, nn

from paddle_tasks import runtime, tasks
from paddle_tasks.data import array_cache
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training import trainer
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.settings import Dtype, RunSection
from paddle_tasks.workflows.bench.products import MatrixProducts, step_flops
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call
from paddle_tasks.workflows.bench.stopwatch import Stopwatch
from paddle_tasks.workflows.bench.variants import Variant
from paddle_tasks.workflows.train import Run, ignore_events, run_training

PHASES = ("reading", "tokenising", "evaluating", "saving")
_MATMUL_ROUNDS = 5  # after each run


@dataclass(frozen=True)
class _TimedRun:
    """One run.

    Attributes:
        train: the section `train` of its result.json.
        wall: seconds of the whole run.
        phases: seconds by phase.
        flops: floating-point operations of the matrix products in its steps.
        precision: that of its products.
        matmul_gflops: the machine's rate in matrix products of that precision after the run.
    """

    train: Mapping[str, Any]
    wall: float
    phases: Mapping[str, float]
    flops: int
    precision: Dtype
    matmul_gflops: list[float]


def measure_training(
    variants: Mapping[str, Variant], *, repeats: int, device: str, notify: Notify = lambda _text: None
) -> Report:
    """Train each variant several times in turn, in temporary folders.

    Args:
        variants: what to compare, by name; their ``run_dir`` is ignored.
        repeats: runs of each variant.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        notify: called with messages about the progress.

    Raises:
        UserError: a configuration or its data cannot be used.
        RunStopped: a run was stopped, or its loss is not finite.
    """
    device = runtime.use_device(device)
    timers = {name: partial(_run, variant, device) for name, variant in variants.items()}
    runs = run_rounds(timers, repeats, notify=notify)
    first = next(iter(variants))
    rates: dict[Dtype, list[float]] = {}
    for run in itertools.chain.from_iterable(runs.values()):
        rates.setdefault(run.precision, []).extend(run.matmul_gflops)
    matmul = {precision: Spread.from_values(values) for precision, values in rates.items()}
    return Report(
        bench="train",
        timed="the steps of a run",
        measurements=[_measurement(name, runs[name], matmul[runs[name][0].precision]) for name in variants],
        settings={
            **training_settings(variants[first].config),
            "steps": runs[first][0].train["optimizer_steps"],
            "precision": runs[first][0].precision,
        },
        environment=runtime.describe_environment(device),
        matmul_gflops=matmul[runs[first][0].precision],
    )


def training_settings(config: RunSection) -> dict[str, Any]:
    """Return the settings that a run's time depends on most, as far as its task has them."""
    names = ("epochs", "batch_size", "max_length")
    return {name: getattr(config.training, name) for name in names if hasattr(config.training, name)}


def _measurement(name: str, runs: Sequence[_TimedRun], matmul: Spread) -> Measurement:
    seconds = Spread.from_values([run.train["seconds"] for run in runs])
    last = runs[-1]
    gflops = last.flops / seconds.median / 1e9
    values = {
        "tokens_per_second": last.train["tokens"] / seconds.median,
        "padding": 1 - last.train["tokens"] / last.train["padded_tokens"],
        "gflops": gflops,
        "matmul_share": gflops / matmul.median,
        **{f"{phase}_seconds": statistics.median(run.phases.get(phase, 0.0) for run in runs) for phase in PHASES},
        "run_seconds": statistics.median(run.wall for run in runs),
        "peak_memory_mb": last.train["peak_memory_mb"],
    }
    return Measurement(name, seconds, values)


def _run(variant: Variant, device: str) -> _TimedRun:
    watch, counter = Stopwatch(), _EncoderCounter(variant)
    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        config = variant.config.model_copy(update={"run_dir": str(Path(folder) / "run")})
        with _timed_phases(watch, counter, tasks.find(config.task)), empty_cache(Path(folder) / "cache"):
            run = []
            wall = time_call(lambda: run.append(_train(config, device)))
    precision = run[0].result["environment"]["precision"]
    products = MatrixProducts(counter.model, counter.mean_tokens, precision)
    products()
    rates = [products.flops / time_call(products) / 1e9 for _ in range(_MATMUL_ROUNDS)]
    return _TimedRun(run[0].result["train"], wall, watch.seconds, counter.flops, precision, rates)


def empty_cache(folder: Path) -> contextlib.AbstractContextManager[Any]:
    """Make ``folder`` the cache of arrays while a block runs, so that it finds nothing of earlier runs."""
    return mock.patch.dict(os.environ, {array_cache.FOLDER_VARIABLE: str(folder)})


def _train(config: RunSection, device: str) -> Run:
    return run_training(config, device=device, fresh=False, observe=ignore_events)


class _EncoderCounter:
    """Counts the batches that a task's `loss` sends through the encoder, by [batch, length].

    They are fewer than the batches of the run when the vectors of a frozen encoder are cached, and twice as many with
    R-Drop. The variant's switches are applied to the model before the first loss.
    """

    def __init__(self, variant: Variant) -> None:
        self.model: nn.Layer | None = None
        self.counts: Counter[tuple[int, int]] = Counter()
        self._variant, self._in_loss = variant, False

    def wrap(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that computes the same as `loss` and counts."""

        def counted(task: Any, model: nn.Layer, batch: Any) -> Any:
            if self.model is None:
                self._variant.apply_switches(model)
                model.encoder.register_forward_pre_hook(self._count)
            self.model, self._in_loss = model, True
            try:
                return loss(task, model, batch)
            finally:
                self._in_loss = False

        return counted

    def _count(self, _encoder: nn.Layer, inputs: tuple[Tensor, ...]) -> None:
        if self._in_loss:  # not in an evaluation
            batch_size, length = inputs[0].shape
            self.counts[batch_size, length] += 1

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products for all batches."""
        return sum(number * step_flops(self.model, *shape) for shape, number in self.counts.items())

    @property
    def mean_tokens(self) -> int:
        """Mean number of tokens in a batch, including padding."""
        return sum(batch * length * n for (batch, length), n in self.counts.items()) // self.counts.total()


@contextlib.contextmanager
def _timed_phases(watch: Stopwatch, counter: _EncoderCounter, task: type[Any]) -> Iterator[None]:
    encoders = [name for name in ("encode", "encode_packed") if hasattr(Tokenizer, name)]
    with (
        watch.time_calls("reading", task, "read"),
        watch.time_calls("tokenising", Tokenizer, *encoders),
        watch.time_calls("evaluating", task, "evaluate"),
        watch.time_calls("saving", CheckpointStore, "save"),
        watch.time_calls("saving", RunFolder, "write_predictions"),
        watch.time_calls("saving", RunResult, "write"),
        watch.time_calls("saving", trainer, "copy_folder"),
        mock.patch.object(task, "loss", counter.wrap(task.loss)),
    ):
        yield
