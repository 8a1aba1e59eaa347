"""What logging costs of a run, by `logging.detail`: parts of the same runs, as both share a busy machine."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from paddle_tasks import runtime
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.session import Session
from paddle_tasks.training.settings import DETAILS, RunSection
from paddle_tasks.training.tracking import Tracker
from paddle_tasks.workflows import panels as looking
from paddle_tasks.workflows import train as training
from paddle_tasks.workflows.bench.report import Line, Report, Say, Spread, rounds
from paddle_tasks.workflows.bench.stopwatch import Stopwatch
from paddle_tasks.workflows.bench.training import cache_in

_STEPS = "steps"


def bench_logging(config: RunSection, *, repeats: int, device: str, say: Say = lambda _text: None) -> Report:
    """Train several times with all detail, and count what each detail adds; the ratio is over the steps' time.

    Each detail's seconds are those of what is made and handed over for it and for the details below it. What
    VisualDL's own thread then writes goes on beside the training.

    Raises:
        UserError: something in the configuration or its data cannot be used.
        RunStopped: a run was stopped, or its loss is not finite.
    """
    device = runtime.use_device(device)
    runs = rounds({_STEPS: lambda: _run(config, device)}, repeats, say=say)[_STEPS]
    steps = Spread.of([run[_STEPS] for run in runs])
    return Report(
        bench="logging",
        timed="the steps of a run, and its logging",
        lines=[Line(_STEPS, steps, {"share": 1.0}), *(_line(place, runs) for place in range(len(DETAILS)))],
        settings={name: getattr(config.training, name) for name in ("epochs", "batch_size", "max_length")},
        environment=runtime.environment(device),
    )


def _line(place: int, runs: Sequence[Mapping[str, float]]) -> Line:
    seconds = [sum(run.get(detail, 0.0) for detail in DETAILS[: place + 1]) for run in runs]
    shares = Spread.of([part / run[_STEPS] for part, run in zip(seconds, runs, strict=True)])
    return Line(DETAILS[place], Spread.of(seconds), {"share": shares.median})


def _run(config: RunSection, device: str) -> Mapping[str, float]:
    """Return the seconds of a run's steps, and of what each detail adds to the one below it."""
    watch, logging = Stopwatch(), config.logging.model_copy(update={"visualdl": True, "detail": "full"})
    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        placed = config.model_copy(update={"run_dir": str(Path(folder) / "run"), "logging": logging})
        with _watching(watch), cache_in(Path(folder) / "cache"):
            training.run_training(placed, device=device, fresh=False, observe=lambda _event: None)
    return watch.seconds


@contextlib.contextmanager
def _watching(watch: Stopwatch) -> Iterator[None]:
    # A phase within another is not counted for that: neither texts among panels nor gradients looked at in a step.
    with (
        watch.watching(_STEPS, Loop, "_step"),
        watch.watching("light", Tracker, "scalars", "texts"),
        watch.watching("normal", looking, "introduce", "show_scored", "show_vectors"),
        watch.watching("full", looking, "show_weights"),
        watch.watching("full", Session, "_look"),
    ):
        yield
