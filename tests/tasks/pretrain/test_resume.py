"""A pretraining run that was stopped and resumed equals one that was not stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..resuming import (
    test_a_resumed_run_equals_an_uninterrupted_one,
    test_a_run_with_another_seed_differs,
    uninterrupted,
)
from .test_task import settings
from .test_teacher import sections, texts, write_vectors

__all__ = [
    "test_a_resumed_run_equals_an_uninterrupted_one",
    "test_a_run_with_another_seed_differs",
    "texts",
    "uninterrupted",
]

DROPOUT = {"encoder": "bert", "hidden_size": 16, "n_layers": 2, "n_heads": 2, "pretraining_dropout": 0.2}


@pytest.fixture(scope="module", params=["teacher", pytest.param("plain", marks=pytest.mark.long)])
def resumable(request, texts, tmp_path_factory):
    shared = tmp_path_factory.mktemp("teacher")
    write_vectors(shared, texts)

    def make(folder: Path) -> dict[str, Any]:
        if request.param == "teacher":
            return settings(folder, **sections(shared), training={"epochs": 2, "save_every_steps": 2})
        training = {"epochs": 3, "batch_size": 2, "max_length": 32, "accumulation_steps": 2, "save_every_steps": 2}
        return settings(folder, model={**DROPOUT, "max_positions": 40}, training=training)

    return make
