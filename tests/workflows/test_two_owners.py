"""A run folder that two processes want: the first owns it from before it reads its data, the second is refused."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import config as configuration
from paddle_tasks.errors import CheckpointError
from paddle_tasks.tasks.classification.tfidf import Classifier
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.sweep.plan import plan_sweep
from paddle_tasks.workflows.sweep.run import run_sweep, sweep
from paddle_tasks.workflows.train import train

SUSPENDED = """
import json, os, signal, sys
from paddle_tasks.cli import main
from paddle_tasks.tasks.sentiment.task import SentimentTask

read = SentimentTask.read

def suspended(task):
    os.kill(os.getpid(), signal.SIGSTOP)
    read(task)

SentimentTask.read = suspended
main()
"""


def command_line(config: Path, *arguments: str, script: str = "from paddle_tasks.cli import main; main()") -> list[str]:
    return [sys.executable, "-c", script, "train", str(config), "--quiet", "--device", "cpu", *arguments]


@pytest.mark.long
@pytest.mark.parametrize("arguments", [[], ["--fresh"]])
def test_a_trainer_that_is_suspended_while_it_reads_its_data_keeps_its_folder(small_config, tmp_path, arguments):
    """Seed 2 starts and is suspended, seed 1 wants the folder meanwhile, seed 2 goes on."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(small_config(tmp_path, training={"max_steps": 2})), encoding="utf-8")
    first = subprocess.Popen(command_line(file, "seed=2", script=SUSPENDED), stderr=subprocess.PIPE)
    os.waitpid(first.pid, os.WUNTRACED)  # until it is suspended
    second = subprocess.run(command_line(file, "seed=1", *arguments), stderr=subprocess.PIPE, check=False)
    first.send_signal(signal.SIGCONT)
    first.communicate()
    assert first.returncode == 0
    assert second.returncode == 2
    assert (
        f"another process is training in this folder (pid {first.pid} on {platform.node()})" in second.stderr.decode()
    )
    assert len(second.stderr.splitlines()) == 1
    run = tmp_path / "run"
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    assert (result["seed"], result["status"], configuration.read(run / "config.yaml")["seed"]) == (2, "finished", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "run"]


def is_owned(folder: Path) -> bool:
    """Return whether a start in that folder is refused."""
    try:
        with RunFolder(folder).locked():
            return False
    except CheckpointError as error:
        return "another process" in str(error)


def owned_while_reading(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> list[bool]:
    """Note for each folder, while a run reads its data, whether it is owned."""
    read, owned = SentimentTask.read, []

    def read_late(task: SentimentTask) -> None:
        owned.extend(map(is_owned, folders))
        read(task)

    monkeypatch.setattr(SentimentTask, "read", read_late)
    return owned


@pytest.mark.parametrize("fresh", [False, True])
def test_the_folder_is_owned_before_the_data_is_read(small_config, tmp_path, monkeypatch, fresh):
    config = small_config(tmp_path, training={"max_steps": 1})
    if fresh:
        train(config)
    owned = owned_while_reading(monkeypatch, tmp_path / "run", tmp_path / "run.1")
    notes: list[Any] = []
    assert train(config, fresh=fresh, observe=notes.append).result["status"] == "finished"
    assert owned == [True, False]
    moved = [note.text for note in notes if isinstance(note, Note) and "older run" in note.text]
    assert moved == [f"the older run is now {tmp_path / 'run.1'}"] * fresh


def test_a_sweep_owns_its_folder_and_that_of_the_run_which_it_trains(small_config, tmp_path, monkeypatch):
    config, folder = small_config(tmp_path, training={"max_steps": 1}), tmp_path / "run-sweep"
    owned = owned_while_reading(monkeypatch, folder, folder / "seed=1", folder / "seed=2")
    assert sweep(config, seeds=[1, 2]).summary["status"] == "finished"
    assert owned == [True, True, False, True, False, True]


def test_a_run_of_a_sweep_that_another_process_trains_is_refused(small_config, tmp_path):
    config, folder = small_config(tmp_path, training={"max_steps": 1}), tmp_path / "run-sweep"
    folder.mkdir()
    with (
        RunFolder(folder / "seed=1").locked(),
        pytest.raises(CheckpointError, match=r"seed=1 failed: .*seed=1: another process"),
    ):
        sweep(config, seeds=[1])
    assert sweep(config, seeds=[1]).summary["status"] == "finished"


def test_a_sweep_looks_at_its_folders_again_when_it_owns_them(small_config, tmp_path):
    config = small_config(tmp_path, training={"max_steps": 1})
    plan = plan_sweep(config, [], [1], {})
    train(config, run_dir=str(tmp_path / "run-sweep/seed=1"), **{"model.dropout": 0.0})
    with pytest.raises(CheckpointError, match=r"model\.dropout: 0\.0 -> 0\.3"):
        run_sweep(plan, device="cpu", observe=lambda event: None)


def test_a_baseline_owns_its_folder_while_it_is_fitted(small_config, tmp_path, monkeypatch):
    config, fit, owned = small_config(tmp_path, logging={"visualdl": False}), Classifier.fit, []

    def fit_late(self: Classifier, *arguments: Any) -> bool:
        owned.append(is_owned(tmp_path / "run-baseline"))
        return fit(self, *arguments)

    monkeypatch.setattr(Classifier, "fit", fit_late)
    for fresh in (False, True):
        assert baseline(config, fresh=fresh).result["status"] == "finished"
    assert owned == [True, True]


# ---- links and the home folder


def by_train(config: dict[str, Any], fresh: bool) -> None:
    train(config, fresh=fresh)


def by_baseline(config: dict[str, Any], fresh: bool) -> None:
    baseline(config, fresh=fresh, run_dir=config["run_dir"])


def by_sweep(config: dict[str, Any], fresh: bool) -> None:
    assert not fresh
    sweep(config, seeds=[1], run_dir=config["run_dir"])


STARTS = {"train": by_train, "baseline": by_baseline, "sweep": by_sweep}
Start = Callable[[dict[str, Any], bool], None]


@pytest.mark.parametrize("start", [by_train, by_baseline])
def test_fresh_through_a_link(small_config, tmp_path, start: Start):
    (tmp_path / "R").mkdir()
    (tmp_path / "L").symlink_to("R")
    config = {**small_config(tmp_path, training={"max_steps": 1}), "run_dir": str(tmp_path / "L")}
    for fresh in (False, True, False):
        start(config, fresh)
    assert {path.name for path in tmp_path.iterdir()} == {"L", "R", "R.1"}
    for folder in ("R", "R.1", "L"):
        assert json.loads((tmp_path / folder / "result.json").read_text(encoding="utf-8"))["status"] == "finished"


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_link_that_leads_nowhere_is_named(small_config, tmp_path, start: Start):
    (tmp_path / "L").symlink_to("gone")
    with pytest.raises(CheckpointError, match=r"L is a link to gone, which does not exist"):
        start({**small_config(tmp_path), "run_dir": str(tmp_path / "L")}, False)
    assert [path.name for path in tmp_path.iterdir()] == ["L"]


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_the_home_folder_in_run_dir(small_config, tmp_path, monkeypatch, start: Start):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    start({**small_config(tmp_path, training={"max_steps": 1}), "run_dir": "~/runs/a"}, False)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    (config,) = (tmp_path / "home/runs/a").rglob("config.yaml")
    written = configuration.read(config)["run_dir"]
    assert written.startswith("~/runs/a"), "the setting keeps what was written"


def test_the_lock_of_a_trainer_that_was_killed_refuses_nobody(small_config, tmp_path):
    config = small_config(tmp_path, training={"max_steps": 1})

    def train_and_die() -> None:
        SentimentTask.read = lambda task: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        train(config)

    process = multiprocessing.get_context("fork").Process(target=train_and_die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / ".run.lock").exists()
    assert train(config).result["status"] == "finished"
