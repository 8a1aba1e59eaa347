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

COLUMNS = {"source": "classical", "target": "modern", "book": "book"}
MODELS = {
    "rnn": {"architecture": "rnn", "hidden_size": 64, "embedding_size": 64, "n_decoder_layers": 2},
    "transformer": {"architecture": "transformer", "hidden_size": 64, "n_heads": 2},
}


@pytest.fixture(scope="module", params=[("rnn", "float32"), ("rnn", "bfloat16"), ("transformer", "bfloat16")], ids=str)
def resumable(request):
    kind, dtype = request.param
    if dtype == "bfloat16" and not precision.has_bfloat16():
        pytest.skip(precision.why_not_bfloat16())

    def make(folder: Path) -> dict[str, Any]:
        data = {name.partition(".")[2]: value for name, value in sources(fixture_of("translate")).items()}
        return {
            "task": "translate",
            "seed": 3,
            "run_dir": str(folder / "run"),
            "data": {**data, "test": data["dev"], "strip_punctuation": 0.5, "columns": COLUMNS},
            "model": {**MODELS[kind], "dropout": 0.2},
            "training": {
                "epochs": 3,
                "batch_size": 2,
                "accumulation_steps": 2,
                "save_every_steps": 2,
                "precision": dtype,
                "label_smoothing": 0.1,
                "ema_decay": 0.9,
                "teacher_forcing": {"start": 0.9, "end": 0.2},
            },
            "generation": {"max_new_tokens": 10},
            "logging": {"every_steps": 1, "detail": "light"},
        }

    return make
