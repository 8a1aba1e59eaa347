"""Cost of logging by `logging.detail`, measured within single runs, so that other load affects both parts alike."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from paddle_tasks import runtime
from paddle_tasks.training import run_panels
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.session import Session
from paddle_tasks.training.settings import DETAILS, RunSection
from paddle_tasks.training.tracking import Tracker
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds
from paddle_tasks.workflows.bench.stopwatch import Stopwatch
from paddle_tasks.workflows.bench.training import empty_cache, training_settings
from paddle_tasks.workflows.train import run_training

_STEPS = "steps"
_GRADIENTS = "gradients"  # part of "full", and the only logging that happens within a step


def measure_logging(config: RunSection, *, repeats: int, device: str, notify: Notify = lambda _text: None) -> Report:
    """Train several times at full detail, and compare the time of each detail with the time of the steps.

    The seconds of a detail include those of the lower ones. They are spent on making what is logged and handing it
    over; VisualDL's own thread writes it while the training goes on.

    Raises:
        UserError: the configuration or its data cannot be used.
        RunStopped: a run was stopped, or its loss is not finite.
    """
    device = runtime.use_device(device)
    runs = run_rounds({_STEPS: lambda: _run(config, device)}, repeats, notify=notify)[_STEPS]
    steps = Spread.from_values([run[_STEPS] for run in runs])
    return Report(
        bench="logging",
        timed="the steps of a run, and its logging",
        measurements=[
            Measurement(_STEPS, steps, {"share": 1.0}),
            *(_measurement(level, runs) for level in range(len(DETAILS))),
        ],
        settings=training_settings(config),
        environment=runtime.describe_environment(device),
    )


def _measurement(level: int, runs: Sequence[Mapping[str, float]]) -> Measurement:
    seconds = [sum(run.get(detail, 0.0) for detail in DETAILS[: level + 1]) for run in runs]
    shares = Spread.from_values([part / run[_STEPS] for part, run in zip(seconds, runs, strict=True)])
    return Measurement(DETAILS[level], Spread.from_values(seconds), {"share": shares.median})


def _run(config: RunSection, device: str) -> Mapping[str, float]:
    """Return the seconds of a run's steps, and the seconds that each detail adds to the one below it."""
    watch = Stopwatch()
    events: list[object] = []
    logging = config.logging.model_copy(update={"visualdl": True, "detail": "full"})
    with tempfile.TemporaryDirectory(prefix="paddle-tasks-bench-") as folder:
        config = config.model_copy(update={"run_dir": str(Path(folder) / "run"), "logging": logging})
        with _timed_phases(watch), empty_cache(Path(folder) / "cache"):
            run_training(config, device=device, fresh=False, observe=events.append)
    gradients = watch.seconds.pop(_GRADIENTS, 0.0)
    steps = sum(event.seconds for event in events if isinstance(event, StepReport)) - gradients
    return {**watch.seconds, _STEPS: steps, "full": watch.seconds["full"] + gradients}


@contextlib.contextmanager
def _timed_phases(watch: Stopwatch) -> Iterator[None]:
    # Only the innermost phase counts: texts that are written among panels are "light".
    with (
        watch.time_calls("light", Tracker, "write_scalars", "write_texts"),
        watch.time_calls("normal", run_panels, "show_run_info", "show_evaluation", "show_vectors"),
        watch.time_calls("full", run_panels, "show_weights"),
        watch.time_calls(_GRADIENTS, Session, "show_gradients"),
    ):
        yield
