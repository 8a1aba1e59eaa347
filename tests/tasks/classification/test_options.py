"""Options of classification: losses, folds and vocabularies, in a task and in whole runs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import paddle
import pytest

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.tasks.classification.loss import build_loss
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import train

from ...data.tables.test_imdb import archive
from ...helpers import ROOT, table
from ..conftest import fixture_of, read_task

HEADER = ("label", "text")
LOSSES: dict[str, Any] = {
    "label_smoothing": 0.2,
    "class_weights": {"positive": 3.0},
    "focal_gamma": 2.0,
    "r_drop": 2.0,
}
each_loss = pytest.mark.parametrize(("option", "value"), LOSSES.items(), ids=LOSSES.keys())


def setting(option: str, value: Any) -> str:
    return f"training.loss.{option}={json.dumps(value)}"


def first_loss(*overrides: str) -> tuple[float, dict[str, Any]]:
    """Return the loss of a fresh model on the fixture, and its scores."""
    task = read_task("sentiment", fixture_of("sentiment"), "model.dropout=0.5", *overrides)
    paddle.seed(1)
    model = task.build_model()
    scores = task.evaluate(model, task.splits["dev"], lambda: None).metrics
    model.train()
    paddle.seed(2)
    return float(task.loss(model, next(iter(task.train_batches(0, 0))))[0]), dict(scores)


def train_losses(folder: Path) -> list[float]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [record["value"] for record in records if record["tag"] == "train/loss"]


# ---- losses


@each_loss
def test_an_option_changes_the_loss_and_not_the_scores(option, value):
    (plain, scores), (changed, same_scores) = first_loss(), first_loss(setting(option, value))
    assert abs(changed - plain) > 1e-3 * plain
    assert same_scores == scores


@each_loss
def test_an_option_reaches_the_trainer(small_config, tmp_path, option, value):
    losses = []
    for name, loss in (("plain", {}), ("changed", {option: "balanced" if option == "class_weights" else value})):
        config = small_config(tmp_path / name, training={"epochs": 1, "max_steps": 3, "batch_size": 4, "loss": loss})
        config["data"]["train"] = str(unbalanced(tmp_path))
        losses.append(train_losses(train(config).folder))
    plain, changed = losses
    assert len(plain) == len(changed) == 3
    assert all(abs(a - b) > 1e-4 for a, b in zip(plain, changed, strict=True))


def unbalanced(folder: Path) -> Path:
    """Write the fixture's rows, without a third of those of one label."""
    header, *rows = (ROOT / "tests" / "fixtures" / "training_train.tsv").read_text(encoding="utf-8").splitlines()
    cells = [row.split("\t") for row in rows]
    label = header.split("\t").index("label")
    rare = [row for row in cells if row[label] == cells[0][label]]
    return table(folder / "unbalanced.tsv", header.split("\t"), *(row for row in cells if row not in rare[::3]))


def class_weights(task: SentimentTask) -> list[float]:
    return build_loss(task.config.training.loss, task.labels, task.splits["train"].examples).class_weights


def test_balanced_weights_are_those_of_the_train_rows(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, *[("1", "好")] * 6, ("0", "差"), ("0", "坏"))
    task = read_task("sentiment", path, "training.loss.class_weights=balanced")
    assert class_weights(task) == pytest.approx([2.0, 2 / 3])


def test_weights_by_label_leave_the_others_at_1(tmp_path):
    read = read_task("sentiment", fixture_of("sentiment"), "training.loss.class_weights.positive=2.5")
    assert read.labels == ("negative", "positive")
    assert class_weights(read) == [1.0, 2.5]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("class_weights=[1, 2, 3]", r"class_weights: expected a number for each of the 2 labels .*, found 3$"),
        ("class_weights.postive=2", r"class_weights\.postive: no such label; did you mean 'positive'\?"),
        ("class_weights=balance", r"class_weights: expected balanced, or positive numbers: .*, found 'balance'$"),
        ("class_weights=[1, 0]", r"class_weights: expected balanced, or positive numbers"),
        ("label_smoothing=1", r"label_smoothing: .*less than 1"),
        ("focal_gamma=-1", r"focal_gamma: .*greater than or equal to 0"),
        ("r_drop=-1", r"r_drop: .*greater than or equal to 0"),
        ("rdrop=1", r"rdrop: unknown key; did you mean 'r_drop'"),
    ],
)
def test_wrong_settings_of_the_loss_are_refused(override, message):
    with pytest.raises(ConfigError, match=rf"training\.loss\.{message}"):
        read_task("sentiment", fixture_of("sentiment"), f"training.loss.{override}")


def test_every_row_is_counted_once_with_r_drop():
    read = read_task("sentiment", fixture_of("sentiment"), "training.loss.r_drop=1")
    model = read.build_model()
    batch = next(iter(read.train_batches(0, 0)))
    assert read.loss(model, batch)[1] == len(batch.rows)


# ---- folds


def read_fold(path: Path, fold: int, *overrides: str) -> SentimentTask:
    return read_task("sentiment", path, "data.dev=null", "data.folds=3", f"data.fold={fold}", *overrides)


def texts(task: SentimentTask, split: str) -> list[str]:
    return [example.text for example in task.splits[split].examples]


def test_every_row_is_dev_in_one_fold_and_features_are_those_of_the_fold():
    everything = texts(read_task("sentiment", fixture_of("sentiment")), "train")
    seen: list[str] = []
    for fold in range(3):
        task = read_fold(fixture_of("sentiment"), fold)
        train_texts, dev_texts = texts(task, "train"), texts(task, "dev")
        assert sorted([*train_texts, *dev_texts]) == sorted(everything)
        assert not set(train_texts) & set(dev_texts)
        n_train = sum(len(batch.rows) for batch in task.train_batches(0, 0))
        n_dev = len(task.evaluate(task.build_model(), task.splits["dev"], lambda: None).predictions)
        assert n_dev == len(dev_texts) < n_train == len(train_texts)
        seen += dev_texts
    assert sorted(seen) == sorted(everything)


def test_a_label_that_occurs_in_one_fold_alone_is_known(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, *[(str(n % 2), f"好{n}") for n in range(9)], ("2", "中"))
    for fold in range(3):
        task = read_fold(path, fold, "training.loss.class_weights=balanced")
        assert task.labels == ("0", "1", "2")
        assert sum(example.label == "2" for name in ("train", "dev") for example in task.splits[name].examples) == 1


def test_a_fold_is_in_the_result_and_can_be_scored_again(small_config, tmp_path):
    config = small_config(tmp_path, data={"dev": None, "folds": 3, "fold": 1})
    run = train(config)
    data = run.result["data"]
    assert data["train"]["path"] == data["dev"]["path"] == config["data"]["train"]
    assert (data["train"]["part"], data["dev"]["part"]) == ("all but fold 1 of 3, seed 1", "fold 1 of 3, seed 1")
    assert len({entry["sha256"] for entry in data.values()}) == 3
    assert "part" not in data["test"]
    scored = evaluate(run.folder, split="dev")
    assert scored["rows"] == data["dev"]["rows"]
    assert scored["metrics"]["accuracy"] == run.result["dev"]["accuracy"]
    assert scored["metrics"]["loss"] == pytest.approx(run.result["dev"]["loss"], rel=1e-6)


def test_folds_and_seeds_have_different_digests():
    digests = {
        read_fold(fixture_of("sentiment"), fold, f"seed={seed}").splits["dev"].sha256
        for fold in range(2)
        for seed in range(2)
    }
    assert len(digests) == 4


def test_a_file_with_too_few_texts_is_refused(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "好"), ("0", "差"), ("1", "好"))
    with pytest.raises(ConfigError, match=r"data\.folds: fold 2 of 3, seed 2026 is empty, .* 2 distinct texts$"):
        read_fold(path, 2)


# ---- vocabularies


def test_the_vocabulary_is_that_of_the_configuration(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "Good good fun"), ("0", "bad, bad film"))
    words = ["data.vocabulary.min_word_count=2", "data.vocabulary.min_count=3", "data.vocabulary.rare_words=unknown"]
    vocabulary = read_task("sentiment", path, *words).tokenizer.vocabulary[5:]
    assert set(vocabulary) == {"o", "d", "bad", "good"}
    cased = read_task("sentiment", path, *words, "data.vocabulary.lowercase=false").tokenizer
    assert (cased.lowercase, set(cased.vocabulary[5:])) == (False, {"o", "d", "bad"})
    assert len(read_task("sentiment", path, *words, "data.vocabulary.max_size=6").tokenizer) == 6
    spelt = read_task("sentiment", path, "data.vocabulary.min_word_count=2").tokenizer.vocabulary
    assert {"good", "bad", "f", "##f"} <= set(spelt)


# ---- the configuration of the IMDB reviews


IMDB_CONFIG = ROOT / "configs" / "sentiment-imdb.yaml"


def test_the_reviews_do_not_ship_and_the_message_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"data\.train: data/aclImdb_v1\.tar\.gz: no such file"):
        train(IMDB_CONFIG)
    assert not list(tmp_path.iterdir())


def test_one_archive_gives_all_three_splits(tmp_path):
    path = str(archive(tmp_path / "aclImdb_v1.tar.gz"))
    sizes = {"model.embedding_size": 8, "model.hidden_size": 8, "training.epochs": 1, "logging.visualdl": False}
    sources = {f"data.{name}": path for name in ("train", "dev", "test")}
    run = train(IMDB_CONFIG, run_dir=tmp_path / "run", **sizes, **sources)
    rows = {name: entry["rows"] for name, entry in run.result["data"].items()}
    assert rows["train"] + rows["dev"] == rows["test"] == 24
    assert {name: entry.get("part") for name, entry in run.result["data"].items()} == {
        "train": "all but fold 0 of 10, seed 0",
        "dev": "fold 0 of 10, seed 0",
        "test": None,
    }
    assert evaluate(run.folder, split="dev")["rows"] == rows["dev"]
    config = load_config(IMDB_CONFIG, [f"{key}={value}" for key, value in sources.items()])
    assert config.data.source("train", 1) == config.data.source("train", 2)


def test_folds_of_an_archive_are_of_its_whole_train(tmp_path):
    path = archive(tmp_path / "a.tar.gz")
    task = read_fold(path, 0, f"data.test={path}")
    assert [len(task.splits[name].examples) for name in ("train", "dev", "test")] == [16, 8, 24]
    assert Counter(example.label for example in task.splits["dev"].examples) == {"neg": 4, "pos": 4}
