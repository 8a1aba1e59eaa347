"""A run that was interrupted, wherever that was, equals one that was not, bit for bit; and what would break that."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import runtime
from paddle_tasks.config import dump
from paddle_tasks.errors import Interrupted
from paddle_tasks.tasks.sentiment.task import Task
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.training import loop as loop_module
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.session import CheckpointReport, EvaluationReport
from paddle_tasks.training.tracking import MetricsWriter
from paddle_tasks.workflows import train as workflow
from paddle_tasks.workflows.train import Note, load_config, train
from tests.training.toy import loss_scaler

from .snapshot import differing, latest_state, metrics, progress, snapshot

# 22 rows in 8 batches of 3; groups of 3, 3 and 2 batches; 9 steps in 3 epochs, a checkpoint after every second step
# and after every evaluation, that is after 2, 3, 4, 6, 8 and 9.
TRAINING = {"epochs": 3, "batch_size": 3, "accumulation_steps": 3, "save_every_steps": 2}


class CrashError(Exception):
    """The process dies here."""


Patch = pytest.MonkeyPatch
Observer = Callable[[Any], None]


@dataclass(frozen=True)
class Interruption:
    """How a run is stopped, the error that this raises, and the step that it can go on from."""

    arm: Callable[[Patch], Observer]
    error: type[BaseException]
    restored: int


def ignore(event: Any) -> None:
    """Do nothing."""


def after(step: int, act: Callable[[], None], kind: type = StepReport) -> Callable[[Patch], Observer]:
    """Act when an event of that kind comes for a step."""

    def observe(event: Any) -> None:
        if isinstance(event, kind) and event.step == step:
            act()

    return lambda patch: observe


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def crash() -> None:
    raise CrashError


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ctrl_c_twice() -> None:
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)


def at_call(number: int, owner: Any, name: str, act: Callable[[], None], where: Callable[..., bool] | None = None):
    """Act at a call of a function, counted from 1 among those calls that ``where`` picks by their arguments."""

    def arm(patch: Patch) -> Observer:
        original, calls = getattr(owner, name), itertools.count(1)

        def replaced(*arguments: Any, **named: Any) -> Any:
            if (where is None or where(*arguments, **named)) and next(calls) == number:
                act()
            return original(*arguments, **named)

        patch.setattr(owner, name, replaced)
        return ignore

    return arm


def in_evaluation(number: int, split: str) -> Callable[[Patch], Observer]:
    """Send a signal before the second batch of an evaluation of that split, counted from 1."""

    def arm(patch: Patch) -> Observer:
        original, calls = Task.evaluate, itertools.count(1)

        def evaluate(self: Any, model: Any, data: Any, check_interrupt: Callable[[], None]) -> Any:
            batches = itertools.count(1)
            is_meant = data.name == split and next(calls) == number

            def watched() -> None:
                if next(batches) == 2 and is_meant:
                    terminate()
                check_interrupt()

            return original(self, model, data, watched)

        patch.setattr(Task, "evaluate", evaluate)
        return ignore

    return arm


INTERRUPTIONS = {
    "signal in mid-epoch": Interruption(after(5, terminate), Interrupted, 5),
    "signal with the first step": Interruption(after(1, terminate), Interrupted, 1),
    "signal at the end of an epoch": Interruption(after(6, terminate), Interrupted, 6),
    "signal in the last epoch": Interruption(after(8, terminate), Interrupted, 8),
    "signal with the last step": Interruption(after(9, terminate), Interrupted, 9),
    "signal in an evaluation": Interruption(in_evaluation(2, "dev"), Interrupted, 6),
    "signal in the last evaluation": Interruption(in_evaluation(3, "dev"), Interrupted, 9),
    "signal in the scoring of dev at the end": Interruption(in_evaluation(4, "dev"), Interrupted, 9),
    "signal in the scoring of test at the end": Interruption(in_evaluation(1, "test"), Interrupted, 9),
    "crash before the first checkpoint": Interruption(after(1, crash), CrashError, 0),
    # The second group of the second epoch is batches 12, 13 and 14.
    "crash in mid-accumulation": Interruption(at_call(13, Task, "loss", crash), CrashError, 4),
    "crash in the last epoch": Interruption(at_call(24, Task, "loss", crash), CrashError, 8),
    "crash after the training": Interruption(after(9, crash, EvaluationReport), CrashError, 9),
    "crash after a checkpoint": Interruption(after(4, crash, CheckpointReport), CrashError, 4),
    "crash in a checkpoint": Interruption(
        at_call(3, checkpoint_module, "sha256", crash, lambda path: "step-00000004" in str(path)), CrashError, 3
    ),
    "full disk in a checkpoint": Interruption(
        at_call(1, checkpoint_module, "save_file", fill_disk, lambda state, path: "step-00000006" in str(path)),
        OSError,
        4,
    ),
    "full disk in metrics.jsonl": Interruption(at_call(40, MetricsWriter, "write_scalar", fill_disk), OSError, 4),
    "crash between a best checkpoint and its pointer": Interruption(
        at_call(1, checkpoint_module, "write_text", crash, lambda path, text: path.name == "best"), CrashError, 3
    ),
    "crash between a best checkpoint and its copy": Interruption(
        at_call(1, workflow, "copy_folder", crash), CrashError, 3
    ),
    "crash before the predictions": Interruption(
        at_call(1, workflow.RunFolder, "write_predictions", crash), CrashError, 9
    ),
    "Ctrl-C twice": Interruption(after(5, ctrl_c_twice), KeyboardInterrupt, 4),
}


@pytest.fixture(scope="module", name="settings")
def settings_in_folders(small_config):
    """Return a function that gives the configuration of these tests in a folder."""

    def make(folder: Path, encoder: str = "textcnn", **training: Any) -> dict[str, Any]:
        config = small_config(
            folder,
            model={"encoder": encoder, "n_heads": 2, "pooling": "max"},
            optimizer={"learning_rate": 0.1, "schedule": "constant"},
            training={**TRAINING, **training},
            evaluation={"metric": "loss"},
            logging={"detail": "normal"},
        )
        return {**config, "seed": 7}  # with which the best model is not the last

    return make


@pytest.fixture(scope="module")
def uninterrupted(settings, tmp_path_factory):
    """Return a function that gives the snapshot of the run without interruption, of one encoder."""
    found: dict[str, dict[str, Any]] = {}

    def run(encoder: str = "textcnn") -> dict[str, Any]:
        if encoder not in found:
            folder = tmp_path_factory.mktemp(encoder)
            train(settings(folder, encoder))
            found[encoder] = snapshot(folder / "run")
        return found[encoder]

    return run


def interrupt(config: dict[str, Any], interruption: Interruption) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(interruption.error):
        train(config, observe=interruption.arm(patch))


def resume(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Train on, and return the snapshot and what the user is told."""
    notes: list[str] = []
    run = train(config, observe=lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    return snapshot(run.folder), notes


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_resuming_equals_not_stopping(name, settings, uninterrupted, tmp_path):
    config, interruption = settings(tmp_path), INTERRUPTIONS[name]
    interrupt(config, interruption)
    found, notes = resume(config)
    assert differing(found, uninterrupted()) == set()
    if interruption.restored:
        assert f"after step {interruption.restored} of 9" in "".join(notes)
    else:
        assert notes == []


def test_the_run_that_these_tests_stop_has_something_to_lose(uninterrupted):
    """Its best model is not its last, its steps have dropout and momentum, and all its rows were seen."""
    found = uninterrupted()
    assert found["progress"]["best_step"] < found["progress"]["step"] == 9
    assert found["weights"] != found["best weights"]
    assert found["progress"]["evaluations_without_gain"] > 0
    assert {tag for _, _, tag, _ in found["metrics"]} >= {"train/loss", "dev/loss", "test/loss"}


@pytest.mark.parametrize("encoder", ["bilstm", "bert"])
def test_resuming_with_other_encoders(encoder, settings, uninterrupted, tmp_path):
    config = settings(tmp_path, encoder)
    interrupt(config, INTERRUPTIONS["crash in mid-accumulation"])
    assert differing(resume(config)[0], uninterrupted(encoder)) == set()


def test_stopping_after_every_step(settings, uninterrupted, tmp_path):
    config = settings(tmp_path)
    for step in range(1, 10):
        interrupt(config, Interruption(after(step, terminate), Interrupted, step))
    assert differing(resume(config)[0], uninterrupted()) == set()


def test_a_damaged_checkpoint_costs_time_and_nothing_else(settings, uninterrupted, tmp_path):
    config = settings(tmp_path)
    interrupt(config, INTERRUPTIONS["crash in the last epoch"])
    weights = tmp_path / "run/checkpoints/step-00000008/model/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    found, notes = resume(config)
    assert differing(found, uninterrupted()) == set()
    assert "passed over a damaged checkpoint" in notes[0]
    assert "step-00000008: model/model.safetensors has changed" in notes[0]
    assert "after step 6 of 9" in notes[1]


def test_counters_of_early_stopping_survive(settings, tmp_path):
    def patient(folder: Path) -> dict[str, Any]:
        config = settings(folder, epochs=30, early_stopping_patience=4)
        return {**config, "evaluation": {"metric": "loss", "batch_size": 64, "every_steps": 1}}

    train(patient(tmp_path / "whole"))
    whole = snapshot(tmp_path / "whole/run")
    best, last = whole["progress"]["best_step"], whole["progress"]["step"]
    assert whole["progress"]["stopped_early"]
    assert last == best + 4 < 90
    config = patient(tmp_path / "stopped")
    interrupt(config, Interruption(after(best + 2, terminate), Interrupted, best + 2))
    stopped = progress(tmp_path / "stopped/run")
    assert (stopped["best_step"], stopped["evaluations_without_gain"]) == (best, 1)
    assert differing(resume(config)[0], whole) == set()


def test_the_loss_scale_of_float16_survives(settings, tmp_path, monkeypatch):
    def scaled(dtype: str, level: str) -> Precision:
        return Precision(scaler=loss_scaler(monkeypatch, incr_every_n_steps=2))

    monkeypatch.setattr(workflow.Precision, "prepare", scaled)
    train(settings(tmp_path / "whole"))
    config = settings(tmp_path / "stopped")
    interrupt(config, INTERRUPTIONS["signal in mid-epoch"])
    whole, (found, _) = snapshot(tmp_path / "whole/run"), resume(config)
    assert differing(found, whole) == set()
    states = [latest_state(tmp_path / name / "run")["scaler"] for name in ("stopped", "whole")]
    assert states[0] == states[1]
    assert (states[0]["scale"], states[0]["incr_count"]) == ([1024 * 2**4], 1)


# ---- negative controls: each part of the state, left out, shows


def leave_out_randomness(patch: Patch) -> None:
    """Let the dropout depend on the number of steps that this process has done."""
    counter = itertools.count()
    patch.setattr(loop_module, "step_seed", lambda seed, step, rank: next(counter))


def leave_out_optimizer(patch: Patch) -> None:
    patch.setattr(workflow, "load_optimizer_state", lambda *arguments: None)


def changed_state(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Patch], None]:
    def leave_out(patch: Patch) -> None:
        load = CheckpointStore.load_latest

        def load_latest(store: CheckpointStore) -> Any:
            found = load(store)
            return found and replace(found, state=change(dict(found.state)))

        patch.setattr(CheckpointStore, "load_latest", load_latest)

    return leave_out


LEFT_OUT = {
    "nothing": (lambda patch: None, set()),
    "randomness": (leave_out_randomness, {"weights", "optimizer", "metrics", "curves"}),
    "optimiser": (leave_out_optimizer, {"weights", "optimizer", "metrics", "curves"}),
    "position": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "batch": 0}}),
        {"weights", "optimizer", "metrics", "curves"},
    ),
    "step": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "step": 7}}),
        {"weights", "metrics"},
    ),
    "lengths of the logs": (changed_state(lambda state: {**state, "positions": {}}), {"metrics", "curves"}),
    "best value": (
        changed_state(lambda state: {**state, "progress": {**state["progress"], "best_value": None}}),
        {"pointers", "best weights", "progress"},
    ),
}


@pytest.mark.parametrize("part", LEFT_OUT)
def test_leaving_out_a_part_of_the_state_shows(part, settings, tmp_path):
    leave_out, spoiled = LEFT_OUT[part]
    snapshots = []
    for folder, is_stopped in ((tmp_path / "whole", False), (tmp_path / "stopped", True)):
        config = settings(folder)
        with pytest.MonkeyPatch.context() as patch:
            leave_out(patch)
            if is_stopped:
                interrupt(config, INTERRUPTIONS["signal in the last epoch"])
        with pytest.MonkeyPatch.context() as patch:
            leave_out(patch)
            snapshots.append(resume(config)[0])
    assert differing(*snapshots) >= spoiled
    assert bool(differing(*snapshots)) == bool(spoiled)


# ---- another process


def lines_of(file: Path) -> int:
    return file.read_text().count("\n") if file.is_file() else 0


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not condition():
        time.sleep(0.02)


def test_a_process_that_is_told_to_stop_and_another_that_goes_on(small_config, tmp_path):
    training = {"epochs": 40, "batch_size": 3, "accumulation_steps": 3}
    configs = {
        name: small_config(
            tmp_path / name, training=training, evaluation={"every_steps": 100}, model={"pooling": "mean"}
        )
        for name in ("whole", "stopped")
    }
    train(configs["whole"])
    run, file = tmp_path / "stopped/run", tmp_path / "config.yaml"
    file.write_text(dump(load_config(configs["stopped"])), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "paddle_tasks", "train", str(file)],
        env=runtime.child_environment(),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: lines_of(run / "metrics.jsonl") >= 10, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, errors
    assert "paddle-tasks: stopped by SIGTERM" in errors
    assert "Traceback" not in errors
    assert 0 < progress(run)["step"] < 120
    assert len({step for step, *_ in metrics(run)}) == progress(run)["step"]
    found, notes = resume(configs["stopped"])
    assert f"continuing {run}" in notes[0]
    assert differing(found, snapshot(tmp_path / "whole/run")) == set()
