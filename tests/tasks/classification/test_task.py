"""Tasks that give one label to one text: labels and limits, scores in the order of the file, twins without leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.data import array_cache
from paddle_tasks.data.batching import token_cache
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import CheckpointError, ConfigError, UserError
from paddle_tasks.tasks import SETTINGS

from ...helpers import table
from ..conftest import each_classifier, fixture_of, read_task

HEADER = ("label", "text")
TWINS = ("accuracy_deduplicated", "macro_f1_deduplicated", "f1_deduplicated")
TEXTS = "甲乙丙丁戊己"


def split(name: Any, rows) -> Split[LabelledText]:
    return Split(name, Path(name), "", [LabelledText(text, label, "x") for text, label in rows], [])


def known(rows, chances: np.ndarray, train=(), name: Any = "dev") -> dict[str, Any]:
    """Score rows for which a model would give these chances."""
    scored = read_task("sentiment", fixture_of("sentiment"), "data.labels=[positive, negative]")
    scored.splits = {"train": split("train", train)} if train else {}
    scored.probabilities = lambda model, dataset, check_interrupt: chances.astype("float32")
    return dict(scored.evaluate(None, split(name, rows), lambda: None).metrics)


# ---- what a configuration may ask of the data


@pytest.mark.parametrize(
    ("rows", "setting", "message"),
    [
        ([("1", "好"), ("1", "很好")], "seed=1", r"data\.labels: a classifier needs two labels or more, found \['1'\]"),
        ([("1", "好"), ("0", "差"), ("2", "中")], "model.output=sigmoid", r"model\.output: sigmoid is for two labels"),
        ([("1", "好"), ("0", "差")], "training.max_length=1", "max_length: expected at least 2"),
        ([("1", "好"), ("0", "差")], "data.labels=[0, 2]", "unknown label '1'"),
    ],
)
def test_reading_refuses_what_cannot_be_trained(tmp_path, rows, setting, message):
    path = table(tmp_path / "a.tsv", HEADER, *rows)
    with pytest.raises(UserError, match=message):
        read_task("sentiment", path, setting)


def test_no_text_may_be_longer_than_the_encoder_can_read():
    sizes = ["model.encoder=bert", "model.hidden_size=8", "model.n_heads=2", "model.max_positions=20"]
    fits = read_task("sentiment", fixture_of("sentiment"), *sizes, "training.max_length=20")
    assert fits.build_model().encoder.max_length == 20
    with pytest.raises(ConfigError, match=r"training\.max_length: 21 is more than the 20 of bert"):
        read_task("sentiment", fixture_of("sentiment"), *sizes, "training.max_length=21").build_model()


def test_labels_of_the_data_are_in_order_and_given_ones_as_given(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("10", "好"), ("9", "差"), ("-1", "很差"))
    assert read_task("sentiment", path).labels == ("-1", "9", "10")
    assert read_task("sentiment", path, "data.labels=[9, 10, -1, 5]").labels == ("9", "10", "-1", "5")


def test_skipped_rows_are_counted(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "好"), ("1",), ("0", "差"), ("", "中"))
    train = read_task("sentiment", path, "data.on_bad_row=skip").splits["train"]
    assert (len(train.examples), len(train.bad_rows)) == (2, 2)


def test_characters_that_stand_in_train_only_once_are_unknown(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "好好一"), ("0", "差差二"))
    assert set("好差") == set(read_task("sentiment", path).tokenizer.vocabulary) & set("好差一二")


def test_labels_reach_the_batches(tmp_path):
    read = read_task("sentiment", fixture_of("sentiment"))
    examples = read.splits["train"].examples
    for batch in read.batches_of(0, 0):
        expected = [read.labels.index(examples[row].label) for row in batch.rows]
        assert batch.labels.numpy().tolist() == expected


def test_a_budget_of_tokens_bounds_the_batches_of_every_epoch():
    read = read_task("sentiment", fixture_of("sentiment"), "training.batch_size=5", "training.max_tokens_per_batch=60")
    free = read_task("sentiment", fixture_of("sentiment"), "training.batch_size=5")
    n_rows = len(read.splits["train"].examples)
    for epoch in range(3):
        batches = list(read.batches_of(epoch, 0))
        assert len(batches) == read.n_batches > free.n_batches
        assert sorted(row for batch in batches for row in batch.rows) == list(range(n_rows))
        assert all(batch.n_padded_tokens <= 60 and len(batch.rows) <= 5 for batch in batches)
        assert max(batch.n_padded_tokens for batch in free.batches_of(epoch, 0)) > 60


def test_features_from_the_cache_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(token_cache, "MIN_CACHED_CHARACTERS", 1)
    made, found = (read_task("sentiment", fixture_of("sentiment")) for _ in range(2))
    assert list(tmp_path.iterdir())
    for one, other in zip(made.batches_of(0, 0), found.batches_of(0, 0), strict=True):
        assert one.rows == other.rows
        assert one.input_ids.numpy().tolist() == other.input_ids.numpy().tolist()
        assert one.labels.numpy().tolist() == other.labels.numpy().tolist()


# ---- scores


@each_classifier
def test_rows_come_in_the_order_of_the_file(task, model):
    found = task.evaluate(model, task.splits["dev"], lambda: None)
    examples = task.splits["dev"].examples
    assert [record["row"] for record in found.predictions] == list(range(len(examples)))
    for record, example in zip(found.predictions, examples, strict=True):
        assert (record["text"], record["gold"], record["where"]) == (example.text, example.label, example.where)
        (alone,) = task.predict(model, [example.text])
        assert alone["label"] == record["predicted"]
        assert record["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert record["loss"] == pytest.approx(-np.log(record["probabilities"][example.label]), abs=1e-5)
        if not hasattr(task, "threshold"):
            assert record["predicted"] == max(record["probabilities"], key=record["probabilities"].get)
    assert found.metrics["loss"] == pytest.approx(np.mean([record["loss"] for record in found.predictions]))


@each_classifier
def test_the_dev_loss_is_the_train_loss_without_dropout(task, model):
    metrics = task.evaluate(model, task.splits["train"], lambda: None).metrics
    model.eval()
    losses = [task.loss(model, batch) for batch in task.batches_of(0, 0)]
    mean = sum(float(loss) for loss, _ in losses) / sum(count for _, count in losses)
    assert metrics["loss"] == pytest.approx(mean, rel=1e-5)


def test_scoring_and_predicting_know_no_dropout():
    careless = read_task("sentiment", fixture_of("sentiment"), "model.dropout=0.9")
    model = careless.build_model()
    answers = []
    for _ in range(2):
        model.train()
        scores = careless.evaluate(model, careless.splits["dev"], lambda: None).metrics
        model.train()
        answers.append((scores, careless.predict(model, ["很好"])))
    assert answers[0] == answers[1]


def test_a_chance_of_zero_is_a_large_loss_and_no_infinite_one():
    found = known([("好", "positive")], np.array([[0.0, 1.0]]))
    assert 80 < found["loss"] < 100


@each_classifier
def test_the_space_between_batches_is_given_away(task, model):
    calls: list[int] = []
    task.evaluate(model, task.splits["dev"], lambda: calls.append(1))
    assert len(calls) == len(list(task._by_length(task.dataset(task.splits["dev"].examples))))


# ---- twins without the texts that train holds


@settings(max_examples=30)
@given(
    rows=st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(["positive", "negative"])), min_size=1, max_size=8),
    train=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_twins_stand_exactly_where_texts_leak(rows, train, seed):
    chances = np.random.default_rng(seed).dirichlet([1, 1], len(rows))
    found = known(rows, chances, [(text, "positive") for text in train])
    predicted = np.array(["positive", "negative"])[chances.argmax(axis=1)]
    hits = [answer == gold for answer, (_, gold) in zip(predicted, rows, strict=True)]
    clean = [hit for hit, (text, _) in zip(hits, rows, strict=True) if text not in train]
    assert found["accuracy"] == pytest.approx(np.mean(hits))
    assert all((twin in found) == (0 < len(clean) < len(rows)) for twin in TWINS)
    if "accuracy_deduplicated" in found:
        assert found["accuracy_deduplicated"] == pytest.approx(np.mean(clean))


def test_train_itself_and_a_run_without_train_have_no_twin():
    rows, chances = [("甲", "positive"), ("乙", "negative")], np.array([[0.9, 0.1], [0.2, 0.8]])
    assert "accuracy_deduplicated" in known(rows, chances, rows[:1])
    assert "accuracy_deduplicated" not in known(rows, chances, rows[:1], name="train")
    assert "accuracy_deduplicated" not in known(rows, chances)


# ---- the model folder


@each_classifier
def test_a_model_folder_of_another_version_is_refused(task, model, tmp_path):
    paddle.seed(1)
    task.save_model(model, tmp_path / "model")
    settings_file = tmp_path / "model" / SETTINGS
    content = settings_file.read_text(encoding="utf-8")
    settings_file.write_text(content.replace('"pooling"', '"poling"'), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"{SETTINGS}: 1 problem\n  model\.poling: unknown key"):
        type(task).load(tmp_path / "model")
    settings_file.write_text(content, encoding="utf-8")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no such file|no weights in it"):
        type(task).load(tmp_path / "model")
