"""A word2vec run that was stopped and resumed equals one that was not stopped, with each kind of gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.workflows.config import assignments, load_config

from ..conftest import quick_config
from ..resuming import (
    test_a_resumed_run_equals_an_uninterrupted_one,
    test_a_run_with_another_seed_differs,
    uninterrupted,
)
from .conftest import SMALL

__all__ = ["test_a_resumed_run_equals_an_uninterrupted_one", "test_a_run_with_another_seed_differs", "uninterrupted"]

KINDS = {
    "sparse": {"data.unit": "word", "model.subwords": 2},
    "dense": {"model.loss": "full_softmax", "model.architecture": "cbow"},
}
STEPS = {
    "training.max_steps": 6,
    "training.save_every_steps": 2,
    "training.accumulation_steps": 2,
    "training.batch_size": 16,
    "logging.every_steps": 1,
    "logging.visualdl": True,
}


@pytest.fixture(scope="module", params=KINDS)
def resumable(request):
    def make(folder: Path) -> dict[str, Any]:
        settings = {**SMALL, **KINDS[request.param], **STEPS, "run_dir": str(folder / "run"), "seed": 3}
        return load_config(quick_config("word2vec"), assignments(settings)).model_dump(mode="json")

    return make
