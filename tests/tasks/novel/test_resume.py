"""A run that was stopped and resumed equals one that was not stopped, in float32 and in bfloat16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.onednn import precision

from ..conftest import fixture_of, sources
from ..resuming import (
    test_a_resumed_run_equals_an_uninterrupted_one,
    test_a_run_with_another_seed_differs,
    uninterrupted,
)

__all__ = ["test_a_resumed_run_equals_an_uninterrupted_one", "test_a_run_with_another_seed_differs", "uninterrupted"]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def resumable(request):
    if request.param == "bfloat16" and not precision.has_bfloat16():
        pytest.skip(precision.why_not_bfloat16())

    def make(folder: Path) -> dict[str, Any]:
        data = {name.partition(".")[2]: value for name, value in sources(fixture_of("novel")).items()}
        return {
            "task": "novel",
            "seed": 3,
            "run_dir": str(folder / "run"),
            "data": {**data, "test": data["dev"], "max_overlap": None, "window": 16},
            "model": {"architecture": "gpt", "hidden_size": 64, "n_layers": 2, "n_heads": 2, "dropout": 0.2},
            "training": {
                "epochs": 3,
                "batch_size": 7,
                "accumulation_steps": 2,
                "save_every_steps": 2,
                "precision": request.param,
            },
            "evaluation": {"prompt_length": 5, "n_continuations": 2},
            "generation": {"do_sample": True, "max_new_tokens": 10},
            "logging": {"every_steps": 1, "detail": "light"},
        }

    return make
