"""A word2vec run that was stopped and resumed equals one that was not stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle_tasks.errors import Interrupted
from paddle_tasks.inference.pipelines import load
from paddle_tasks.workflows.config import assignments, load_config
from paddle_tasks.workflows.train import train

from ...workflows.interruptions import Interruption, after, interrupt, resume, terminate
from .test_task import QUICK, SHORT


def config_of(folder: Path) -> dict[str, Any]:
    settings = {**SHORT, "run_dir": str(folder / "run"), "training.save_every_steps": 2, "logging.visualdl": True}
    return load_config(QUICK, assignments(settings)).model_dump(mode="json")


def test_a_resumed_run_has_the_vectors_of_an_uninterrupted_one(tmp_path):
    whole = train(config_of(tmp_path / "whole")).folder
    config = config_of(tmp_path / "stopped")
    interrupt(config, Interruption(after(3, terminate), Interrupted, 3))
    resume(config)
    first, second = (load(folder).model.words.weight.numpy() for folder in (whole, tmp_path / "stopped" / "run"))
    assert first.any()
    assert (first == second).all()
