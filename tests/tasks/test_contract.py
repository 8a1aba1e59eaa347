"""What every task does: reading, batches, losses, scores, predictions and model folders, by public methods alone.

A new task needs a file in tests/fixtures and a quick configuration to be tested here. Its declarations are tested in
test_declarations.py, its first losses in test_curves.py.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks import tasks
from paddle_tasks.config import dump, parse_yaml, validate
from paddle_tasks.errors import DataError, Interrupted
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train

from ..helpers import ROOT
from .comparing import assert_close, inputs_of
from .conftest import dev_metrics, dev_records, each_classifier, fixture_of, quick_config, read_task

# A line that the reader of the fixture's format refuses, and the reason.
BAD_LINES = {
    ".tsv": ("\t".join(["x"] * 9).encode(), r"expected \d+ columns, found 9"),
    ".txt": (b"\xff\xfe", "not valid utf-8"),
    ".jsonl": (
        b'{"text": "x", "spans": [{"start": 0, "end": 9, "label": "aspect"}]}',
        "aspect 0 to 9: expected a start",
    ),
}

# What a model can know of a fixture, if not all of it: the first characters of a chapter do not tell which one it is.
LEARNT = {"novel": 0.97}
FREE_TEXT = {"translate"}  # tasks whose predictions may be any text


def evaluate(task: Any, model: nn.Layer) -> Any:
    return task.evaluate(model, task.splits["dev"], lambda: None)


def without_gradient(task: Any, model: nn.Layer) -> list[str]:
    """Return the trainable parameters without a gradient, or with one that is not finite or zero everywhere."""

    def is_sound(gradient: paddle.Tensor | None) -> bool:
        return gradient is not None and bool(np.isfinite(gradient.numpy()).all()) and bool(gradient.numpy().any())

    model.train()
    model.clear_gradients()
    for batch in task.train_batches(0, 0):
        loss, _ = task.loss(model, batch)
        loss.backward()
    return [name for name, value in model.named_parameters() if value.trainable and not is_sound(value.grad)]


# ---- configurations and data


def test_its_configurations_load_and_dump_back_equal(name):
    own = [path for path in (ROOT / "configs").glob(f"{name}*.yaml") if path.stem.partition("-")[0] == name]
    assert own
    for path in (*own, quick_config(name)):
        config = load_config(path)
        assert config.task == name
        assert validate(parse_yaml(dump(config), "dump"), tasks.find(name).Config, "dump") == config


@pytest.mark.long
def test_its_quick_configuration_trains(name, tmp_path):
    run = train(quick_config(name), run_dir=tmp_path / "run")
    assert run.result["status"] == "finished"
    dev, test = (
        {metric for metric, value in run.result[split].items() if isinstance(value, float)} for split in ("dev", "test")
    )
    assert dev == test >= set(tasks.find(name).METRICS)


def test_a_bad_row_names_file_and_line(name, tmp_path):
    fixture = fixture_of(name)
    good, (bad, message) = fixture.read_bytes().splitlines(), BAD_LINES[fixture.suffix]
    path = tmp_path / f"broken{fixture.suffix}"
    path.write_bytes(b"\n".join([*good[:3], bad, *good[3:]]) + b"\n")
    with pytest.raises(DataError, match=rf"{path}:4: {message}"):
        read_task(name, path)


def test_another_file_is_read_in_the_layout_of_the_configuration(task, name, tmp_path):
    path = tmp_path / fixture_of(name).name
    path.write_bytes(fixture_of(name).read_bytes())
    own, other = task.splits["dev"], task.load_split("test", str(path))
    assert task.splits["test"] is other
    assert [own.name, other.name] == ["dev", "test"]
    assert len(other.examples) == len(own.examples) > 0
    assert not other.bad_rows


# ---- batches


def test_batches_can_start_anywhere_in_an_epoch(task):
    rows = [batch.rows for batch in task.train_batches(1, 0)]
    assert len(rows) == task.n_batches
    assert [batch.rows for batch in task.train_batches(1, 1)] == rows[1:]


def test_an_epoch_has_every_row_once_in_an_order_of_its_own(name):
    task = read_task(name, fixture_of(name), "training.batch_size=3")
    epochs = [[batch.rows for batch in task.train_batches(epoch, 0)] for epoch in (0, 1, 0)]
    assert epochs[0] == epochs[2] != epochs[1]
    rows = [sorted(row for batch in epoch for row in batch) for epoch in epochs]
    assert rows[0] == rows[1] == list(range(len(rows[0])))


def test_another_seed_gives_another_order(name):
    first, other = (read_task(name, fixture_of(name), "training.batch_size=3", f"seed={seed}") for seed in (1, 2))
    assert [batch.rows for batch in first.train_batches(0, 0)] != [batch.rows for batch in other.train_batches(0, 0)]


def test_ranks_share_the_rows_of_each_batch(name):
    whole, *shares = (read_task(name, fixture_of(name), "training.batch_size=5") for _ in range(3))
    for rank, task in enumerate(shares):
        task.ranks = Ranks(rank, 2)
    batches = [[batch.rows for batch in task.train_batches(1, 1)] for task in (whole, *shares)]
    for rows, first, second in zip(*batches, strict=True):
        assert sorted(first + second) == sorted(rows)
        assert abs(len(first) - len(second)) <= 1


def test_the_loss_of_a_batch_is_the_sum_over_its_rows(task, model):
    model.eval()
    dataset = task.dataset(task.splits["dev"].examples)
    rows = list(range(len(dataset)))
    batch = task.collate(dataset, rows)
    assert tuple(batch.rows) == tuple(rows)
    assert batch.n_padded_tokens > batch.n_tokens
    total, count = task.loss(model, batch)
    alone = [task.loss(model, task.collate(dataset, [row])) for row in rows]
    assert count == sum(n for _, n in alone) >= len(rows)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in alone), rel=1e-5)
    assert np.ptp([float(loss) / n for loss, n in alone]) > 1e-3


@each_classifier
def test_the_logits_of_a_batch_are_those_of_its_rows(predictor):
    task, model = predictor.task, predictor.model
    dataset = task.dataset(task.load_split("dev").examples)

    def logits(rows: list[int]) -> np.ndarray:
        batch = task.collate(dataset, rows)
        model.eval()
        with paddle.no_grad():
            return model(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()

    rows = list(range(len(dataset)))
    together, alone = logits(rows), np.concatenate([logits([row]) for row in rows])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * max(1, abs(alone).max()))
    assert abs(together - together[::-1]).max() > 0.1


@pytest.mark.parametrize("n_parts", [2, 3, 100])
def test_the_loss_of_a_batch_is_the_sum_over_its_parts(task, model, n_parts):
    model.eval()
    batch = max(task.train_batches(0, 0), key=lambda batch: len(batch.rows))
    assert len(batch.rows) > 3
    total, count = task.loss(model, batch)
    losses = [task.loss(model, part) for part in batch.split(n_parts)]
    assert len(losses) == min(n_parts, len(batch.rows))
    assert count == sum(n for _, n in losses)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in losses), rel=1e-5)


# ---- learning


def test_it_overfits_its_fixture(name, overfitted):
    scores = dev_metrics(overfitted)
    assert all(scores[metric] >= LEARNT.get(name, 1) for metric in ("accuracy", "f1", "triplet_f1") if metric in scores)
    assert scores["loss"] < 0.05


def test_an_untrained_model_does_not_fit(task, model):
    assert evaluate(task, model).metrics["loss"] > 0.5


def test_every_parameter_gets_a_finite_gradient(task, model):
    assert not without_gradient(task, model)


def test_a_parameter_without_gradient_would_be_found(task, model):
    model.idle = nn.Linear(2, 2)
    assert without_gradient(task, model) == ["idle.weight", "idle.bias"]


# ---- model folders


def chosen(task: Any, metrics: Any) -> dict[str, float]:
    return {name: metrics[name] for name in task.METRICS}


def test_a_loaded_model_scores_as_the_trained_one(overfitted, predictor):
    task, dev = predictor.task, predictor.task.load_split("dev")
    expected = chosen(task, dev_metrics(overfitted))
    assert chosen(task, evaluate(task, predictor.model).metrics) == pytest.approx(expected, rel=1e-5)
    untrained = task.evaluate(task.build_model(), dev, lambda: None)
    assert abs(untrained.metrics["loss"] - expected["loss"]) > 0.1


@each_classifier
def test_a_loaded_model_predicts_as_the_trained_one(overfitted, predictor):
    trained = dev_records(overfitted)
    loaded = predictor([record["text"] for record in trained])
    assert [record["label"] for record in loaded] == [record["predicted"] for record in trained]
    for before, after in zip(trained, loaded, strict=True):
        assert after["probabilities"] == pytest.approx(before["probabilities"], abs=1e-6)


def test_a_saved_model_scores_and_predicts_the_same_when_it_is_loaded(task, model, tmp_path):
    inputs = inputs_of(task)
    scores, records = evaluate(task, model).metrics, task.predict(model, inputs)
    task.save_model(model, tmp_path / "model")
    loaded, again = type(task).load(tmp_path / "model")
    assert loaded.config == task.config
    assert_close(loaded.predict(again, inputs), records)
    restored = task.build_model()
    assert evaluate(task, restored).metrics["loss"] != pytest.approx(scores["loss"], rel=1e-4)
    task.load_weights(restored, tmp_path / "model")
    assert_close(evaluate(task, restored).metrics, scores)
    assert_close(task.predict(restored, inputs), records)


# ---- scores and records


def test_a_split_is_scored_by_all_metrics_with_a_record_for_each_row(task, model):
    evaluation = evaluate(task, model)
    assert set(task.METRICS) <= set(evaluation.metrics)
    assert all(isinstance(evaluation.metrics[name], float) for name in task.METRICS)
    assert [record["row"] for record in evaluation.predictions] == list(range(len(evaluation.predictions)))
    assert evaluation.error_records()
    assert all(record["loss"] >= 0 for record in evaluation.error_records())
    assert {record["kind"] for record in evaluation.error_records() if "kind" in record} <= set(task.ERROR_KINDS)


def test_an_evaluation_can_be_interrupted_before_each_batch(task, model):
    calls: list[int] = []

    def stop() -> None:
        calls.append(1)
        raise Interrupted("stopped")

    task.evaluate(model, task.splits["dev"], lambda: calls.append(1))
    assert calls
    calls.clear()
    with pytest.raises(Interrupted, match="stopped"):
        task.evaluate(model, task.splits["dev"], stop)
    assert calls == [1]


def test_the_records_of_a_run_give_its_scores(overfitted, predictor):
    metrics = predictor.task.score_records(predictor.task.load_split("dev"), dev_records(overfitted))
    assert set(metrics) & set(predictor.task.METRICS)
    assert_close(metrics, {name: dev_metrics(overfitted)[name] for name in metrics})


def test_the_records_of_a_model_that_errs_give_its_scores(task, model):
    evaluation = evaluate(task, model)
    records = json.loads(json.dumps(evaluation.predictions))
    metrics = task.score_records(task.splits["dev"], records)
    assert_close(metrics, {name: evaluation.metrics[name] for name in metrics})
    assert any(metrics[name] < 1 for name in task.METRICS if name in metrics)


def spoiled(predicted: Any, *, is_free: bool) -> Any:
    """Return a prediction that cannot be scored: an unknown label, one token fewer, or no text."""
    if is_free:
        return None
    if isinstance(predicted, str):
        return "nonsense"
    if all(isinstance(item, str) for item in predicted):
        return predicted[:-1]
    return [{**span, "label": "nonsense"} for span in predicted]


def test_records_that_do_not_fit_the_split_are_refused(name, overfitted, predictor):
    task, dev, records = predictor.task, predictor.task.load_split("dev"), dev_records(overfitted)
    for wrong in (records[:-1], [*records, records[0]], []):
        with pytest.raises(DataError, match=rf"expected a record for each of the {len(records)} .*found {len(wrong)}"):
            task.score_records(dev, wrong)
    for record in (spoiled_record(name, records[1]), {"row": 1}):
        with pytest.raises(DataError, match="record 1: "):
            task.score_records(dev, [records[0], record, *records[2:]])


def spoiled_record(name: str, record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "predicted": spoiled(record["predicted"], is_free=name in FREE_TEXT)}


# ---- predictions


def test_each_input_has_a_record_that_shows_it(task, model):
    inputs = inputs_of(task)
    records = task.predict(model, inputs)
    assert [record["input"] for record in records] == inputs
    assert json.loads(json.dumps(records)) == records
    for text, record in zip(inputs, records, strict=True):
        shown = "".join(segment.text for line in task.display(record) for segment in line)
        parts = text.replace("\n", "").split("[MASK]")  # a line break begins another line
        assert all(part in shown for part in parts)


def test_an_input_is_predicted_alone_as_with_others(task, model):
    inputs = inputs_of(task)
    together = task.predict(model, inputs)
    for text, record in zip(inputs[:4], together, strict=False):
        assert_close(task.predict(model, [text]), [record], rel=1e-4)


def test_no_input_has_no_record(task, model):
    assert task.predict(model, []) == []
