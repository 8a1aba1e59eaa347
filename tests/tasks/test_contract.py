"""What every task promises, and every classifier; a new module in `paddle_tasks/tasks` is tested here by itself."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks import tasks
from paddle_tasks.config import dump, parse_yaml, validate
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.workflows.train import load_config, train

from ..helpers import ROOT
from .conftest import each_classifier, fixture_of, quick_config, read_task

SECONDS = 60
# A line that the reader of the fixture's kind refuses, and what it says.
BAD_LINES = {
    ".tsv": ("\t".join(["x"] * 9).encode(), r"expected \d+ columns, found 9"),
    ".txt": (b"\xff\xfe", "not valid utf-8"),
    ".jsonl": (
        b'{"text": "x", "spans": [{"start": 0, "end": 9, "label": "aspect"}]}',
        "aspect 0 to 9: expected a start",
    ),
}


def logits(model: nn.Layer, batch) -> np.ndarray:
    model.eval()
    with paddle.no_grad():
        return model(batch.input_ids, batch.token_type_ids, batch.lengths).numpy()


def is_sound(gradient: paddle.Tensor | None) -> bool:
    return gradient is not None and bool(np.isfinite(gradient.numpy()).all()) and bool(gradient.numpy().any())


def without_gradient(task, model: nn.Layer) -> list[str]:
    """Return the trainable parameters that get no gradient from the fixture, or one that is not finite or all zero."""
    model.train()
    model.clear_gradients()
    for batch in task.batches_of(0, 0):
        loss, _ = task.loss(model, batch)
        loss.backward()
    return [name for name, value in model.named_parameters() if value.trainable and not is_sound(value.grad)]


def test_its_configurations_load_and_dump_back_equal(name):
    whole = [path for path in (ROOT / "configs").glob(f"{name}*.yaml") if path.stem.partition("-")[0] == name]
    assert whole
    for path in (*whole, quick_config(name)):
        config = load_config(path)
        assert config.task == name
        assert validate(parse_yaml(dump(config), "dump"), tasks.find(name).Config, "dump") == config


def test_its_quick_configuration_trains_in_a_minute(name, tmp_path):
    run = train(quick_config(name), run_dir=tmp_path / "run")
    assert run.result["status"] == "finished"
    assert run.result["train"]["seconds"] < SECONDS
    assert set(run.result["dev"]) == set(run.result["test"]) >= set(tasks.find(name).METRICS)


def test_it_overfits_its_fixture(overfitted):
    scores = overfitted.result["dev"]
    assert {scores[name] for name in ("accuracy", "f1", "triplet_f1") if name in scores} == {1}
    assert scores["loss"] < 0.05


def test_an_untrained_one_does_not_fit(task, model):
    scores = task.evaluate(model, task.splits["dev"], lambda: None).metrics
    assert scores["loss"] > 0.5


def test_what_is_loaded_scores_as_what_was_trained(overfitted, predictor):
    task, trained = predictor.task, scores(predictor.task, overfitted.result["dev"])
    dev = task.load_split("dev")
    assert scores(task, task.evaluate(predictor.model, dev, lambda: None).metrics) == pytest.approx(trained, rel=1e-5)
    untrained = task.evaluate(task.build_model(), dev, lambda: None)
    assert abs(untrained.metrics["loss"] - trained["loss"]) > 0.1


def scores(task, metrics):
    return {name: metrics[name] for name in task.METRICS}


@each_classifier
def test_what_is_loaded_predicts_what_was_trained(overfitted, predictor):
    lines = (overfitted.folder / "predictions" / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    trained = [json.loads(line) for line in lines]
    loaded = predictor([record["text"] for record in trained])
    assert [record["label"] for record in loaded] == [record["predicted"] for record in trained]
    for before, after in zip(trained, loaded, strict=True):
        assert after["probabilities"] == pytest.approx(before["probabilities"], abs=1e-6)


@each_classifier
def test_a_batch_is_its_rows_one_by_one(predictor):
    task, model = predictor.task, predictor.model
    dataset = task.dataset(task.load_split("dev", str(fixture_of(task.config.task))).examples)
    rows = list(range(len(dataset)))
    (batch,) = task._collated(dataset, [rows])
    assert batch.n_padded_tokens > batch.n_tokens
    together = logits(model, batch)
    alone = np.concatenate([logits(model, one) for one in task._collated(dataset, [[row] for row in rows])])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6 * max(1, abs(alone).max()))
    assert abs(together - together[::-1]).max() > 0.1


def test_a_bad_row_names_file_and_line(name, tmp_path):
    fixture = fixture_of(name)
    good, (bad, message) = fixture.read_bytes().splitlines(), BAD_LINES[fixture.suffix]
    path = tmp_path / f"broken{fixture.suffix}"
    path.write_bytes(b"\n".join([*good[:3], bad, *good[3:]]) + b"\n")
    with pytest.raises(DataError, match=rf"{path}:4: {message}"):
        read_task(name, path)


def test_every_parameter_gets_a_finite_gradient(task, model):
    assert not without_gradient(task, model)


def test_a_parameter_without_gradient_would_be_found(task):
    model = task.build_model()
    model.idle = nn.Linear(2, 2)
    assert without_gradient(task, model) == ["idle.weight", "idle.bias"]


def test_batches_go_on_from_any_place(task):
    rows = [batch.rows for batch in task.batches_of(1, 0)]
    assert len(rows) == task.n_batches
    assert [batch.rows for batch in task.batches_of(1, 1)] == rows[1:]


@pytest.mark.parametrize("n_parts", [2, 3, 100])
def test_its_loss_is_the_sum_over_the_parts_of_a_batch(task, model, n_parts):
    model.eval()
    batch = max(task.batches_of(0, 0), key=lambda batch: len(batch.rows))
    assert len(batch.rows) > 3
    total, count = task.loss(model, batch)
    losses = [task.loss(model, part) for part in batch.split(n_parts)]
    assert len(losses) == min(n_parts, len(batch.rows))
    assert count == sum(n for _, n in losses)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in losses), rel=1e-5)


@each_classifier
def test_its_loss_is_a_sum_over_rows(task, model):
    model.eval()
    (batch,) = task._collated(task._train, [range(len(task._train))])
    total, count = task.loss(model, batch)
    parts = [task.loss(model, part) for part in task._collated(task._train, [range(3), range(3, len(task._train))])]
    assert count == sum(n for _, n in parts) == len(task._train)
    assert float(total) == pytest.approx(sum(float(loss) for loss, _ in parts), rel=1e-5)


def test_its_scores_are_those_that_may_choose_the_best(task, model):
    metrics = task.evaluate(model, task.splits["dev"], lambda: None).metrics
    assert set(task.METRICS) <= set(metrics)
    assert all(isinstance(metrics[name], float) for name in task.METRICS)


@each_classifier
def test_predicting_nothing_is_nothing(predictor):
    assert predictor([]) == []


# ---- finding tasks


def test_tasks_are_found_by_their_module():
    assert tasks.find("sentiment").__module__ == "paddle_tasks.tasks.sentiment.task"
    assert "sentiment" in tasks.names()
    assert not [name for name in tasks.names() if name.startswith("_")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sentimnt", "task: 'sentimnt' is unknown; did you mean 'sentiment'"),
        ("_classification", "task: '_classification' is unknown"),
        (None, r"task: missing \(one of "),
        (5, "task: 5 is unknown"),
        (["sentiment"], "is unknown"),
    ],
)
def test_what_is_no_task_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        tasks.find(name)
