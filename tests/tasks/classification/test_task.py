"""What classifiers share: labels, batches, records in the order of the file, model folders."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.data import array_cache
from paddle_tasks.data.batching import token_cache
from paddle_tasks.errors import CheckpointError, ConfigError, UserError
from paddle_tasks.tasks import SETTINGS

from ...helpers import table
from ..conftest import each_classifier, fixture_of, read_task

HEADER = ("label", "text")


# ---- settings that the data must fit


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


def test_texts_longer_than_the_encoder_reads_are_refused():
    sizes = ["model.encoder=bert", "model.hidden_size=8", "model.n_heads=2", "model.max_positions=20"]
    fits = read_task("sentiment", fixture_of("sentiment"), *sizes, "training.max_length=20")
    assert fits.build_model().encoder.max_length == 20
    with pytest.raises(ConfigError, match=r"training\.max_length: 21 is more than the 20 tokens that bert reads"):
        read_task("sentiment", fixture_of("sentiment"), *sizes, "training.max_length=21").build_model()


def test_labels_are_sorted_unless_they_are_given(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("10", "好"), ("9", "差"), ("-1", "很差"))
    assert read_task("sentiment", path).labels == ("-1", "9", "10")
    assert read_task("sentiment", path, "data.labels=[9, 10, -1, 5]").labels == ("9", "10", "-1", "5")


def test_skipped_rows_are_counted(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "好"), ("1",), ("0", "差"), ("", "中"))
    train = read_task("sentiment", path, "data.on_bad_row=skip").splits["train"]
    assert (len(train.examples), len(train.bad_rows)) == (2, 2)


def test_characters_that_occur_once_in_train_are_unknown(tmp_path):
    path = table(tmp_path / "a.tsv", HEADER, ("1", "好好一"), ("0", "差差二"))
    assert set("好差") == set(read_task("sentiment", path).tokenizer.vocabulary) & set("好差一二")


def test_labels_reach_the_batches(tmp_path):
    read = read_task("sentiment", fixture_of("sentiment"))
    examples = read.splits["train"].examples
    for batch in read.train_batches(0, 0):
        expected = [read.labels.index(examples[row].label) for row in batch.rows]
        assert batch.labels.numpy().tolist() == expected


def test_max_tokens_per_batch_limits_the_batches_of_every_epoch():
    read = read_task("sentiment", fixture_of("sentiment"), "training.batch_size=5", "training.max_tokens_per_batch=60")
    free = read_task("sentiment", fixture_of("sentiment"), "training.batch_size=5")
    n_rows = len(read.splits["train"].examples)
    for epoch in range(3):
        batches = list(read.train_batches(epoch, 0))
        assert len(batches) == read.n_batches > free.n_batches
        assert sorted(row for batch in batches for row in batch.rows) == list(range(n_rows))
        assert all(batch.n_padded_tokens <= 60 and len(batch.rows) <= 5 for batch in batches)
        assert max(batch.n_padded_tokens for batch in free.train_batches(epoch, 0)) > 60


def test_features_from_the_cache_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv(array_cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(token_cache, "MIN_CACHED_CHARACTERS", 1)
    computed, cached = (read_task("sentiment", fixture_of("sentiment")) for _ in range(2))
    assert list(tmp_path.iterdir())
    for one, other in zip(computed.train_batches(0, 0), cached.train_batches(0, 0), strict=True):
        assert one.rows == other.rows
        assert one.input_ids.numpy().tolist() == other.input_ids.numpy().tolist()
        assert one.labels.numpy().tolist() == other.labels.numpy().tolist()


# ---- scores


@each_classifier
def test_records_are_in_the_order_of_the_file(name, task, model):
    found = task.evaluate(model, task.splits["dev"], lambda: None)
    examples = task.splits["dev"].examples
    assert [record["row"] for record in found.predictions] == list(range(len(examples)))
    for record, example in zip(found.predictions, examples, strict=True):
        assert (record["text"], record["gold"], record["where"]) == (example.text, example.label, example.where)
        (alone,) = task.predict(model, [example.text])
        assert alone["label"] == record["predicted"]
        assert record["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert record["loss"] == pytest.approx(-np.log(record["probabilities"][example.label]), abs=1e-5)
        if name != "similarity":  # which has a threshold
            assert record["predicted"] == max(record["probabilities"], key=record["probabilities"].get)
    assert found.metrics["loss"] == pytest.approx(np.mean([record["loss"] for record in found.predictions]))


@each_classifier
def test_the_dev_loss_is_the_train_loss_without_dropout(task, model):
    metrics = task.evaluate(model, task.splits["train"], lambda: None).metrics
    model.eval()
    losses = [task.loss(model, batch) for batch in task.train_batches(0, 0)]
    mean = sum(float(loss) for loss, _ in losses) / sum(count for _, count in losses)
    assert metrics["loss"] == pytest.approx(mean, rel=1e-5)


def test_scoring_and_predicting_are_without_dropout():
    task = read_task("sentiment", fixture_of("sentiment"), "model.dropout=0.9")
    model = task.build_model()
    answers = []
    for _ in range(2):
        model.train()
        scores = task.evaluate(model, task.splits["dev"], lambda: None).metrics
        model.train()
        answers.append((scores, task.predict(model, ["很好"])))
    assert answers[0] == answers[1]


@each_classifier
def test_check_interrupt_is_called_before_each_batch(task, model):
    calls: list[int] = []
    task.evaluate(model, task.splits["dev"], lambda: calls.append(1))
    assert len(calls) == len(list(task.batches_by_length(task.dataset(task.splits["dev"].examples))))


def test_scores_have_twins_without_the_rows_whose_text_is_in_train(tmp_path):
    rows = fixture_of("sentiment").read_text(encoding="utf-8").splitlines()
    (tmp_path / "train.tsv").write_text("\n".join(rows[:9]) + "\n", encoding="utf-8")
    task = read_task("sentiment", fixture_of("sentiment"), f"data.train={tmp_path / 'train.tsv'}")
    model = task.build_model()
    evaluation = task.evaluate(model, task.splits["dev"], lambda: None)
    others = evaluation.predictions[8:]
    expected = np.mean([record["gold"] == record["predicted"] for record in others])
    assert evaluation.metrics["accuracy_deduplicated"] == expected
    assert "accuracy_deduplicated" not in task.evaluate(model, task.splits["train"], lambda: None).metrics


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
