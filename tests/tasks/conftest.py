"""Each task with its fixture, and a run that was trained on the fixture until it knows every row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks.classification.task import ClassifierTask
from paddle_tasks.workflows.config import assignments, load_config
from paddle_tasks.workflows.train import train

from ..helpers import ROOT

CLASSIFIERS = [name for name in tasks.names() if issubclass(tasks.find(name), ClassifierTask)]
each_classifier = pytest.mark.parametrize("name", CLASSIFIERS, indirect=True)
FIXTURES = ROOT / "tests" / "fixtures"
# Enough epochs to memorise the rows; whether a model learns well is not tested here.
OVERFIT = {
    "model.dropout": 0.0,
    "optimizer.learning_rate": 0.01,
    "training.epochs": 25,
    "training.batch_size": 4,
    "evaluation.every_steps": 100,
    "evaluation.metric": "loss",
    "logging.visualdl": False,
}
OVERFIT_TASK = {
    "novel": {
        "training.epochs": 50,
        "data.vocabulary": {"min_count": 1},  # most characters occur once in six short texts
    },
    "translate": {
        "training.epochs": 60,
        "data.vocabulary": {"min_count": 1},  # most characters occur once in a few sentences
    },
    "opinion": {
        "training.epochs": 40,
        "data.vocabulary": {"min_count": 1},  # most characters occur once in a dozen reviews
    },
    # Other tokens are hidden in each epoch, so each position has to come up several times. One layer, and no pairs,
    # whose random second texts would have to be memorised too.
    "pretrain": {
        "model.n_layers": 1,
        "model.informed_start": False,  # counts over a few sentences give none
        "training.batch_size": 48,
        "data.vocabulary": {"size": 300, "min_count": 1},
        "data.masking": {"unit": "character", "rate": 0.15, "mask_prob": 1.0, "random_prob": 0.0},
        "data.next_sentence": False,
        "data.train": [{"path": str(FIXTURES / "pretrain.txt"), "blank_lines": "part", "times": 64}],
    },
}


def fixture_of(name: str) -> Path:
    """Return the file of a task's rows: a table, JSON lines, or documents with blank lines between them."""
    (path,) = FIXTURES.glob(f"{name}.*")
    return path


def quick_config(name: str) -> Path:
    return ROOT / "configs" / "quick" / f"{name}.yaml"


def sources(path: Path) -> dict[str, Any]:
    """Return the settings that make a file both train and dev."""
    source = [{"path": str(path), "blank_lines": "part"}] if path.suffix == ".txt" else str(path)
    return {"data.train": source, "data.dev": source, "data.test": None}


def read_task(name: str, path: Path, *overrides: str) -> Any:
    """Return a task that has read a file as its train and dev data."""
    settings = assignments({**sources(path), "model.dropout": 0})
    task = tasks.find(name)(load_config(quick_config(name), [*settings, *overrides]))
    task.read()
    return task


def trained(name: str, folder: Path, **changes: Any) -> Any:
    """Return a run that was trained on the task's fixture until it has memorised it."""
    settings = {**sources(fixture_of(name)), **OVERFIT, **OVERFIT_TASK.get(name, {}), **changes}
    return train(quick_config(name), run_dir=folder, **settings)


def dev_metrics(run: Path) -> dict[str, Any]:
    """Return the metrics of the dev split in a run's result."""
    return json.loads((run / "result.json").read_text(encoding="utf-8"))["dev"]


def dev_records(run: Path) -> list[dict[str, Any]]:
    """Return the records of a run's dev split."""
    return [json.loads(line) for line in (run / "predictions/dev.jsonl").read_text(encoding="utf-8").splitlines()]


# The dev split of word2vec has other rows than train, analogy questions; tests/tasks/word2vec tests it.
WITH_ROWS = [name for name in tasks.names() if name != "word2vec"]


@pytest.fixture(scope="session", params=WITH_ROWS)
def name(request) -> str:
    """The name of each task."""
    return request.param


@pytest.fixture(scope="session")
def overfitted(name, tmp_path_factory) -> Path:
    """The folder of a run that has memorised the task's fixture; tests only read it."""
    return trained(name, tmp_path_factory.mktemp(name) / "run").folder


@pytest.fixture
def predictor(overfitted):
    """The saved model of that run, loaded anew."""
    return load(overfitted)


@pytest.fixture
def task(name):
    """A task that has read its fixture."""
    return read_task(name, fixture_of(name))


@pytest.fixture
def model(task):
    """An untrained model of the task."""
    paddle.seed(1)
    return task.build_model()
