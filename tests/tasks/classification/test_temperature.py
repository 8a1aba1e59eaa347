"""Calibrated classifiers: what their results, model folders and answers hold, and what stays as it was."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from paddle_tasks import load, train, verify
from paddle_tasks.errors import CheckpointError
from paddle_tasks.metrics.calibration import scale
from paddle_tasks.tasks.classification.decision import MostProbable
from paddle_tasks.tasks.classification.records import mark_unsure
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.similarity.decision import Threshold

TEXTS = ["味道很好", "房间太小", "还可以"]
SETTINGS = "paddle_tasks.json"


def settings_of(run):
    return json.loads((run.folder / "model" / SETTINGS).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def runs(small_config, tmp_path_factory):
    """Return two runs that differ in calibration only."""
    made = {}
    for name, calibrate in (("calibrated", True), ("network", False)):
        folder = tmp_path_factory.mktemp(name)
        made[name] = train(small_config(folder, training={"calibrate": calibrate, "epochs": 12}))
    return made


def test_scores_and_model_folder_say_so(runs):
    calibrated, network = runs["calibrated"].result, runs["network"].result
    for split in ("dev", "test"):
        own, other = calibrated[split], network[split]
        assert own["accuracy"] == other["accuracy"]
        assert own["ece_uncalibrated"] > 0
        assert "ece" not in other
    assert calibrated["dev"]["loss"] < network["dev"]["loss"]
    assert settings_of(runs["calibrated"])["calibrated"] is True
    assert "temperature" not in settings_of(runs["network"])


def test_answers_are_those_of_the_network_divided_by_the_temperature(runs):
    temperature = settings_of(runs["calibrated"])["temperature"]
    assert temperature != 1
    found, network = (
        np.array([list(record["probabilities"].values()) for record in load(run.folder)(TEXTS)])
        for run in (runs["calibrated"], runs["network"])
    )
    np.testing.assert_allclose(found, scale(network, temperature), atol=1e-5)


def test_scores_during_training_are_those_of_the_network(runs):
    curves = [(run.folder / "metrics.jsonl").read_text(encoding="utf-8") for run in runs.values()]
    values = [
        [(row["step"], row["value"]) for row in map(json.loads, curve.splitlines()) if row["tag"] == "dev/loss"]
        for curve in curves
    ]
    assert values[0] == values[1] != []


def test_a_calibrated_run_can_be_verified(runs):
    assert list(verify(runs["calibrated"].folder).differences) == []


def test_a_run_that_stopped_after_its_settings_were_written_ends_alike(runs, small_config, tmp_path):
    config = small_config(tmp_path, training={"calibrate": True, "epochs": 12})
    folder = train(config).folder
    (folder / "result.json").unlink()
    again, expected = train(config).result, runs["calibrated"].result
    assert (again["dev"], again["test"]) == (expected["dev"], expected["test"])
    assert settings_of(train(config))["temperature"] == settings_of(runs["calibrated"])["temperature"]


@pytest.mark.parametrize("value", ["2", 0, -1, True, None, float("nan"), 11])
def test_a_damaged_temperature_is_refused(runs, tmp_path, value):
    folder = shutil.copytree(runs["calibrated"].folder / "model", tmp_path / "model")
    settings = {**settings_of(runs["calibrated"]), "temperature": value}
    (folder / SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"expected a number from 0\.1 to 10\.0 under 'temperature'"):
        load(folder)(TEXTS)


def test_only_dev_is_learnt_from_and_only_while_a_run_trains():
    gold, probabilities = np.array([0, 1, 0]), np.array([[0.99, 0.01], [0.99, 0.01], [0.99, 0.01]])
    loaded = Temperature.restored({"temperature": 2.0})
    loaded.learn("dev", gold, probabilities)
    assert (loaded.value, loaded.is_known) == (2.0, True)
    learning = Temperature()
    learning.start_learning()
    learning.learn("test", gold, probabilities)
    assert learning.value == 1.0
    learning.learn("dev", gold, probabilities)
    assert learning.value > 2
    assert learning.apply(probabilities)[0, 0] < 0.9
    assert Temperature.restored({}).settings() == {}


@pytest.mark.parametrize(
    ("decision", "probabilities", "unsure"),
    [
        (MostProbable(), [[0.61, 0.39], [0.59, 0.41]], [False, True]),
        (MostProbable(), [[0.45, 0.35, 0.2], [0.5, 0.25, 0.25]], [True, False]),
        (Threshold(0.8), [[0.3, 0.7], [0.25, 0.75], [0.5, 0.5]], [False, True, False]),
    ],
)
def test_answers_that_could_be_another_label_are_unsure(decision, probabilities, unsure):
    records = [{} for _ in probabilities]
    mark_unsure(records, np.array(probabilities), decision, Temperature.restored({}))
    assert records == [{}] * len(unsure)
    mark_unsure(records, np.array(probabilities), decision, Temperature.restored({"temperature": 1.0}))
    assert [record.get("unsure", False) for record in records] == unsure
