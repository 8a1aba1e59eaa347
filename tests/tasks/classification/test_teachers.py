"""Distillation: a student learns the mean probabilities of its teachers for the train rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS

from ..conftest import each_classifier, fixture_of, read_task, trained

FIXTURE = fixture_of("sentiment")
TEXTS = [line.split("\t")[1] for line in FIXTURE.read_text(encoding="utf-8").splitlines()[1:]]
SHORT = {"training.epochs": 2}


@pytest.fixture(scope="module")
def teachers(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("teachers")
    return [trained("sentiment", folder / f"seed-{seed}", seed=seed, **SHORT).folder for seed in (1, 2)]


def student(folders: list[Path], *overrides: str, name: str = "sentiment"):
    listed = json.dumps([str(folder) for folder in folders])
    return read_task(name, fixture_of(name), f"training.loss.teachers={listed}", *overrides)


def test_the_probabilities_are_the_mean_of_the_predictions(teachers):
    task = student([teachers[0], teachers[1] / "model"], "data.labels=[positive, negative]")
    predicted = [[answer["probabilities"] for answer in load(folder)(TEXTS)] for folder in teachers]
    rows = [3, 0, 7]
    expected = [[np.mean([said[row][label] for said in predicted]) for label in task.labels] for row in rows]
    assert task.labels == ("positive", "negative")
    np.testing.assert_allclose(task.teachers.probabilities(rows).numpy(), expected, atol=1e-6)
    assert np.ptp(expected) > 1e-3


def test_predictions_are_cached_by_weights_and_rows(teachers, tmp_path, monkeypatch):
    other = Path(shutil.copytree(teachers[0] / "model", tmp_path / "other"))
    shutil.copy(teachers[1] / "model" / WEIGHTS, other / WEIGHTS)  # the settings stay
    fewer = tmp_path / "fewer.tsv"
    fewer.write_text("\n".join(FIXTURE.read_text(encoding="utf-8").splitlines()[:-2]), encoding="utf-8")
    first = student(teachers).teachers.probabilities([0, 1]).numpy()
    monkeypatch.setattr("paddle_tasks.tasks.sentiment.task.SentimentTask.load", None)
    assert (student(teachers).teachers.probabilities([0, 1]).numpy() == first).all()
    with pytest.raises(TypeError):  # other weights have other predictions
        student([other])
    with pytest.raises(TypeError):  # and so have other rows
        student(teachers, f"data.train={fewer}")


@each_classifier
@pytest.mark.long
def test_teachers_of_every_task_give_their_predictions(name, tmp_path):
    """Also if the student reads texts of another length."""
    folder = trained(name, tmp_path / "run", **SHORT).folder
    task = student([folder], "training.max_length=16", name=name)
    rows = [5, 0, 2]
    texts = ["\t".join(task.FORMAT.texts(task.splits["train"].examples[row])) for row in rows]
    predicted = [answer["probabilities"] for answer in load(folder)(texts)]
    expected = [[said[label] for label in task.labels] for said in predicted]
    np.testing.assert_allclose(task.teachers.probabilities(rows).numpy(), expected, atol=1e-6)


def test_a_run_is_not_resumed_with_other_teachers(teachers, tmp_path):
    first = Path(shutil.copytree(teachers[0], tmp_path / "teacher"))
    loss = {"training.loss": {"teachers": [str(first)]}}
    run = trained("sentiment", tmp_path / "run", **loss, **{"training.max_steps": 3, "training.save_every_steps": 3})
    result = json.loads((run.folder / "result.json").read_text(encoding="utf-8"))
    (run.folder / "result.json").write_text(json.dumps({**result, "status": "interrupted"}), encoding="utf-8")
    shutil.rmtree(first / "model")
    shutil.copytree(teachers[1] / "model", first / "model")
    with pytest.raises(CheckpointError, match=r"training\.loss\.teachers names has changed since this run began"):
        trained("sentiment", tmp_path / "run", **loss, **{"training.max_steps": 3, "training.save_every_steps": 3})


def test_a_teacher_has_not_seen_the_fold_that_is_dev(tmp_path):
    folds = {"data.folds": 3, "data.dev": None}
    folder = trained("sentiment", tmp_path / "run", seed=7, **{**SHORT, **folds, "data.fold": 0}).folder
    here = ("data.folds=3", "data.dev=null", "seed=7")
    student([folder], *here, "data.fold=0")
    with pytest.raises(ConfigError, match="has learnt rows of this dev split"):
        student([folder], *here, "data.fold=1")


def test_the_loss_of_a_shuffled_batch_is_that_of_its_rows(teachers):
    task = student(teachers, "training.loss.teacher_weight=1")
    model = task.build_model()
    model.eval()
    batch = next(iter(task.train_batches(0, 0)))
    with paddle.no_grad():
        log_probs = paddle.nn.functional.log_softmax(
            model(batch.input_ids, batch.token_type_ids, batch.lengths)
        ).numpy()
    expected = -(task.teachers.probabilities(batch.rows).numpy() * log_probs).sum()
    assert list(batch.rows) != sorted(batch.rows)
    assert float(task.loss(model, batch)[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.long
def test_a_student_that_learns_only_from_one_teacher_predicts_nearly_the_same(teachers, tmp_path):
    loss = {"teachers": [str(teachers[0])], "teacher_weight": 1.0}
    network = {"training.calibrate": False}
    run = trained("sentiment", tmp_path / "run", **{"training.loss": loss}, **network)
    alone = trained("sentiment", tmp_path / "alone", **network)
    expected, found, memorised = (
        [record["probabilities"]["positive"] for record in load(folder)(TEXTS)]
        for folder in (teachers[0], run.folder, alone.folder)
    )
    assert np.abs(np.array(found) - expected).max() < 0.1
    assert np.abs(np.array(memorised) - expected).max() > 0.2


def test_a_missing_teacher_or_one_of_another_task_or_other_labels_is_refused(teachers, tmp_path):
    wrong = teachers[0].parent / "seed-11"
    with pytest.raises(
        ConfigError, match=r"training\.loss\.teachers: .*seed-11 holds no trained model; did you mean '.*seed-1'"
    ):
        student([wrong])
    with pytest.raises(ConfigError, match="is the folder of this run; name the folder of another run"):
        student(teachers, f"run_dir={teachers[1]}")
    with pytest.raises(ConfigError, match="is a model of the task sentiment, not news"):
        student(teachers, name="news")
    other = Path(shutil.copytree(teachers[0] / "model", tmp_path / "other"))
    settings = json.loads((other / SETTINGS).read_text(encoding="utf-8"))
    (other / SETTINGS).write_text(json.dumps({**settings, "labels": ["bad", "good"]}), encoding="utf-8")
    with pytest.raises(ConfigError, match="knows the labels bad, good; train has negative, positive"):
        student([other])
