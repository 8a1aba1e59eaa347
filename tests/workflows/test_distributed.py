"""Two processes that train one model: they compute what one process computes, and stop, resume and report together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.config import dump
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train

from ..helpers import ROOT, Outcome
from . import launched
from .snapshot import differing, latest_state, metrics, snapshot

pytestmark = pytest.mark.long

# 22 rows in batches of 3: the last batch of an epoch is a single row, so rank 1 has none.
TRAINING = {"epochs": 3, "batch_size": 3, "save_every_steps": 2}
N_STEPS = 24


def launch(folder: Path, *arguments: str) -> Outcome:
    """Start two processes of `launched.py` with one thread each; their outputs are in ``folder/log``."""
    options = ["--nproc_per_node", "2", "--log_dir", str(folder / "log")]
    command = [sys.executable, "-m", "paddle.distributed.launch", *options, launched.__file__, *arguments]
    environment = {**os.environ, "PADDLE_TASKS_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            out, err = child.communicate(timeout=240)
        except BaseException:
            child.send_signal(signal.SIGTERM)  # the launcher passes it on to both processes
            raise
    return Outcome(child.returncode, out, err)


def process_logs(folder: Path) -> str:
    """Return the output of all processes."""
    return "".join(path.read_text(encoding="utf-8") for path in sorted((folder / "log").glob("workerlog.*")))


@pytest.fixture(scope="module")
def plain_config(small_config, tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("config")
    config = small_config(folder, model={"dropout": 0.0}, training=TRAINING, evaluation={"batch_size": 3})
    return {**config, "seed": 2}  # with seed 1 the single row is the first batch


def play(scenes: Sequence[launched.Scene], config: Mapping[str, Any], folder: Path) -> Path:
    """Let two processes play scenes, and return the folder of what they have seen."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    outcome = launch(folder, "play", str(folder / "config.json"), str(folder), *(scene.__name__ for scene in scenes))
    assert outcome.code == 0, f"{outcome.stderr}\n{process_logs(folder)}"
    return folder


@pytest.fixture(scope="module")
def stage(plain_config, tmp_path_factory) -> Path:
    """Return the folder in which two processes have played the basic scenes."""
    return play(launched.BASIC_SCENES, plain_config, tmp_path_factory.mktemp("stage"))


@pytest.fixture(scope="module")
def long_stage(plain_config, tmp_path_factory) -> Path:
    """Return the folder in which two processes have played the long scenes."""
    return play(launched.LONG_SCENES, plain_config, tmp_path_factory.mktemp("long_stage"))


@pytest.fixture(scope="module")
def alone(plain_config, tmp_path_factory) -> Path:
    """Return the folder in which one process has played the first scene."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "config.json").write_text(json.dumps(plain_config), encoding="utf-8")
    with launched.played(launched.steps, folder / "config.json", folder) as (stage, seen):
        assert seen["error"] is None
        np.savez(folder / "steps-0.npz", **stage.arrays)
    return folder


def seen(folder: Path, scene: launched.Scene) -> list[dict[str, Any]]:
    """Return what each of the two ranks has seen of a scene."""
    return [json.loads((folder / f"{scene.__name__}-{rank}.json").read_text(encoding="utf-8")) for rank in (0, 1)]


def arrays(folder: Path, scene: launched.Scene, rank: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays that a rank has kept of a scene."""
    with np.load(folder / f"{scene.__name__}-{rank}.npz") as kept:
        return dict(kept)


def gradients(folder: Path, scene: launched.Scene, rank: int = 0) -> np.ndarray:
    """Return the mean gradient of the first step over all weights, <float64>[weights]."""
    kept = arrays(folder, scene, rank)
    return np.concatenate([kept[name].ravel() for name in sorted(kept) if name.startswith("gradient ")]).astype(float)


def relative_distance(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


def values(run: Path, tag: str) -> np.ndarray:
    """Return the values of a tag in metrics.jsonl."""
    return np.array([value for _, _, logged, value in metrics(run) if logged == tag])


# ---- two processes compute what one process computes


def test_the_gradients_equal_those_of_one_process(stage, alone):
    expected = gradients(alone, launched.steps)
    assert expected.size > 500
    assert relative_distance(gradients(stage, launched.steps), expected) < 1e-6
    assert gradients(stage, launched.steps, 1).tobytes() == gradients(stage, launched.steps).tobytes()


@pytest.mark.parametrize("scene", [launched.without_sums, launched.local_count])
def test_the_gradients_differ_without_the_sum_or_with_the_count_of_one_rank(stage, alone, scene):
    """The negative control of the equality above."""
    expected = gradients(alone, launched.steps)
    assert all(relative_distance(gradients(stage, scene, rank), expected) > 0.1 for rank in (0, 1))


def test_the_losses_and_scores_equal_those_of_one_process(stage, alone):
    losses, expected = values(stage / "steps", "train/loss"), values(alone / "steps", "train/loss")
    assert len(losses) == len(expected) == N_STEPS
    assert np.abs(losses - expected).max() < 1e-4
    assert np.ptp(expected) > 0.1
    for tag in ("train/learning_rate", "dev/accuracy", "test/accuracy"):
        assert values(stage / "steps", tag).tolist() == values(alone / "steps", tag).tolist()


def check_equal_weights(folder: Path, scene: launched.Scene) -> None:
    first, second = (arrays(folder, scene, rank) for rank in (0, 1))
    assert first.keys() == second.keys()
    assert "head.output.weight" in first
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_the_ranks_end_with_equal_weights(stage):
    check_equal_weights(stage, launched.steps)


def test_the_ranks_end_with_equal_weights_with_dropout(long_stage):
    check_equal_weights(long_stage, launched.whole)


def test_tokens_are_counted_on_all_ranks(stage, alone):
    progress, expected = (latest_state(folder / "steps")["progress"] for folder in (stage, alone))
    assert progress["n_tokens"] == expected["n_tokens"] > 100
    assert expected["n_tokens"] <= progress["n_padded_tokens"] <= expected["n_padded_tokens"]
    assert seen(stage, launched.steps)[0]["result"]["environment"]["processes"] == 2


def test_each_row_is_scored_by_one_rank(stage):
    first_rank, second_rank = seen(stage, launched.evaluation)
    assert len(first_rank["rows"]) == 3
    for first, second in zip(first_rank["rows"], second_rank["rows"], strict=True):
        assert first
        assert second
        assert sorted(first + second) == list(range(len(first) + len(second)))
    for split, n_rows in (("dev", 10), ("test", 9)):
        lines = (stage / f"evaluation/predictions/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        sums = [sum(json.loads(line)["probabilities"].values()) for line in lines]
        assert sums == pytest.approx([1.0] * n_rows)


# ---- stopping and resuming


def test_a_signal_to_one_rank_stops_both_and_the_run_is_resumed_exactly(long_stage):
    first, second = seen(long_stage, launched.stopped)
    assert [end["error"] for end in first["ends"]] == ["Interrupted", "Interrupted", "Interrupted", None]
    assert [end["error"] for end in second["ends"]] == [end["error"] for end in first["ends"]]
    assert [note.split()[4] for note in first["notes"]] == ["6", "8", "24"]
    assert second["notes"] == []
    assert differing(snapshot(long_stage / "stopped"), snapshot(long_stage / "whole")) == set()


def test_the_ranks_have_different_dropout_masks(long_stage, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run"), "model": {**plain_config["model"], "dropout": 0.3}}
    one_process = values(train(config).folder, "train/loss")
    assert np.abs(values(long_stage / "whole", "train/loss") - one_process).max() > 1e-3


def test_memory_that_is_full_on_one_rank_alone_splits_the_batches_of_both(long_stage, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run")}
    whole = train(config, **{"training.batch_size": 4}).folder
    assert np.abs(values(long_stage / "memory", "train/loss") - values(whole, "train/loss")).max() < 1e-4
    assert latest_state(long_stage / "memory")["progress"]["n_parts"] == 2
    assert latest_state(whole)["progress"]["n_parts"] == 1


def test_a_loss_that_is_not_finite_on_one_rank_alone_stops_or_skips_on_both(long_stage):
    ends = seen(long_stage, launched.not_finite)
    assert ends[0]["stop"] == ends[1]["stop"]
    assert ends[0]["stop"]["error"] == "NonFiniteError"
    rows = json.loads(ends[0]["stop"]["message"].partition("from 0: ")[2].partition(".")[0])
    assert len(set(rows)) == 4
    assert [end["skip"]["result"]["train"]["skipped_steps"] for end in ends] == [1, 1]


# ---- rank 0 writes and reports


def test_a_finished_run_is_left_unchanged_by_both(long_stage):
    first, second = seen(long_stage, launched.finished)
    assert [end["error"] for end in first["ends"] + second["ends"]] == [None] * 6
    assert first["ends"][0]["result"] == first["ends"][1]["result"]
    assert ["is finished already" in first["notes"][0], "is now" in first["notes"][1]] == [True, True]
    assert second["notes"] == []
    assert latest_state(long_stage / "finished.1")["progress"]["step"] == 1
    assert latest_state(long_stage / "finished")["progress"]["step"] == 2
    assert not (long_stage / "finished.2").exists()


def test_a_mistake_is_reported_once_and_ends_both(long_stage):
    first, second = seen(long_stage, launched.mistakes)
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
    assert not (long_stage / "mistakes").exists()


def test_the_command_line_stops_and_resumes_under_the_launcher(long_stage, plain_config, tmp_path):
    config = {**plain_config, "run_dir": str(tmp_path / "run"), "model": {**plain_config["model"], "dropout": 0.3}}
    (tmp_path / "config.yaml").write_text(dump(load_config(config)), encoding="utf-8")
    outcome = launch(tmp_path, "cli", "5", "train", "config.yaml", "--quiet")
    assert outcome.code == 75, process_logs(tmp_path)
    assert latest_state(tmp_path / "run")["progress"]["step"] == 6
    logs = [(tmp_path / f"log/workerlog.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert [log.count("paddle-tasks: stopped by") for log in logs] == [1, 0]
    outcome = launch(tmp_path, "cli", "0", "train", "config.yaml", "--quiet")
    assert outcome.code == 0, process_logs(tmp_path)
    assert differing(snapshot(tmp_path / "run"), snapshot(long_stage / "whole")) == set()
    logs = [(tmp_path / f"log/workerlog.{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert [log.count("accuracy") for log in logs] == [2, 0]
