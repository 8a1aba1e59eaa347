"""Whole training runs through the trainer: tokens a second of its steps, and where the rest of the time goes."""

from __future__ import annotations

import contextlib
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
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows import train as training
from paddle_tasks.workflows.bench.products import Products, step_flops
from paddle_tasks.workflows.bench.report import Line, Report, Say, Spread, rounds, seconds_of
from paddle_tasks.workflows.bench.stopwatch import Stopwatch
from paddle_tasks.workflows.bench.variants import Alter, Variant
from paddle_tasks.workflows.run_folder import RunFolder

PHASES = ("reading", "tokenising", "evaluating", "saving")
_MATMUL_ROUNDS = 5  # after each run


@dataclass(frozen=True)
class _Measured:
    """One run: its result.json's `train`, seconds in all and by phase, and the rate of matrix products after it."""

    train: Mapping[str, Any]
    wall: float
    phases: Mapping[str, float]
    flops: int
    matmul_gflops: list[float]


def bench_training(
    variants: Mapping[str, Variant], *, repeats: int, device: str, say: Say = lambda _text: None
) -> Report:
    """Train each variant several times in turn, in folders that are gone afterwards.

    Args:
        variants: what is compared, by name; where they put their runs is not looked at.
        repeats: runs of each.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        say: is told how far it is.

    Raises:
        UserError: something in a configuration or its data cannot be used.
        RunStopped: a run was stopped, or its loss is not finite.
    """
    device = runtime.use_device(device)
    runs = rounds({name: partial(_run, variant, device) for name, variant in variants.items()}, repeats, say=say)
    first = next(iter(variants))
    matmul = Spread.of([rate for run in runs[first] for rate in run.matmul_gflops])
    return Report(
        bench="train",
        timed="the steps of a run",
        lines=[_line(name, runs[name], matmul) for name in variants],
        settings={
            **{name: getattr(variants[first].config.training, name) for name in ("epochs", "batch_size", "max_length")},
            "steps": runs[first][0].train["optimizer_steps"],
        },
        environment=runtime.describe_environment(device),
        matmul_gflops=matmul,
    )


def _line(name: str, runs: Sequence[_Measured], matmul: Spread) -> Line:
    seconds = Spread.of([run.train["seconds"] for run in runs])
    last = runs[-1]
    gflops = last.flops / seconds.median / 1e9
    figures = {
        "tokens_per_second": last.train["tokens"] / seconds.median,
        "padding": 1 - last.train["tokens"] / last.train["padded_tokens"],
        "gflops": gflops,
        "matmul_share": gflops / matmul.median,
        **{f"{phase}_seconds": statistics.median(run.phases.get(phase, 0.0) for run in runs) for phase in PHASES},
        "run_seconds": statistics.median(run.wall for run in runs),
        "peak_memory_mb": last.train["peak_memory_mb"],
    }
    return Line(name, seconds, figures)


def _run(variant: Variant, device: str) -> _Measured:
    watch, losses = Stopwatch(), _Losses(variant.alter)
    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        config = variant.config.model_copy(update={"run_dir": str(Path(folder) / "run")})
        with _watching(watch, losses, tasks.find(config.task)), cache_in(Path(folder) / "cache"):
            run = []
            wall = seconds_of(lambda: run.append(_train(config, device)))
    products = Products(losses.model, losses.mean_tokens)
    products()
    rates = [products.flops / seconds_of(products) / 1e9 for _ in range(_MATMUL_ROUNDS)]
    return _Measured(run[0].result["train"], wall, watch.seconds, losses.flops, rates)


def cache_in(folder: Path) -> contextlib.AbstractContextManager[Any]:
    """Let nothing be found that an earlier run has kept."""
    return mock.patch.dict(os.environ, {array_cache.FOLDER: str(folder)})


def _train(config: RunSection, device: str) -> training.Run:
    return training.run_training(config, device=device, fresh=False, observe=lambda _event: None)


class _Losses:
    """Stands before a task's `loss`: alters the model before the first one, and notes what goes through its encoder.

    That is less than the batches when vectors are kept, and twice as much with R-Drop.
    """

    def __init__(self, alter: Alter) -> None:
        self.model: nn.Layer | None = None
        self.counts: Counter[tuple[int, int]] = Counter()
        self._alter, self._is_within = alter, False

    def before(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method that does what `loss` does."""

        def noted(task: Any, model: nn.Layer, batch: Any) -> Any:
            if self.model is None:
                self._alter(model)
                model.encoder.register_forward_pre_hook(self._note)
            self.model, self._is_within = model, True
            try:
                return loss(task, model, batch)
            finally:
                self._is_within = False

        return noted

    def _note(self, _encoder: nn.Layer, inputs: tuple[Tensor, ...]) -> None:
        if self._is_within:  # and not in an evaluation
            batch_size, length = inputs[0].shape
            self.counts[batch_size, length] += 1

    @property
    def flops(self) -> int:
        """Operations in the matrix products of all these batches."""
        return sum(number * step_flops(self.model, *shape) for shape, number in self.counts.items())

    @property
    def mean_tokens(self) -> int:
        """Tokens of a batch, padding included, on average."""
        return sum(batch * length * n for (batch, length), n in self.counts.items()) // self.counts.total()


@contextlib.contextmanager
def _watching(watch: Stopwatch, losses: _Losses, task: type[Any]) -> Iterator[None]:
    encoders = [name for name in ("encode", "encode_packed") if hasattr(Tokenizer, name)]
    with (
        watch.watching("reading", task, "read"),
        watch.watching("tokenising", Tokenizer, *encoders),
        watch.watching("evaluating", task, "evaluate"),
        watch.watching("saving", CheckpointStore, "save"),
        watch.watching("saving", RunFolder, "write_predictions", "write_result"),
        watch.watching("saving", training, "copy_folder"),
        mock.patch.object(task, "loss", losses.before(task.loss)),
    ):
        yield
