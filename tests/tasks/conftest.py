"""A task with its fixture, and one trained on it until it knows every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle
import pytest

from paddle_tasks import tasks
from paddle_tasks.config import inline
from paddle_tasks.inference.pipelines import load
from paddle_tasks.tasks.classification.task import TextClassification
from paddle_tasks.workflows.train import load_config, train

from ..helpers import ROOT

CLASSIFIERS = [name for name in tasks.names() if issubclass(tasks.find(name), TextClassification)]
each_classifier = pytest.mark.parametrize("name", CLASSIFIERS, indirect=True)
FIXTURES = ROOT / "tests" / "fixtures"
# Long enough to know the rows by heart: this is about learning at all, not about learning well.
OVERFIT = {
    "model.dropout": 0.0,
    "optimizer.learning_rate": 0.01,
    "training.epochs": 25,
    "training.batch_size": 4,
    "evaluation.every_steps": 100,
    "evaluation.metric": "loss",
    "logging.visualdl": False,
}
# What is hidden differs from epoch to epoch, so each place of a row has to come up several times. One layer without
# pairs, whose second texts from elsewhere would be one thing more to know by heart.
MORE = {
    "opinion": {
        "training.epochs": 40,
        "data.vocabulary": {"min_count": 1},  # a dozen reviews use most characters once
    },
    "pretrain": {
        "model.n_layers": 1,
        "model.informed_start": False,  # which counts over a few sentences cannot give
        "training.batch_size": 48,
        "data.vocabulary": {"size": 300, "min_count": 1},
        "data.masking": {"unit": "character", "rate": 0.15, "mask_prob": 1.0, "random_prob": 0.0},
        "data.next_sentence": False,
        "data.train": [{"path": str(FIXTURES / "pretrain.txt"), "blank_lines": "part", "times": 64}],
    },
}


def fixture_of(name: str) -> Path:
    """Return the file of a task's rows: a table, or a text whose documents are parted by blank lines."""
    (path,) = FIXTURES.glob(f"{name}.*")
    return path


def quick_config(name: str) -> Path:
    return ROOT / "configs" / "quick" / f"{name}.yaml"


def sources(path: Path) -> dict[str, Any]:
    source = [{"path": str(path), "blank_lines": "part"}] if path.suffix == ".txt" else str(path)
    return {"data.train": source, "data.dev": source, "data.test": None}


def read_task(name: str, path: Path, *overrides: str) -> Any:
    """Return a task that has read a file as its train and dev data."""
    data = [f"{key}={inline(value)}" for key, value in sources(path).items()]
    config = load_config(quick_config(name), [*data, "model.dropout=0", *overrides])
    task = tasks.find(name)(config)
    task.read()
    return task


def trained(name: str, folder: Path, **changes: Any) -> Any:
    """Return a run that was trained on the task's fixture for long."""
    return train(
        quick_config(name), run_dir=folder, **{**sources(fixture_of(name)), **OVERFIT, **MORE.get(name, {}), **changes}
    )


@pytest.fixture(scope="session", params=tasks.names())
def name(request) -> str:
    """Each task's name."""
    return request.param


@pytest.fixture(scope="session")
def task(name):
    """A task with its fixture read."""
    return read_task(name, fixture_of(name))


@pytest.fixture(scope="session")
def model(task):
    """A fresh model of the task."""
    paddle.seed(1)
    return task.build_model()


@pytest.fixture(scope="session")
def overfitted(name, tmp_path_factory):
    """A run that was trained on its fixture for long."""
    return trained(name, tmp_path_factory.mktemp(name) / "run")


@pytest.fixture(scope="session")
def predictor(overfitted):
    """What was saved of that run."""
    return load(overfitted.folder)
