"""Whole runs: what they write, when they change nothing, what they refuse, and which runs are equal."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from paddle_tasks.config import read
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.files import sha256
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.checkpoint import find_damage
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train
from tests.conftest import FIXTURES
from tests.training.reading import metrics_points, visualdl_points

from .folders import folder_state, read_jsonl
from .snapshot import differing, snapshot

EPOCHS, BATCH_SIZE, MAX_LENGTH = 2, 4, 16  # of small_config; 22 rows make 6 batches


def rows_of(split: str) -> list[tuple[str, str]]:
    lines = (FIXTURES / f"training_{split}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [tuple(line.split("\t")) for line in lines]


@pytest.fixture
def copy(finished, config, tmp_path) -> Callable[[], dict[str, Any]]:
    """Return a function that copies the finished run, and returns the configuration of the copy."""

    def make() -> dict[str, Any]:
        folder = tmp_path / "run"
        shutil.copytree(finished, folder)
        file = folder / "config.yaml"
        file.write_text(file.read_text().replace(str(finished), str(folder)))
        return {**config, "run_dir": str(folder)}

    return make


# ---- what a run writes


def test_the_folder_of_a_run(finished):
    assert sorted(path.name for path in finished.iterdir() if path.name != ".lock") == [
        "checkpoints",
        "config.yaml",
        "metrics.jsonl",
        "model",
        "predictions",
        "result.json",
        "vdl",
    ]
    assert not [path for path in finished.rglob(".*") if path.name != ".lock"], "nothing temporary is left"


def test_result_json(finished, config):
    result = json.loads((finished / "result.json").read_text(encoding="utf-8"))
    assert list(result) == ["schema", "task", "status", "seed", "model", "data", "dev", "test", "train", "environment"]
    assert (result["schema"], result["task"], result["status"], result["seed"]) == (1, "sentiment", "finished", 1)
    tensors = load_file(finished / "model/model.safetensors").values()
    assert result["model"] == {"encoder": "textcnn", "parameters": sum(array.size for array in tensors)}
    for split, rows in (("train", 22), ("dev", 10), ("test", 9)):
        path = FIXTURES / f"training_{split}.tsv"
        assert result["data"][split] == {"path": str(path), "rows": rows, "sha256": sha256(path), "skipped_rows": 0}
    assert {"python", "versions", "device", "threads", "git_commit"} <= result["environment"].keys()
    assert result["environment"]["device"] == "cpu"
    assert {"paddlepaddle", "paddlenlp", "numpy", "visualdl"} <= result["environment"]["versions"].keys()


def test_the_counts_in_result_json(finished):
    """A Chinese character is a token; [CLS] and [SEP] come to them, and the rest is cut off."""
    counts = json.loads((finished / "result.json").read_text())["train"]
    lengths = [min(len(text) + 2, MAX_LENGTH) for _, text in rows_of("train")]
    sampler = LengthGroupedBatchSampler(lengths, BATCH_SIZE, seed=1)
    padded = 0
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        padded += sum(len(rows) * max(lengths[row] for row in rows) for rows in sampler)
    assert max(len(text) for _, text in rows_of("train")) > MAX_LENGTH
    assert counts["tokens"] == EPOCHS * sum(lengths) < counts["padded_tokens"] == padded
    assert (counts["epochs"], counts["optimizer_steps"]) == (EPOCHS, EPOCHS * math.ceil(22 / BATCH_SIZE))
    assert (counts["skipped_steps"], counts["stopped_early"]) == (0, False)
    assert counts["best_step"] in {6, 12}
    assert counts["tokens_per_second"] == pytest.approx(counts["tokens"] / counts["seconds"], rel=0.05)
    assert counts["peak_memory_mb"] > 50


def test_the_scores_of_the_best_model_agree_with_its_predictions(finished):
    result = json.loads((finished / "result.json").read_text())
    logged = {(record["step"], record["tag"]): record["value"] for record in read_metrics(finished / "metrics.jsonl")}
    for split in ("dev", "test"):
        records, scores = read_jsonl(finished / f"predictions/{split}.jsonl"), result[split]
        assert [(record["gold"], record["text"]) for record in records] == rows_of(split)
        assert scores["accuracy"] == np.mean([record["predicted"] == record["gold"] for record in records])
        assert scores["loss"] == pytest.approx(np.mean([record["loss"] for record in records]), rel=1e-6)
        step = result["train"]["best_step"] if split == "dev" else 12
        for name in ("accuracy", "macro_f1", "precision", "recall", "f1", "loss"):
            assert logged[step, f"{split}/{name}"] == scores[name]


def test_predictions_can_be_checked_by_hand(finished):
    for split in ("dev", "test"):
        for record in read_jsonl(finished / f"predictions/{split}.jsonl"):
            probabilities = record["probabilities"]
            assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
            assert record["predicted"] == max(probabilities, key=probabilities.get)
            assert record["loss"] == pytest.approx(-math.log(probabilities[record["gold"]]), rel=1e-5)


def test_errors_with_the_highest_loss_come_first(finished):
    errors = read_jsonl(finished / "predictions/errors.jsonl")
    wrong = [
        {"split": split, **record}
        for split in ("dev", "test")
        for record in read_jsonl(finished / f"predictions/{split}.jsonl")
        if record["predicted"] != record["gold"]
    ]
    assert len(errors) > 1
    assert sorted(map(json.dumps, errors)) == sorted(map(json.dumps, wrong))
    assert [record["loss"] for record in errors] == sorted((record["loss"] for record in errors), reverse=True)


def test_the_tags_are_those_of_the_contract(finished):
    scores = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss", "f1/negative", "f1/positive")
    expected = {"train/loss", "train/learning_rate", "train/gradient_norm"}
    expected |= {"system/tokens_per_second", "system/memory_mb"}
    expected |= {f"{split}/{score}" for split in ("dev", "test") for score in scores}
    records = read_metrics(finished / "metrics.jsonl")
    assert {record["tag"] for record in records} == expected
    assert {record["epoch"] for record in records if record["tag"].startswith("test/")} == {EPOCHS}


def test_visualdl_has_the_points_of_metrics_jsonl(finished):
    assert visualdl_points(finished / "vdl") == metrics_points(finished / "metrics.jsonl")


def test_the_model_folder_is_that_of_the_best_checkpoint_and_predicts(finished):
    best = finished / "checkpoints" / (finished / "checkpoints/best").read_text().strip()
    assert find_damage(best) is None
    assert contents(finished / "model") == contents(best / "model")
    records = read_jsonl(finished / "predictions/test.jsonl")
    predicted = load(finished)([record["text"] for record in records])
    assert [record["label"] for record in predicted] == [record["predicted"] for record in records]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_training_config_yaml_again_reproduces_the_run(finished, tmp_path):
    tree = read(finished / "config.yaml")
    again = train({**tree, "run_dir": str(tmp_path / "again")})
    assert differing(snapshot(again.folder), snapshot(finished)) == set()


def test_what_train_returns_is_what_it_wrote(small_config, tmp_path):
    run = train(small_config(tmp_path, training={"max_steps": 2}))
    assert run.folder == tmp_path / "run"
    assert run.result == json.loads((run.folder / "result.json").read_text())


def test_a_run_that_ends_in_mid_epoch_logs_its_last_scores_with_one_epoch_number(small_config, tmp_path):
    run = train(small_config(tmp_path, training={"max_steps": 8}))
    last = [record for record in read_metrics(run.folder / "metrics.jsonl") if record["step"] == 8]
    assert {record["epoch"] for record in last} == {2}
    assert run.result["train"]["epochs"] == 1


# ---- equal runs


def test_another_seed_is_another_run(small_config, finished, tmp_path):
    other = train({**small_config(tmp_path), "seed": 2})
    assert differing(snapshot(other.folder), snapshot(finished)) >= {"metrics", "weights", "optimizer", "predictions"}


def test_the_order_of_the_batches_is_a_function_of_seed_and_epoch(small_config, tmp_path):
    def order(seed: int, epoch: int, start: int = 0) -> list[tuple[int, ...]]:
        task = SentimentTask(load_config({**small_config(tmp_path), "seed": seed}))
        task.read()
        return [batch.rows for batch in task.train_batches(epoch, start)]

    first = order(1, 0)
    assert sorted(row for rows in first for row in rows) == list(range(22))
    assert order(1, 0) == first
    assert order(1, 0, start=2) == first[2:]
    assert len({str(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


# ---- a folder that exists already


def test_a_finished_run_is_left_unchanged(copy):
    config = copy()
    before, notes = folder_state(Path(config["run_dir"])), []
    run = train(config, observe=notes.append)
    assert folder_state(run.folder) == before
    assert run.result == json.loads((run.folder / "result.json").read_text())
    (note,) = notes
    assert "is finished already" in note.text


def test_another_configuration_is_refused_with_the_differences(copy):
    config = copy()
    before = folder_state(Path(config["run_dir"]))
    changed = {**config, "seed": 9, "optimizer": {"learning_rate": 0.5, "schedule": "cosine"}}
    with pytest.raises(CheckpointError, match="another configuration") as caught:
        train(changed)
    listing = str(caught.value).splitlines()[1:-1]
    assert listing == [
        "  seed: 1 -> 9",
        "  optimizer.learning_rate: 0.02 -> 0.5",
        "  optimizer.schedule: 'linear' -> 'cosine'",
    ]
    assert folder_state(Path(config["run_dir"])) == before


def test_a_run_of_another_kind_is_refused(copy):
    config = copy()
    file = Path(config["run_dir"]) / "config.yaml"
    file.write_text(file.read_text().replace("task: sentiment", "task: opinion\nwindow: 3"))
    with pytest.raises(CheckpointError, match=r"holds a run of another kind(.|\n)*window: unknown key"):
        train(config)


def test_fresh_moves_the_older_runs_aside(copy):
    config = copy()
    run, notes = Path(config["run_dir"]), []
    contents = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    for number in (1, 2):
        train(config, fresh=True, observe=lambda event: notes.append(event) if isinstance(event, Note) else None)
        assert (run.parent / f"run.{number}/result.json").is_file()
    assert [Path(note.text.rsplit(" ", 1)[1]).name for note in notes] == ["run.1", "run.2"]
    assert {path.name: path.read_bytes() for path in (run.parent / "run.1").iterdir() if path.is_file()} == contents
    assert differing(snapshot(run), snapshot(run.parent / "run.1")) == set()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_no_run_is_refused(small_config, tmp_path, fresh):
    config = small_config(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.txt").write_text("three years of work")
    before = folder_state(tmp_path)
    with pytest.raises(CheckpointError, match="is not a run folder"):
        train(config, fresh=fresh)
    assert folder_state(tmp_path) == before


def test_an_empty_folder_counts_as_absent(small_config, tmp_path):
    config = small_config(tmp_path, training={"max_steps": 1})
    Path(config["run_dir"]).mkdir()
    assert train(config).result["status"] == "finished"


def unfinished(small_config, folder: Path, **changes: Any) -> dict[str, Any]:
    """Return the configuration of a run that stopped after its first epoch."""

    class StopError(Exception):
        pass

    def observe(event: Any) -> None:
        if getattr(event, "step", 0) == 7:
            raise StopError

    config = {**small_config(folder), **changes}
    with pytest.raises(StopError):
        train(config, observe=observe)
    return config


@pytest.mark.parametrize("fresh", [False, True])
def test_a_second_process_in_the_same_folder_is_refused(small_config, tmp_path, fresh):
    config = unfinished(small_config, tmp_path)
    before = folder_state(tmp_path)
    with RunFolder(tmp_path / "run").locked(), pytest.raises(CheckpointError, match="another process is training"):
        train(config, fresh=fresh)
    assert folder_state(tmp_path) == before
    assert train(config, fresh=fresh).result["status"] == "finished"


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_resuming_is_refused_when_data_has_changed(small_config, tmp_path, split):
    data = {}
    for name in ("train", "dev", "test"):
        data[name] = str(shutil.copy(FIXTURES / f"training_{name}.tsv", tmp_path))
    config = unfinished(small_config, tmp_path, data=data)
    with Path(data[split]).open("a", encoding="utf-8") as file:
        file.write("positive\t服务很好\n")
    before = folder_state(tmp_path)
    with pytest.raises(CheckpointError, match=rf"data\.{split} .* has changed since this run began"):
        train(config)
    assert folder_state(tmp_path) == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"training": {"freeze": ["nothing.*"]}}, ConfigError),
        (
            {"training": {"max_length": 99}, "model": {"encoder": "bert", "max_positions": 16, "n_heads": 2}},
            ConfigError,
        ),
        ({"data": {"dev": "missing.tsv"}}, DataError),
    ],
)
def test_nothing_is_written_when_something_cannot_be_used(small_config, tmp_path, changes, error):
    with pytest.raises(error):
        train(small_config(tmp_path, **changes))
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_recognised_in_a_renamed_folder(copy, tmp_path):
    config = copy()
    Path(config["run_dir"]).rename(tmp_path / "renamed")
    notes: list[Any] = []
    train({**config, "run_dir": f"{tmp_path}/./renamed/"}, observe=notes.append)
    assert next(note.text for note in notes if isinstance(note, Note)).endswith("nothing to do (--fresh trains anew)")
