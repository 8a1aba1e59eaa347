"""A finished run for each test module, and the configuration of the runs that tests interrupt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.workflows.train import train

from .interruptions import TRAINING


@pytest.fixture(scope="module")
def config(small_config, tmp_path_factory) -> dict[str, Any]:
    return small_config(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def finished(config) -> Path:
    """Return the folder of a finished run, which no test may change."""
    return train(config).folder


@pytest.fixture(scope="module")
def resumable_config(small_config) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the configuration of a run in a folder, which `INTERRUPTIONS` can stop."""

    def make(folder: Path, encoder: str = "textcnn", **training: Any) -> dict[str, Any]:
        config = small_config(
            folder,
            model={"encoder": encoder, "n_heads": 2, "pooling": "max"},
            optimizer={"learning_rate": 0.1, "schedule": "constant"},
            training={**TRAINING, **training},
            evaluation={"metric": "loss"},
            logging={"detail": "normal"},
        )
        return {**config, "seed": 7}  # with this seed the best model is not the last

    return make
