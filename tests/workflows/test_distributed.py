"""Two processes that train one model: the same as one process, stopped and resumed as one, with one voice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.config import dump
from paddle_tasks.workflows.train import load_config, train

from ..helpers import ROOT, Outcome
from . import launched
from .snapshot import differing, latest_state, metrics, snapshot

# 22 rows in batches of 3: the last batch of an epoch is one row, of which rank 1 has no share.
TRAINING = {"epochs": 3, "batch_size": 3, "save_every_steps": 2}
N_STEPS = 24


def launch(folder: Path, *arguments: str) -> Outcome:
    """Start two processes of `launched.py` with one thread each; their outputs are in ``folder/log``."""
    options = ["--nproc_per_node", "2", "--log_dir", str(folder / "log")]
    command = [sys.executable, "-m", "paddle.distributed.launch", *options, launched.__file__, *arguments]
    environment = {**os.environ, "PADDLE_TASKS_THREADS": "1", "PYTHONPATH": str(ROOT)}
    # A session of its own: what is left of it after an error here is ended with it.
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            return Outcome(*_ended(child))
        except BaseException:
            child.send_signal(signal.SIGTERM)  # which the launcher hands on
            raise


def _ended(child: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = child.communicate(timeout=240)
    return child.returncode, out, err


def said(folder: Path) -> str:
    """Return what all processes have written."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted((folder / "log").glob("workerlog.*")))


@pytest.fixture(scope="module")
def plain_config(small_config, tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("config")
    config = small_config(folder, model={"dropout": 0.0}, training=TRAINING, evaluation={"batch_size": 3})
    return {**config, "seed": 2}  # with seed 1 the first batch is the one of a single row


@pytest.fixture(scope="module")
def stage(plain_config, tmp_path_factory) -> Path:
    """Return the folder in which two processes have played every scene."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "config.json").write_text(json.dumps(plain_config), encoding="utf-8")
    outcome = launch(folder, "play", str(folder / "config.json"), str(folder))
    assert outcome.code == 0, f"{outcome.stderr}\n{said(folder)}"
    return folder


@pytest.fixture(scope="module")
def alone(plain_config, tmp_path_factory) -> Path:
    """Return the folder in which one process has played the first scene."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "config.json").write_text(json.dumps(plain_config), encoding="utf-8")
    with launched.played(launched.steps, folder / "config.json", folder) as (stage, seen):
        assert seen["error"] is None
        np.savez(folder / "steps-0.npz", **stage.arrays)
    return folder


def seen(folder: Path, scene: Any) -> list[dict[str, Any]]:
    """Return what each of the two ranks has seen of a scene."""
    return [json.loads((folder / f"{scene.__name__}-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


def arrays(folder: Path, scene: Any, rank: int = 0) -> dict[str, np.ndarray]:
    with np.load(folder / f"{scene.__name__}-{rank}.npz") as kept:
        return dict(kept)


def gradients(folder: Path, scene: Any, rank: int = 0) -> np.ndarray:
    """Return the mean gradient of the first step over all weights, <float64>[weights]."""
    kept = arrays(folder, scene, rank)
    return np.concatenate([kept[name].ravel() for name in sorted(kept) if name.startswith("gradient ")]).astype(float)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def values(run: Path, tag: str) -> np.ndarray:
    return np.array([value for _, _, found, value in metrics(run) if found == tag])


# ---- the same as one process


def test_the_first_gradients_are_those_of_one_process(stage, alone):
    expected = gradients(alone, launched.steps)
    assert expected.size > 500
    assert distance(gradients(stage, launched.steps), expected) < 1e-6
    assert gradients(stage, launched.steps, 1).tobytes() == gradients(stage, launched.steps).tobytes()


@pytest.mark.parametrize("scene", [launched.without_sums, launched.local_count])
def test_they_would_not_be_without_the_sum_or_by_the_count_of_one_rank(stage, alone, scene):
    expected = gradients(alone, launched.steps)
    assert all(distance(gradients(stage, scene, rank), expected) > 0.1 for rank in (0, 1))


def test_the_losses_are_those_of_one_process(stage, alone):
    found, expected = values(stage / "steps", "train/loss"), values(alone / "steps", "train/loss")
    assert len(found) == len(expected) == N_STEPS
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected) > 0.1
    for tag in ("train/learning_rate", "dev/accuracy", "test/accuracy"):
        assert values(stage / "steps", tag).tolist() == values(alone / "steps", tag).tolist()


@pytest.mark.parametrize("scene", [launched.steps, launched.whole])
def test_the_weights_of_the_ranks_are_equal(stage, scene):
    first, second = (arrays(stage, scene, rank) for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_tokens_are_counted_on_all_ranks(stage, alone):
    found, expected = (latest_state(folder / "steps")["progress"] for folder in (stage, alone))
    assert found["n_tokens"] == expected["n_tokens"] > 100
    assert expected["n_tokens"] <= found["n_padded_tokens"] <= expected["n_padded_tokens"]
    assert seen(stage, launched.steps)[0]["result"]["environment"]["processes"] == 2


def test_each_row_is_scored_by_one_rank(stage):
    for first, second in zip(*(found["rows"] for found in seen(stage, launched.evaluation)), strict=True):
        assert first
        assert second
        assert sorted(first + second) == list(range(len(first) + len(second)))
    for split, n_rows in (("dev", 10), ("test", 9)):
        lines = (stage / f"evaluation/predictions/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        chances = [sum(json.loads(line)["probabilities"].values()) for line in lines]
        assert chances == pytest.approx([1.0] * n_rows)


# ---- stopping and going on


def test_a_signal_to_one_rank_stops_all_and_the_run_goes_on_exactly(stage):
    first, second = seen(stage, launched.stopped)
    assert [end["error"] for end in first["ends"]] == ["Interrupted", "Interrupted", "Interrupted", None]
    assert [end["error"] for end in second["ends"]] == [end["error"] for end in first["ends"]]
    assert [note.split()[4] for note in first["notes"]] == ["6", "8", "24"]
    assert second["notes"] == []
    assert differing(snapshot(stage / "stopped"), snapshot(stage / "whole")) == set()


def test_ranks_drop_different_things(stage, alone, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run"), "model": {**plain_config["model"], "dropout": 0.3}}
    one_process = values(train(config).folder, "train/loss")
    assert np.abs(values(stage / "whole", "train/loss") - one_process).max() > 1e-3


def test_memory_that_is_full_on_one_rank_alone(stage, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run")}
    whole = train(config, **{"training.batch_size": 4}).folder
    assert np.abs(values(stage / "memory", "train/loss") - values(whole, "train/loss")).max() < 1e-4
    assert latest_state(stage / "memory")["progress"]["n_parts"] == 2
    assert latest_state(whole)["progress"]["n_parts"] == 1


def test_a_loss_that_is_not_finite_on_one_rank_alone(stage):
    ends = seen(stage, launched.not_finite)
    assert ends[0]["stop"] == ends[1]["stop"]
    assert ends[0]["stop"]["error"] == "NonFiniteError"
    rows = json.loads(ends[0]["stop"]["message"].partition("from 0: ")[2].partition(".")[0])
    assert len(set(rows)) == 4
    assert [end["skip"]["result"]["train"]["skipped_steps"] for end in ends] == [1, 1]


# ---- one voice and one writer


def test_a_finished_run_is_left_alone_by_all(stage):
    first, second = seen(stage, launched.finished)
    assert [end["error"] for end in first["ends"] + second["ends"]] == [None] * 6
    assert first["ends"][0]["result"] == first["ends"][1]["result"]
    assert ["is finished already" in first["notes"][0], "is now" in first["notes"][1]] == [True, True]
    assert second["notes"] == []
    assert latest_state(stage / "finished.1")["progress"]["step"] == 1
    assert latest_state(stage / "finished")["progress"]["step"] == 2
    assert not (stage / "finished.2").exists()


def test_a_mistake_is_told_once_and_ends_all(stage):
    first, second = seen(stage, launched.mistakes)
    assert {name: (end["code"], end["out"], end["err"]) for name, end in second.items()} == {
        "all": (2, "", ""),
        "one": (2, "", ""),
        "bug": (1, "", ""),
    }
    assert [first[name]["code"] for name in ("all", "one", "bug")] == [2, 2, 1]
    assert first["all"]["err"].startswith("paddle-tasks: ")
    assert first["all"]["err"].count("did you mean 'epochs'?") == 1
    assert first["one"]["err"] == "paddle-tasks: process 1 of 2: no such file here\n"
    assert "ValueError: nobody's mistake" in first["bug"]["err"]
    assert not (stage / "mistakes").exists()


def test_the_command_line_stops_and_goes_on_under_the_launcher(stage, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run"), "model": {**plain_config["model"], "dropout": 0.3}}
    (tmp_path / "config.yaml").write_text(dump(load_config(config)), encoding="utf-8")
    outcome = launch(tmp_path, "cli", "5", "train", "config.yaml", "--quiet")
    assert outcome.code == 75, said(tmp_path)
    assert latest_state(tmp_path / "run")["progress"]["step"] == 6
    logs = [(tmp_path / f"log/workerlog.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert [log.count("paddle-tasks: stopped by") for log in logs] == [1, 0]
    outcome = launch(tmp_path, "cli", "0", "train", "config.yaml", "--quiet")
    assert outcome.code == 0, said(tmp_path)
    assert differing(snapshot(tmp_path / "run"), snapshot(stage / "whole")) == set()
    logs = [(tmp_path / f"log/workerlog.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert [log.count("accuracy") for log in logs] == [2, 0]
