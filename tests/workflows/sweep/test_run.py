"""A sweep: what it writes, that it continues where it was stopped, and that a failed run spoils no other."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, Interrupted, NonFiniteError
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows.sweep import run as run_module
from paddle_tasks.workflows.sweep.plan import plan_sweep
from paddle_tasks.workflows.sweep.run import run_sweep, sweep
from paddle_tasks.workflows.train import train

from ..snapshot import metrics

SEEDS, GRID = (1, 2), {"model.dropout": [0.1, 0.4]}
NAMES = [f"dropout={dropout},seed={seed}" for dropout in (0.1, 0.4) for seed in SEEDS]


def read_json(folder: Path, name: str = "sweep.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def statuses(folder: Path) -> list[str]:
    return [run["status"] for point in read_json(folder)["points"] for run in point["runs"]]


def modification_times(folder: Path) -> dict[str, int]:
    """Return the modification time of every file of the runs."""
    return {str(path): path.stat().st_mtime_ns for run in folder.iterdir() if run.is_dir() for path in run.rglob("*")}


@pytest.fixture(scope="module")
def settings(small_config, tmp_path_factory) -> Callable[[str], dict[str, Any]]:
    """Return a function that makes a configuration with its own folder."""

    def make(name: str) -> dict[str, Any]:
        config = small_config(tmp_path_factory.mktemp(name), logging={"visualdl": False})
        return {**config, "training": {**config["training"], "epochs": 1}}

    return make


@pytest.fixture(scope="module")
def whole(settings) -> Path:
    """Return the folder of an uninterrupted sweep, which no test may change."""
    return sweep(settings("whole"), seeds=SEEDS, grid=GRID).folder


# ---- what a sweep writes


def test_each_run_has_a_folder_of_its_own(whole):
    assert whole.name == "run-sweep"
    assert sorted(path.name for path in whole.iterdir() if path.name != ".lock") == [*NAMES, "sweep.json"]
    assert all((whole / name / "model").is_dir() for name in NAMES)


def test_the_summary_has_the_scores_of_the_runs(whole):
    summary = read_json(whole)
    assert (summary["schema"], summary["status"], summary["task"]) == (1, "finished", "sentiment")
    assert (summary["metric"], summary["seeds"], summary["grid"]) == ("accuracy", [1, 2], GRID)
    for dropout, point in zip(GRID["model.dropout"], summary["points"], strict=True):
        results = [read_json(whole / f"dropout={dropout},seed={seed}", "result.json") for seed in SEEDS]
        assert (point["settings"], point["finished"]) == ({"model.dropout": dropout}, 2)
        for split in ("dev", "test"):
            assert {"accuracy", "f1", "loss"} <= point[split].keys()
            assert "per_label" not in point[split]
            for name, spread in point[split].items():
                values = [result[split][name] for result in results]
                assert spread["mean"] == pytest.approx(np.mean(values), abs=1e-12)
                assert spread["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-12)
            assert [run[split] for run in point["runs"]] == [result[split]["accuracy"] for result in results]
        assert point["seconds"]["mean"] == pytest.approx(np.mean([result["train"]["seconds"] for result in results]))


def test_the_point_with_the_best_mean_dev_score_is_best(whole):
    summary = read_json(whole)
    best = max(summary["points"], key=lambda point: point["dev"]["accuracy"]["mean"])
    assert summary["best"]["point"] == best["name"]
    assert summary["best"]["dev"] == best["dev"]["accuracy"]
    assert summary["chosen_by"] == "mean dev accuracy over the seeds"


def test_a_run_of_a_sweep_equals_one_of_train(whole, settings):
    alone = train(settings("alone"), seed=2, model={"dropout": 0.4}).folder
    assert metrics(alone) == metrics(whole / NAMES[3])
    assert metrics(alone) != metrics(whole / NAMES[2])


def test_the_same_sweep_again_trains_nothing_and_says_so(settings, whole, tmp_path):
    folder, notes = tmp_path / "copy", []
    shutil.copytree(whole, folder)
    config, before = settings("again"), modification_times(folder)
    again = sweep(config, seeds=SEEDS, grid=GRID, run_dir=str(folder), observe=notes.append)
    assert (modification_times(folder), again.summary) == (before, read_json(whole))
    assert [note.text for note in notes] == [
        f"run {number} of 4: {name} is finished already, skipped" for number, name in enumerate(NAMES, start=1)
    ]
    more = sweep(config, seeds=(*SEEDS, 3), grid={"model.dropout": [0.1]}, run_dir=str(folder))
    assert more.summary["points"][0]["dev"]["accuracy"]["n"] == 3
    assert modification_times(folder).items() > before.items()


# ---- interruptions


def stop_at(step: int, after: int) -> Callable[[Any], None]:
    """Return an observer that sends SIGTERM at a step of run number ``after``, counted from 1."""
    started: list[Note] = []

    def observe(event: Any) -> None:
        started.extend([event] if isinstance(event, Note) and event.text.startswith("run ") else [])
        if isinstance(event, StepReport) and event.step == step and len(started) == after:
            signal.raise_signal(signal.SIGTERM)

    return observe


def check_resuming(config: dict[str, Any], whole: Path) -> list[str]:
    """Resume a sweep, check that its runs equal those of the uninterrupted sweep, and return the notes."""
    events: list[Any] = []
    done = sweep(config, seeds=SEEDS, grid=GRID, observe=events.append)
    assert done.summary["status"] == "finished"
    for name in NAMES:
        assert metrics(done.folder / name) == metrics(whole / name)
    for ours, theirs in zip(done.summary["points"], read_json(whole)["points"], strict=True):
        assert (ours["dev"], ours["test"]) == (theirs["dev"], theirs["test"])
    return [event.text for event in events if isinstance(event, Note)]


def test_a_stopped_sweep_is_resumed_exactly(settings, whole):
    config = settings("stopped")
    with pytest.raises(Interrupted, match=r"dropout=0.1,seed=2: stopped by SIGTERM"):
        sweep(config, seeds=SEEDS, grid=GRID, observe=stop_at(step=3, after=2))
    folder = Path(f"{config['run_dir']}-sweep")
    assert read_json(folder)["status"] == "interrupted"
    assert statuses(folder) == ["finished", "interrupted", "unfinished", "unfinished"]
    assert read_json(folder)["best"] is None
    before = modification_times(folder)
    notes = check_resuming(config, whole)
    assert notes[0] == f"run 1 of 4: {NAMES[0]} is finished already, skipped"
    assert any(note.startswith("continuing") and "after step 3 of 6" in note for note in notes)
    after = modification_times(folder)
    finished = {path: time for path, time in before.items() if f"/{NAMES[0]}/" in path}
    assert finished
    assert finished.items() <= after.items()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.long
def test_a_signal_while_data_is_read_stops_the_sweep(settings, whole, monkeypatch, number):
    config = settings("reading")
    original, calls = SentimentTask.read, itertools.count(1)

    def read(task: SentimentTask) -> None:
        if next(calls) == 3:
            signal.raise_signal(number)
        original(task)

    monkeypatch.setattr(SentimentTask, "read", read)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"dropout=0.4,seed=1"):
        sweep(config, seeds=SEEDS, grid=GRID)
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.set_wakeup_fd(-1) == -1
    assert statuses(Path(f"{config['run_dir']}-sweep")) == ["finished", "finished", "interrupted", "unfinished"]
    check_resuming(config, whole)


def test_a_signal_at_the_very_end_of_a_run_is_not_lost(settings, whole, monkeypatch):
    """The training loop receives it, and has nothing left to stop."""
    config = settings("between")
    original = RunFolder.write_predictions

    def write(folder: RunFolder, *arguments: Any) -> None:
        signal.raise_signal(signal.SIGTERM)
        original(folder, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_predictions", write)
        with pytest.raises(Interrupted, match="stopped between two runs"):
            sweep(config, seeds=SEEDS, grid=GRID)
    assert statuses(Path(f"{config['run_dir']}-sweep")) == ["finished", "unfinished", "unfinished", "unfinished"]
    check_resuming(config, whole)


def test_one_sweep_at_a_time_in_a_folder(settings):
    config = settings("locked")
    plan = plan_sweep(config, [], [1], {})
    plan.folder.mkdir(parents=True)
    with RunFolder(plan.folder).locked(), pytest.raises(CheckpointError, match="another process"):
        run_sweep(plan, device="auto", observe=lambda event: None)


# ---- failures


def test_a_run_that_diverges_is_named_and_the_others_are_kept(settings):
    config = settings("diverging")
    grid = {"optimizer.learning_rate": [0.02, 1e38, 0.01]}
    with pytest.raises(NonFiniteError) as raised:
        sweep(config, seeds=[1], grid=grid)
    assert str(raised.value).startswith("learning_rate=1e+38,seed=1 failed: ")
    assert "1 of 3 runs are finished and kept" in str(raised.value)
    folder = Path(f"{config['run_dir']}-sweep")
    summary = read_json(folder)
    assert (summary["status"], summary["best"]) == ("failed", None)
    assert statuses(folder) == ["finished", "failed", "unfinished"]
    assert summary["points"][1]["runs"][0]["error"]
    assert summary["points"][0]["finished"] == 1
    done = sweep(config, seeds=[1], grid={"optimizer.learning_rate": [0.02, 0.01]})
    assert done.summary["status"] == "finished"


@pytest.mark.parametrize("error", [DataError("no more rows"), OSError("disk full"), MemoryError("too large")])
@pytest.mark.long
def test_any_failure_is_recorded_and_reported(settings, monkeypatch, error):
    config, original, events = settings("failing"), run_module.run_in_slot, []

    def fail(run: Any, **options: Any) -> Any:
        if run.seed == 2:
            raise error
        return original(run, **options)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "run_in_slot", fail)
        with pytest.raises(type(error)) as raised:
            sweep(config, seeds=SEEDS, observe=events.append)
    folder = Path(f"{config['run_dir']}-sweep")
    assert statuses(folder) == ["finished", "failed"]
    reported = str(raised.value) + "".join(event.text for event in events if isinstance(event, Note))
    assert "seed=2 failed" in reported
    assert "1 of 2 runs are finished and kept" in reported
    assert sweep(config, seeds=SEEDS).summary["status"] == "finished"


def test_a_dev_split_with_the_rows_of_test_is_refused_after_the_first_run(settings, monkeypatch):
    """The rows of some data sections are unknown before they are read."""
    monkeypatch.setattr(DataSection, "split_sha256", lambda section, name, seed: None)
    config = settings("late")
    config["data"]["dev"] = config["data"]["test"]
    with pytest.raises(ConfigError, match="dev would choose on test"):
        sweep(config, seeds=[1])
