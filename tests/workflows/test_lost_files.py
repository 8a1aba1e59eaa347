"""Runs whose logs are lost, whose disk is full, or whose weights are NaN: nothing passes silently."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import CheckpointError, Interrupted, NonFiniteError
from paddle_tasks.inference.export import export_float16
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained.loading import load_pretrained
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.sweep.run import sweep
from paddle_tasks.workflows.train import train
from tests.training.reading import metrics_points, visualdl_points

from .interruptions import Interruption, after, interrupt, resume, terminate
from .snapshot import differing, snapshot

Points = dict[str, list[tuple[int, float]]]


# ---- logs


def without_system(points: Points) -> Points:
    return {tag: values for tag, values in points.items() if not tag.startswith("system/")}


def cut_in_a_line(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("name", ["metrics.jsonl", "vdl/vdlrecords.*.log"])
@pytest.mark.parametrize("lose", [Path.unlink, cut_in_a_line], ids=["deleted", "cut"])
def test_a_log_that_was_lost_is_rebuilt_on_resuming(small_config, tmp_path, finished, name, lose: Callable[..., None]):
    config = small_config(tmp_path)
    interrupt(config, Interruption(after(8, terminate), Interrupted, 8))
    (file,) = (tmp_path / "run").glob(name)
    lose(file)
    resumed, notes = resume(config)
    assert any("rebuilt from" in note for note in notes)
    for points in (metrics_points(tmp_path / "run/metrics.jsonl"), visualdl_points(tmp_path / "run/vdl")):
        assert without_system(points) == without_system(metrics_points(finished / "metrics.jsonl"))
    epochs = [(r["step"], r["epoch"], r["tag"]) for r in read_metrics(tmp_path / "run/metrics.jsonl")]
    assert epochs == [(r["step"], r["epoch"], r["tag"]) for r in read_metrics(finished / "metrics.jsonl")]
    # Values are rounded or pictures are lost, and the checkpoint of step 8 is kept.
    assert differing(resumed, snapshot(finished)) <= {"metrics", "panels", "checkpoints"}


def test_resuming_is_refused_when_no_log_is_left(small_config, tmp_path):
    config = small_config(tmp_path, logging={"visualdl": False})
    interrupt(config, Interruption(after(8, terminate), Interrupted, 8))
    file = tmp_path / "run/metrics.jsonl"
    cut_in_a_line(file)
    before = file.read_bytes(), (tmp_path / "run/result.json").read_bytes()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: .* start anew with --fresh"):
        train(config)
    assert (file.read_bytes(), (tmp_path / "run/result.json").read_bytes()) == before


@pytest.mark.parametrize("seconds", [-40 * 365 * 86_400, 70 * 365 * 86_400], ids=["back", "forward"])
def test_a_clock_that_jumps_changes_nothing(small_config, tmp_path, finished, monkeypatch, seconds):
    config = small_config(tmp_path)
    interrupt(config, Interruption(after(8, terminate), Interrupted, 8))
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)
    resumed, _notes = resume(config)
    assert differing(resumed, snapshot(finished)) <= {"checkpoints"}  # that of step 8 is kept
    assert len(list((tmp_path / "run/vdl").glob("vdlrecords.*.log"))) == 1
    assert json.loads((tmp_path / "run/result.json").read_text("utf-8"))["train"]["seconds"] > 0


# ---- a full disk

COMMAND = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from paddle_tasks.cli import main
main()
"""


def run_with_limit(limit: int, *arguments: str) -> tuple[int, list[str]]:
    """Run a command whose files may have that many bytes, and return its exit code and the lines of its messages."""
    command = [sys.executable, "-c", COMMAND, str(limit), *arguments]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        pytest.param(4_000, "light", id="weights"),
        pytest.param(1_500, "light", id="metrics and settings", marks=pytest.mark.long),
        pytest.param(20_000, "normal", id="VisualDL", marks=pytest.mark.long),
    ],
)
@pytest.mark.long
def test_a_full_disk_is_one_line_and_the_run_continues(small_config, tmp_path, limit, detail):
    sections = {"training": {"max_steps": 4, "save_every_steps": 1}, "logging": {"detail": detail}}
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(small_config(tmp_path, **sections)), encoding="utf-8")
    code, lines = run_with_limit(limit, "train", str(file), "--quiet")
    assert (code, len(lines)) == (1, 1), lines
    assert "File too large" in lines[0]
    assert train(file).result["status"] == "finished"
    whole = train(small_config(tmp_path / "whole", **sections)).folder
    assert differing(snapshot(tmp_path / "run"), snapshot(whole)) == set()


@pytest.mark.long
def test_a_full_disk_in_an_export_leaves_nothing(finished, tmp_path):
    output = tmp_path / "model"
    code, lines = run_with_limit(4_000, "export", str(finished), "--format", "paddle-tasks", "--output", str(output))
    assert (code, len(lines)) == (1, 1), lines
    assert "File too large" in lines[0]
    assert list(tmp_path.iterdir()) == []


# ---- not a number


def spoil(folder: Path, value: float) -> str:
    """Put a value that is not finite into the weights of a model folder, and return the name of the tensor."""
    path = folder / "model.safetensors"
    arrays = load_file(path)
    name = sorted(arrays)[-1]
    arrays[name].reshape(-1)[0] = value
    save_file(arrays, path, metadata={"format": "np"})
    return name


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """Return a copy of the finished run."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_not_finite_are_an_error_at_loading(copy, value):
    name = spoil(copy / "model", value)
    for use in (load, evaluate, lambda run: export_float16(run, copy.parent / "exported")):
        with pytest.raises(CheckpointError) as error:
            use(copy)
        assert f"{copy / 'model/model.safetensors'}: 1 of the " in str(error.value)
        assert f" values of {name} are NaN or infinite" in str(error.value)


def test_an_encoder_that_is_not_finite_is_an_error_at_loading(tmp_path):
    from paddle_tasks.models.pretrained.loading import ASSETS

    folder = Path(shutil.copytree(ASSETS / "ernie-mini-zh", tmp_path / "encoder"))
    name = spoil(folder, math.nan)
    with pytest.raises(CheckpointError, match=f"values of {name} are NaN or infinite"):
        load_pretrained(str(folder))


@pytest.mark.parametrize("lose", ["weights", "average"])
def test_a_checkpoint_whose_weights_are_not_finite_is_not_continued(small_config, tmp_path, lose, monkeypatch):
    config = small_config(tmp_path, training={"ema_decay": 0.9})
    interrupt(config, Interruption(after(8, terminate), Interrupted, 8))
    folder = tmp_path / "run/checkpoints/step-00000008"
    if lose == "weights":
        spoil(folder / "model", math.nan)
    else:
        arrays = load_file(folder / "optimizer.safetensors")
        next(array for name, array in arrays.items() if name.endswith("::own")).reshape(-1)[0] = math.nan
        save_file(arrays, folder / "optimizer.safetensors")
    monkeypatch.setattr("paddle_tasks.training.checkpoint.find_damage", lambda folder: None)
    with pytest.raises(CheckpointError, match="are NaN or infinite"):
        train(config)


def strict_json(folder: Path) -> list[Path]:
    """Parse every JSON file of a folder strictly, and return them."""

    def refuse(word: str) -> float:
        raise AssertionError(word)

    files = [*folder.rglob("*.json"), *folder.rglob("*.jsonl")]
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines() if file.suffix == ".jsonl" else [file.read_text("utf-8")]
        for line in lines:
            json.loads(line, parse_constant=refuse)
    return files


@pytest.mark.parametrize("on_nonfinite", ["skip", "stop"])
@pytest.mark.parametrize("steps", [1, 4])
def test_a_run_that_diverges_has_failed(small_config, tmp_path, on_nonfinite, steps):
    """The first step is done; with these weights every further loss is NaN."""
    config = small_config(
        tmp_path,
        training={"on_nonfinite": on_nonfinite, "max_steps": steps},
        optimizer={"learning_rate": 1e38, "schedule": "constant", "warmup_fraction": 0.0},
    )
    with pytest.raises(NonFiniteError, match=r"(nan|NaN|inf)(.|\n)*--fresh"):
        train(config)
    result = json.loads((tmp_path / "run/result.json").read_text(encoding="utf-8"))
    assert result["status"] == "failed"
    assert len(strict_json(tmp_path)) >= 2


def test_a_run_whose_every_step_was_skipped_has_failed(small_config, tmp_path, monkeypatch):
    original = SentimentTask.loss
    monkeypatch.setattr(SentimentTask, "loss", lambda task, *rest: (original(task, *rest)[0] * math.nan, 1))
    config = small_config(tmp_path, training={"on_nonfinite": "skip"})
    for _ in range(2):  # the same command says the same
        with pytest.raises(NonFiniteError, match=r"all 12 steps were skipped(.|\n)*--fresh"):
            train(config)
        assert json.loads((tmp_path / "run/result.json").read_text(encoding="utf-8"))["status"] == "failed"
    strict_json(tmp_path)


def test_a_sweep_names_the_run_that_diverged(small_config, tmp_path):
    config = small_config(tmp_path, training={"on_nonfinite": "skip", "max_steps": 4})
    with pytest.raises(NonFiniteError, match=r"learning_rate=1e.38,seed=1 failed"):
        sweep(config, seeds=[1], grid={"optimizer.learning_rate": [0.01, 1e38]})
    assert strict_json(tmp_path)


def test_a_metric_that_is_sometimes_nan_chooses_among_the_others(small_config, tmp_path, monkeypatch):
    original, calls = SentimentTask.evaluate, itertools.count(1)

    def evaluate_once_nan(task: Any, *arguments: Any) -> Any:
        evaluation = original(task, *arguments)
        if next(calls) == 1:
            evaluation.metrics["accuracy"] = math.nan
        return evaluation

    monkeypatch.setattr(SentimentTask, "evaluate", evaluate_once_nan)
    result = train(small_config(tmp_path)).result
    assert (result["status"], result["train"]["best_step"]) == ("finished", 12)
    assert np.isfinite(result["dev"]["accuracy"])
    strict_json(tmp_path)
