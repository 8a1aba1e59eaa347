"""A run that was interrupted and resumed equals an uninterrupted one, bit for bit, wherever the interruption was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import runtime
from paddle_tasks.config import dump
from paddle_tasks.errors import Interrupted
from paddle_tasks.training.precision import Precision
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train
from tests.training.toy import loss_scaler

from .interruptions import INTERRUPTIONS, Interruption, after, interrupt, resume, terminate
from .snapshot import differing, latest_state, metrics, progress, snapshot


@pytest.fixture(scope="module")
def uninterrupted(resumable_config, tmp_path_factory) -> Callable[..., dict[str, Any]]:
    """Return a function that returns the snapshot of an encoder's uninterrupted run, which is trained once."""
    snapshots: dict[str, dict[str, Any]] = {}

    def train_once(encoder: str = "textcnn") -> dict[str, Any]:
        if encoder not in snapshots:
            folder = tmp_path_factory.mktemp(encoder)
            train(resumable_config(folder, encoder))
            snapshots[encoder] = snapshot(folder / "run")
        return snapshots[encoder]

    return train_once


QUICK = (
    "signal in mid-epoch",
    "signal in the scoring of test at the end",
    "crash before the first checkpoint",
    "crash in mid-accumulation",
    "crash between a best checkpoint and its copy",
    "full disk in a checkpoint",
)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in INTERRUPTIONS]
)
def test_a_resumed_run_equals_the_uninterrupted_one(name, resumable_config, uninterrupted, tmp_path):
    config, interruption = resumable_config(tmp_path), INTERRUPTIONS[name]
    interrupt(config, interruption)
    resumed, notes = resume(config)
    assert differing(resumed, uninterrupted()) == set()
    if interruption.restored:
        assert f"after step {interruption.restored} of 9" in "".join(notes)
    else:
        assert notes == []


def test_the_uninterrupted_run_depends_on_everything_that_a_checkpoint_restores(uninterrupted):
    """Its best model is not its last, its steps have dropout and momentum, and all its rows are used."""
    parts = uninterrupted()
    assert parts["progress"]["best_step"] < parts["progress"]["step"] == 9
    assert parts["weights"] != parts["best weights"]
    assert parts["progress"]["evaluations_without_gain"] > 0
    assert {tag for _, _, tag, _ in parts["metrics"]} >= {"train/loss", "dev/loss", "test/loss"}


@pytest.mark.parametrize("encoder", ["bert", pytest.param("bilstm", marks=pytest.mark.long)])
def test_resuming_with_other_encoders(encoder, resumable_config, uninterrupted, tmp_path):
    config = resumable_config(tmp_path, encoder)
    interrupt(config, INTERRUPTIONS["crash in mid-accumulation"])
    assert differing(resume(config)[0], uninterrupted(encoder)) == set()


@pytest.mark.long
def test_stopping_after_every_step(resumable_config, uninterrupted, tmp_path):
    config = resumable_config(tmp_path)
    for step in range(1, 10):
        interrupt(config, Interruption(after(step, terminate), Interrupted, step))
    assert differing(resume(config)[0], uninterrupted()) == set()


def test_a_damaged_checkpoint_is_skipped_and_the_run_is_the_same(resumable_config, uninterrupted, tmp_path):
    config = resumable_config(tmp_path)
    interrupt(config, INTERRUPTIONS["crash in the last epoch"])
    weights = tmp_path / "run/checkpoints/step-00000008/model/model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    resumed, notes = resume(config)
    assert differing(resumed, uninterrupted()) == set()
    assert "skipped a damaged checkpoint" in notes[0]
    assert "step-00000008: model/model.safetensors has changed" in notes[0]
    assert "after step 6 of 9" in notes[1]


def test_the_counters_of_early_stopping_are_restored(resumable_config, tmp_path):
    def with_patience(folder: Path) -> dict[str, Any]:
        config = resumable_config(folder, epochs=30, early_stopping_patience=4)
        return {**config, "evaluation": {"metric": "loss", "batch_size": 64, "every_steps": 1}}

    train(with_patience(tmp_path / "whole"))
    whole = snapshot(tmp_path / "whole/run")
    best, last = whole["progress"]["best_step"], whole["progress"]["step"]
    assert whole["progress"]["stopped_early"]
    assert last == best + 4 < 90
    config = with_patience(tmp_path / "stopped")
    interrupt(config, Interruption(after(best + 2, terminate), Interrupted, best + 2))
    stopped = progress(tmp_path / "stopped/run")
    assert (stopped["best_step"], stopped["evaluations_without_gain"]) == (best, 1)
    assert differing(resume(config)[0], whole) == set()


@pytest.mark.long
def test_the_loss_scale_of_float16_is_restored(resumable_config, tmp_path, monkeypatch):
    def scaled(dtype: str, level: str) -> Precision:
        return Precision(scaler=loss_scaler(monkeypatch, incr_every_n_steps=2))

    monkeypatch.setattr(Precision, "prepare", scaled)
    train(resumable_config(tmp_path / "whole"))
    config = resumable_config(tmp_path / "stopped")
    interrupt(config, INTERRUPTIONS["signal in mid-epoch"])
    whole, (resumed, _) = snapshot(tmp_path / "whole/run"), resume(config)
    assert differing(resumed, whole) == set()
    states = [latest_state(tmp_path / name / "run")["scaler"] for name in ("stopped", "whole")]
    assert states[0] == states[1]
    assert (states[0]["scale"], states[0]["incr_count"]) == ([1024 * 2**4], 1)


# ---- another process


def n_lines(file: Path) -> int:
    return file.read_text().count("\n") if file.is_file() else 0


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not condition():
        time.sleep(0.02)


@pytest.mark.long
def test_a_process_stops_at_sigterm_and_another_process_continues_its_run(small_config, tmp_path):
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
        wait_until(lambda: n_lines(run / "metrics.jsonl") >= 10, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 75, errors
    assert "paddle-tasks: stopped by SIGTERM" in errors
    assert "Traceback" not in errors
    assert 0 < progress(run)["step"] < 120
    assert len({step for step, *_ in metrics(run)}) == progress(run)["step"]
    resumed, notes = resume(configs["stopped"])
    assert f"continuing {run}" in notes[0]
    assert differing(resumed, snapshot(tmp_path / "whole/run")) == set()
