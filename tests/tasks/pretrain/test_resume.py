"""A pretraining run that was stopped and resumed equals one that was not stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.errors import Interrupted
from paddle_tasks.workflows.train import train

from ...workflows.interruptions import CrashError, Interruption, after, crash, interrupt, resume, terminate
from ...workflows.snapshot import differing, snapshot
from .test_task import settings

DROPOUT = {"encoder": "bert", "hidden_size": 16, "n_layers": 2, "n_heads": 2, "pretraining_dropout": 0.2}
INTERRUPTIONS = {
    "signal in mid-epoch": Interruption(after(3, terminate), Interrupted, 3),
    "crash in the last epoch": Interruption(after(5, crash), CrashError, 4),
}


@pytest.fixture(scope="module")
def resumable():
    def make(folder: Path) -> dict[str, Any]:
        training = {"epochs": 3, "batch_size": 2, "max_length": 32, "accumulation_steps": 2, "save_every_steps": 2}
        return settings(folder, model={**DROPOUT, "max_positions": 40}, training=training)

    return make


@pytest.fixture(scope="module")
def uninterrupted(resumable, tmp_path_factory) -> dict[str, Any]:
    return snapshot(train(resumable(tmp_path_factory.mktemp("whole"))).folder)


@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_a_resumed_run_equals_an_uninterrupted_one(name, resumable, uninterrupted, tmp_path):
    config = resumable(tmp_path)
    interrupt(config, INTERRUPTIONS[name])
    resumed, notes = resume(config)
    assert f"after step {INTERRUPTIONS[name].restored} of 6" in "".join(notes)
    assert differing(resumed, uninterrupted) == set()


def test_a_run_with_another_seed_differs(resumable, uninterrupted, tmp_path):
    other = snapshot(train({**resumable(tmp_path), "seed": 4}).folder)
    assert differing(other, uninterrupted) >= {"weights", "metrics"}
