"""A run of word2vec on the fixture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks import tasks
from paddle_tasks.workflows.config import assignments, load_config
from paddle_tasks.workflows.train import train

from ..conftest import fixture_of, quick_config

SMALL = {
    "data.train": [{"path": str(fixture_of("word2vec"))}],
    "data.unit": "character",
    "data.min_count": 1,
    "data.subsample": 0.1,
    "model.size": 8,
    "training.batch_size": 64,
    "training.epochs": 3,
    "logging.visualdl": False,
}


def read_small(**changes: Any) -> Any:
    """Return a task that has read the fixture."""
    task = tasks.find("word2vec")(load_config(quick_config("word2vec"), assignments({**SMALL, **changes})))
    task.read()
    return task


@pytest.fixture(scope="session")
def name() -> str:
    """The task that the shared tests of a task use."""
    return "word2vec"


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> Path:
    """A finished run, which no test may change."""
    return train(quick_config("word2vec"), run_dir=tmp_path_factory.mktemp("word2vec") / "run", **SMALL).folder
